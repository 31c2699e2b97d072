"""The packages of this tree and of one that came before, built once a process."""

import shutil

import pytest

from pack.__main__ import build
from pack.release import ROOT

OLDER = "0.0.9"
TREE = ("vzhooks", "scripts", "conf", "contrib", "docs", "pack", "tests", "README.md", "CHANGELOG.md",
        "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "pyproject.toml", "setup.py")


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """This tree's deb and RPM."""
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="session")
def older(tmp_path_factory):
    """The same of a version before."""
    return build(tmp_path_factory.mktemp("older"), OLDER)


@pytest.fixture(scope="session")
def copy(tmp_path_factory):
    """A copy of this tree, without git and whatever builds left in it."""
    place = tmp_path_factory.mktemp("copy")
    for name in TREE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, place / name)
    return place
