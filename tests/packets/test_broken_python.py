"""A pyroute2 or a vzhooks that is broken is named in one line, with what to reinstall, by every door; no traceback."""

import os
import sys
from pathlib import Path

import pytest

import vzhooks
from tests.site import VE101
from tests.told import hook, one_line

pytestmark = pytest.mark.generation(4)  # what is said is the same on both

STUB = {"__init__.py": "", "iproute/__init__.py": "",
        "iproute/linux.py": "class IPRoute:\n    def __init__(self, **_): pass\n    def close(self): pass\n",
        "netlink/__init__.py": "", "netlink/exceptions.py": "class NetlinkError(Exception): pass\n",
        "netlink/rtnl/__init__.py": "", "netlink/rtnl/iprsocket.py": "class IPRSocket: pass\n",
        "netlink/rtnl/rtmsg.py": "class rtmsg: pass\n", "netlink/rtnl/fibmsg.py": "class fibmsg: pass\n"}
PYROUTE2 = {
    "missing": ({}, "No module named 'pyroute2'"),
    "one that cannot be imported": ({"__init__.py": "raise ImportError('libx.so: no such file')\n"}, "libx.so"),
    "one that is damaged": ({"__init__.py": "def broken(:\n"}, "SyntaxError"),
    "one of another interface": (STUB, "fibmsg()"),
}
REINSTALL = "-m pip install --force-reinstall 'pyroute2>=0.9.7,<0.10'"


@pytest.fixture(params=PYROUTE2.values(), ids=PYROUTE2)
def broken(request, tmp_path):
    """Return an interpreter with our package and that pyroute2, and what is to be said of it."""
    files, says = request.param
    python = venv(tmp_path)
    packages = next(tmp_path.glob("lib/*/site-packages"))
    (packages / "vzhooks").symlink_to(Path(vzhooks.__file__).parent)
    for name, text in files.items():
        (packages / "pyroute2" / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / "pyroute2" / name).write_text(text)
    return python, says


def venv(folder):
    """Make what `python -m venv --without-pip` makes."""
    (folder / "bin").mkdir()
    (folder / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"home = {os.path.dirname(os.path.realpath(sys.executable))}\n")
    (folder / "bin/python").symlink_to(os.path.realpath(sys.executable))
    return str(folder / "bin/python")


def use(site, python):
    for name in ("vps.mount", "vps.umount", "vps.postumount"):
        script = site.node.hn.read(f"/etc/vz/conf/{name}")
        site.node.hn.write(f"/etc/vz/conf/{name}", script.replace(sys.executable, python), 0o755)


@pytest.mark.parametrize("argv", [["resync"], ["status"], ["install"], ["set", "101", "--uplink", "eth3"],
                                  ["route", "101", "192.168.18.1"], ["uninstall", "--force"], ["hook", "boot"]],
                         ids=" ".join)
def test_a_command_says_it_in_one_line(busy, broken, argv):
    python, says = broken
    busy.node.create_ve("101", [VE101])
    before = busy.state()
    done = busy.node.hn.run([python, "-I", "-m", "vzhooks", *argv])
    assert done.returncode == 1 and done.stdout == "", done
    one_line(done.stderr, says, REINSTALL)
    assert busy.state() == before


def test_a_start_is_refused_and_its_line_says_why_and_what_to_reinstall(site, broken):
    python, says = broken
    use(site, python)
    site.node.create_ve("101", [VE101], "eth3")
    said = hook(site, "mount")
    assert said.returncode == 1
    one_line(said.stderr, "mount: VE 101: ", says)
    site.node.create_ve("101", [VE101])
    assert hook(site, "mount").returncode == 0


def test_the_wrapper_says_it_and_changes_nothing(wrapped, broken):
    python, says = broken
    wrapped.site.node.create_ve("101", [VE101])
    script = wrapped.hn.read("/usr/local/sbin/vzctl")
    wrapped.hn.write("/usr/local/sbin/vzctl", script.replace(sys.executable, python), 0o755)
    before = wrapped.hn.read("/etc/vz/conf/101.conf")
    done = wrapped.hn.run(["/usr/local/sbin/vzctl", "set", "101", "--uplink", "eth3"])
    assert done.returncode == 1, done
    one_line(done.stderr, "vzhooks: vzctl set: ", says, REINSTALL)
    assert wrapped.hn.read("/etc/vz/conf/101.conf") == before


def test_a_vzhooks_that_is_not_there_is_named_by_each_hook(site, tmp_path):
    use(site, venv(tmp_path))
    site.node.create_ve("101", [VE101], "eth3")
    for event, refused in (("mount", True), ("umount", False), ("postumount", False)):
        said = hook(site, event)
        assert said.returncode == refused
        one_line(said.stderr, f"{event}: VE 101: ", "cannot run vzhooks (ModuleNotFoundError: ", "'vzhooks'",
                 *(["start refused", "reinstall what is named"] if refused else ["repair it"]))


@pytest.mark.generation(9)
def test_without_python_an_address_is_refused_to_a_ve_that_set_alone_assigned(site):
    """On OpenVZ 9; nothing but our notes tells that it has an uplink."""
    script = "/usr/libexec/libvzctl/script.d/vz-netns_dev_add"
    for ctid in ("101", "105"):
        site.ve(ctid)
    site.vzhooks("set", "101", "--uplink", "eth3")
    site.end_announcers()
    text = site.node.hn.read(script).replace("python='", "python='/gone")
    site.node.hn.write(script, text, 0o755)
    refused = site.vzctl.ipadd("101", "192.168.18.201")
    assert refused.rc != 0 and "VE 101: refused: /gone" in refused.stderr and "it is gone" in refused.stderr
    assert site.vzctl.ipadd("105", "192.168.18.205").rc == 0
