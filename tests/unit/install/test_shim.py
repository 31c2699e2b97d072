"""The real vzctl is the next one on PATH that is no wrapper of ours."""

import sys
from pathlib import Path

import pytest

from vzhooks.errors import HostError
from vzhooks.install import shim
from vzhooks.node.host import Paths

TEMPLATE = (Path(__file__).parents[3] / "scripts/vzctl").read_bytes()
OURS = "#!/bin/sh\n# vzhooks vzctl wrapper, made by\n"


def put(path, text="#!/bin/sh\n", mode=0o755):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_wrappers_and_what_cannot_be_run_are_passed_by(tmp_path):
    put(tmp_path / "a/vzctl", OURS)
    (tmp_path / "b").mkdir()
    (tmp_path / "b/vzctl").symlink_to(tmp_path / "a/vzctl")
    put(tmp_path / "c/vzctl", mode=0o644)
    (tmp_path / "d/vzctl").mkdir(parents=True)
    wanted = put(tmp_path / "e/vzctl")
    put(tmp_path / "f/vzctl")
    search = ":".join(["", ".", "relative", *(str(tmp_path / f) for f in ("missing", *"abcdef"))])
    assert shim.real(Paths(), search) == wanted


def test_a_node_without_vzctl_is_refused_unless_the_wrapper_is_only_refreshed(tmp_path, monkeypatch):
    monkeypatch.setattr(shim, "USUAL", str(tmp_path / "none/vzctl"))  # this machine may have one
    put(tmp_path / "vzctl", OURS)
    with pytest.raises(HostError, match="none on PATH.*install vzctl, or leave out --vzctl-wrapper"):
        shim.known(Paths(), str(tmp_path), True)
    assert shim.known(Paths(), str(tmp_path), False) == shim.USUAL


def test_a_package_is_built_for_the_usual_place(tmp_path):
    assert shim.real(Paths(str(tmp_path)), "") == "/usr/sbin/vzctl"


@pytest.mark.parametrize("change, says", [
    (str, ""), (lambda path: path.chmod(0o644), "not executable"),
    (lambda path: path.write_text(path.read_text().replace("python='", "python='/gone")), "python that is gone"),
    (lambda path: path.write_text("#!/bin/sh\n"), ""), (Path.unlink, ""),
], ids=["whole", "not-executable", "no-python", "a-stranger-s", "not-there"])
def test_the_doctor_learns_what_is_wrong_with_the_wrapper(tmp_path, change, says):
    paths = Paths(str(tmp_path))
    path = Path(paths.wrapper)
    path.parent.mkdir(parents=True)
    path.write_bytes(shim.text(TEMPLATE, sys.executable, "/usr/sbin/vzctl"))
    path.chmod(0o755)
    change(path)
    assert [says in text for text in shim.wrong(paths).values()] == [True] * bool(says)


def test_a_wrapper_leads_to_the_vzctl_it_names_whatever_the_path_of_the_doctor_s_caller(tmp_path):
    wrapper, real = tmp_path / "w/vzctl", put(tmp_path / "real/vzctl")
    put(wrapper, OURS)
    for named, search, leads in ((real, "/nowhere", True), ("/gone", str(tmp_path / "real"), True),
                                 ("/gone", str(tmp_path / "w"), False), (str(wrapper), "/nowhere", False)):
        wrapper.write_bytes(shim.text(TEMPLATE, sys.executable, named))
        assert shim.leads(str(wrapper), Paths(), search) is leads
