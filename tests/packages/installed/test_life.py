"""Installed, upgraded and removed on a node with VEs running: the package alone does what the README promises."""

import threading
from contextlib import contextmanager

import pytest

from tests.found import differs, everything
from tests.lab.node import CLIENT
from tests.lab.wire import ping
from tests.packages.conftest import OLDER
from tests.packages.installed.managers import DATABASES
from tests.packages.installed.stranger import stranger
from tests.site import VE101, Site
from vzhooks import __version__
from vzhooks.node.packed import PREFIX

HOOK = "/etc/vz/conf/vps.mount"
VES = (("101", "eth3"), ("102", "eth4"))


def left(before, site):
    """Return what is not as before, but for the package manager's own notes."""
    return [line for line in differs(before, everything(site)) if not any(f" {path}" in line for path in DATABASES)]


def said(done):
    """Return the lines of ours that the package manager passed on."""
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("vzhooks ")]


def assigned(site):
    for ctid, nic in VES:
        site.vzhooks("set", ctid, "--uplink", nic, "--save")
        assert site.vzctl.start(ctid).rc == 0


@contextmanager
def pinging(box):
    """Let a VE ping the client all the while; give the list of the numbers of answers, 1 or 0 for each."""
    answered, over = [], threading.Event()

    def ask():
        while not over.wait(0.02):
            answered.append(ping(box, CLIENT, count=1, timeout=5))
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answered
    finally:
        over.set()
        thread.join()


def caches(site):
    return site.hn("find", PREFIX, "-name", "__pycache__").split()


def test_from_a_bare_machine_to_two_ves_on_their_nics_and_back(packed, built):
    before = everything(packed)
    packed.put(built)
    assert packed.vzhooks("--version").stdout == f"vzhooks {__version__}\n"
    assigned(packed)
    for ctid, nic in VES:
        assert packed.status(ctid) == "ok"
        packed.leaves_by(ctid, nic)
        assert packed.ping(ctid) == 3
    assert packed.vzhooks("doctor").stdout == ""

    packed.end_announcers()
    done = packed.manager.remove(packed.node.hn)
    assert done.returncode and len(said(done)) == 1
    assert said(done)[0].startswith("vzhooks uninstall: VEs with an uplink run (101, 102) and would fall to main")
    assert packed.status("101") == "ok"
    packed.leaves_by("101", "eth3")

    for ctid, _ in VES:
        assert packed.vzctl.stop(ctid).rc == 0
    assert packed.manager.remove(packed.node.hn).returncode == 0
    for ctid, nic in VES:
        conf = packed.node.hn.followed(f"/etc/vz/conf/{ctid}.conf")
        conf.write_text(conf.read_text().removesuffix(f'UPLINK="{nic}"\n'))
    assert left(before, packed) == []


def test_an_upgrade_leaves_running_ves_alone(packed, older, built):
    packed.put(older)
    assert packed.vzhooks("--version").stdout == f"vzhooks {OLDER}\n"
    assigned(packed)
    packed.end_announcers()
    before = packed.state()
    with pinging(packed.node.ve("101").box) as answered, packed.only_by("eth3", src=VE101):
        packed.put(built)
    assert set(answered) == {1} and len(answered) > 3, answered
    assert packed.vzhooks("--version").stdout == f"vzhooks {__version__}\n"
    assert packed.state() == before
    packed.settled()
    assert packed.vzctl.restart("101").rc == 0
    packed.leaves_by("101", "eth3")


def test_what_runs_is_the_package_s_own_and_compiled_for_this_python(packed, built):
    packed.put(built)
    assert f"python='{PREFIX}/bin/python3'\n" in packed.node.hn.read(HOOK)
    assert f'ExecStart="{PREFIX}/bin/python3"' in packed.node.hn.read("/etc/systemd/system/vzhooks-boot.service")
    where = packed.hn(f"{PREFIX}/bin/python3", "-I", "-c", "import pyroute2, vzhooks; print(pyroute2, vzhooks)")
    assert where.count(f"from '{PREFIX}/") == 2
    assert f"{PREFIX}/modules/vzhooks/kernel/__pycache__" in caches(packed)
    assert packed.vzhooks("install").stderr == "vzhooks install: nothing to do\n"
    packed.hn("rm", "-r", f"{PREFIX}/modules/pyroute2")
    assert "reinstall the package vzhooks" in packed.vzhooks("resync", rc=1).stderr


def test_after_a_forced_uninstall_the_package_goes_too(packed, built):
    packed.put(built)
    assigned(packed)
    packed.end_announcers()
    packed.vzhooks("uninstall", "--force")
    done = packed.manager.remove(packed.node.hn)
    assert done.returncode == 0 and said(done) == []
    assert not packed.node.hn.exists(PREFIX) and not packed.node.hn.exists(HOOK)


def test_an_installation_by_pip_is_taken_over(packed, built):
    before = everything(packed)
    Site.vzhooks(packed, "install")
    assert packed.node.hn.exists("/usr/share/man/man8/vzhooks.8") and packed.node.hn.exists("/usr/local/sbin/vzhooks")
    packed.put(built)
    assert not packed.node.hn.exists("/usr/share/man/man8/vzhooks.8")
    assert not packed.node.hn.exists("/usr/local/sbin/vzhooks")
    assert f"python='{PREFIX}/bin/python3'\n" in packed.node.hn.read(HOOK)
    packed.vzhooks("uninstall")
    assert [path for path in packed.manager.files(packed.node.hn) if not packed.node.hn.exists(path)] == []
    assert packed.manager.remove(packed.node.hn).returncode == 0
    assert left(before, packed) == []


def test_an_install_that_cannot_be_is_said_in_one_line_and_mended_by_the_next(packed, built):
    packed.hn("mkdir", HOOK)
    done = packed.put(built, rc=None)
    assert said(done) == [f"vzhooks install: {HOOK}: a directory, where vzctl looks for a script; move it away and "
                          "try again"]
    assert done.returncode or packed.manager.ending == "rpm"  # which counts no failure of this step
    packed.hn("rmdir", HOOK)
    packed.vzhooks("install")
    assert packed.node.hn.exists(HOOK)


@pytest.fixture
def vzctl_package(packed, tmp_path):
    """A package that puts scripts where vzctl looks, as vzctl's own does."""
    return stranger(tmp_path)


def test_without_vzctl_it_waits_for_the_package_that_brings_it(packed, built, vzctl_package):
    packed.hn("mv", "/etc/vz/conf", "/etc/vz/away")
    done = packed.put(built)
    assert said(done) == [] and "/etc/vz/conf: not there; run `vzhooks install` when vzctl is on this" in done.stderr
    packed.put(vzctl_package)
    assert packed.node.hn.read(HOOK).startswith("#!/bin/sh\n# vzhooks hook script")
    assert packed.node.hn.read("/etc/vz/conf/before-vzhooks/vps.mount") == "#!/bin/sh\nexit 0\n"
