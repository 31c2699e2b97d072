"""Code that root runs is root's alone, or its fault is named."""

import os
import sys
from pathlib import Path

import pytest

from vzhooks.node import trust

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="makes files of others, which takes root")


@pytest.fixture
def venv(tmp_path):
    """An interpreter by a link, as venv makes it, in a directory below one that all may write to, as /tmp."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    for folder in ("shared/venv", "shared/venv/bin", "real", "real/bin"):
        (tmp_path / folder).mkdir(mode=0o755)
    (tmp_path / "real/bin/python3.9").write_text("")
    (tmp_path / "real/bin/python3").symlink_to("python3.9")
    (tmp_path / "shared/venv/bin/python").symlink_to(tmp_path / "real/bin/python3")
    return tmp_path


def faults(venv, **more):
    found = trust.untrusted([str(venv / "shared/venv/bin/python")], **more)
    return [line.replace(f"{venv}/", "") for line in found]


def test_an_interpreter_that_is_root_s_alone_has_no_fault(venv):
    assert faults(venv) == []


@pytest.mark.parametrize("path", ["shared/venv", "shared/venv/bin", "real", "real/bin", "real/bin/python3.9"])
@pytest.mark.parametrize("above", [True, False])
def test_what_all_may_write_on_the_way_is_named(venv, path, above):
    (venv / path).chmod(0o777)
    assert faults(venv, above=above) == [f"{path} can be written by others than root (mode 0777)"]


@pytest.mark.parametrize(("path", "above"), [
    ("shared/venv", True), ("shared/venv/bin", False), ("real/bin/python3.9", False), ("real/bin/python3", False),
    ("shared", True)])
def test_what_belongs_to_another_is_named_and_further_up_only_where_asked(venv, path, above):
    os.lchown(venv / path, 12345, 0)
    assert faults(venv) == [f"{path} belongs to uid 12345, not to root"]
    assert faults(venv, above=False) == ([] if above else faults(venv))


def test_a_sticky_directory_keeps_a_directory_of_root_s_but_not_code_of_its_own(venv):
    (venv / "shared/venv/bin").chmod(0o1777)
    assert faults(venv) == ["shared/venv/bin can be written by others than root (mode 1777)"]


@pytest.mark.parametrize(("gid", "fault"), [(0, False), (54321, True)])
def test_a_group_counts_where_it_has_others_than_root(venv, gid, fault):
    os.chown(venv / "real/bin", 0, gid)
    (venv / "real/bin").chmod(0o775)
    assert (faults(venv) == ["real/bin can be written by others than root (mode 0775)"]) is fault


def test_what_runs_is_the_interpreter_and_all_it_imported():
    found = trust.executed()
    assert found[0] == sys.executable and {os.__file__, trust.__file__, pytest.__file__} <= set(found)
    assert str(Path(trust.__file__).parents[1] / "policy/guard.py") in found
    assert trust.executed("/opt/other/python") == ["/opt/other/python"]


@pytest.mark.parametrize("linked", [False, True], ids=["another", "another_environment_of_this_one"])
@pytest.mark.parametrize("name", ["lib/python3.11/site-packages/vzhooks/cli/main.py", "lib/python3.11/os.py",
                                  "lib64/python3.9/site-packages/pyroute2/iproute.py",
                                  "lib/python3/dist-packages/vzhooks/errors.py",
                                  "lib/python3.11/site-packages/more.pth"])
def test_of_another_interpreter_its_own_packages_run_as_well(tmp_path, name, linked):
    python, code = tmp_path / "venv[1]/bin/python", tmp_path / "venv[1]" / name
    for path in (python, code):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    if linked:
        python.unlink()
        python.symlink_to(sys.executable)
    code.chmod(0o646)
    assert str(code) in trust.executed(str(python))
    assert any(str(code) in fault for fault in trust.untrusted(trust.executed(str(python)), above=False))


def test_a_missing_file_is_no_fault_of_its_own(tmp_path):
    assert trust.untrusted([str(tmp_path / "gone/python")]) == []
