"""Those who judge packages for a living find nothing to say: lintian, rpmlint, twine."""

import email
import subprocess
import sys
import tarfile
import zipfile

import pytest

from pack.release import ROOT


def test_lintian_finds_nothing(built):
    done = subprocess.run(["lintian", "--fail-on", "warning,error", str(built[0])], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_rpmlint_finds_nothing(built):
    done = subprocess.run(["rpmlint", "-c", str(ROOT / "pack/rpmlint.toml"), str(built[1])], capture_output=True,
                          text=True)
    assert done.returncode == 0 and " 0 errors, 0 warnings" in done.stdout, done.stdout


@pytest.fixture(scope="module")
def for_pip(copy, tmp_path_factory):
    """The sdist of this tree, and the wheel that is made of it."""
    out = tmp_path_factory.mktemp("for_pip")
    subprocess.run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(copy)], check=True,
                   capture_output=True)
    return sorted(out.iterdir())


def test_twine_finds_nothing(for_pip):
    assert [path.suffix for path in for_pip] == [".whl", ".gz"]
    done = subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *map(str, for_pip)],
                          capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count("PASSED") == 2, done.stdout


def test_sdist_and_wheel_hold_all_and_say_all(for_pip):
    with zipfile.ZipFile(for_pip[0]) as wheel:
        name = next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
        said = email.message_from_bytes(wheel.read(name))
        files = set(wheel.namelist())
    assert [key for key in ("Author", "Summary", "Keywords", "Requires-Python", "Platform") if not said[key]] == []
    assert said["License"] == "GPL-2.0-or-later" or said["License-Expression"] == "GPL-2.0-or-later"
    assert {"vzhooks/scripts/vps.mount", "vzhooks/conf/vzhooks.ini", "vzhooks/__main__.py"} <= files
    with tarfile.open(for_pip[1]) as sdist:
        names = {n.partition("/")[2] for n in sdist.getnames()}
    assert {"CHANGELOG.md", "pack/vzhooks.spec", "docs/status-json.md", "tests/site.py", "scripts/check"} <= names
