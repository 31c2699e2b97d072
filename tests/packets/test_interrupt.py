"""A signal ends a command before its first change or after its last, never in between."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.site import VE101, unordered

pytestmark = pytest.mark.generation(4)  # what is read and said is the same on both

MANY = [f"10.1.{n}.{m}" for n in range(2) for m in range(1, 250)]


@pytest.fixture
def large(site):
    """A VE of very many addresses, for which a resync takes long."""
    site.node.create_ve("101", [VE101], "eth3")
    site.node.write_conf("101", MANY, "eth3")
    site.hn("mount", "-t", "tmpfs", "none", "/vz/root/101")
    return site


def struck(site, argv, after_s, number=signal.SIGINT):
    child = site.node.hn.popen([sys.executable, "-I", "-m", "vzhooks", *argv], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    time.sleep(after_s)
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    return child.returncode, out, err


@pytest.mark.parametrize("after_s", [0.12, 0.2, 0.3, 0.45, 0.6, 0.9, 1.4])
def test_ctrl_c_leaves_nothing_half_done(large, after_s):
    before = unordered(large.state())
    status, _, err = struck(large, ["resync"], after_s)
    assert "Traceback" not in err and "Keyboard" not in err
    if unordered(large.state()) == before:
        assert status in (130, -signal.SIGINT) and err in ("", "vzhooks: interrupted, nothing was changed\n")
    else:
        assert status in (0, 130)
        large.settled()
        assert ("brought to its end" in err) == (status == 130)


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_has_begun_is_brought_to_its_end(large, number, status):
    child = large.node.hn.popen([sys.executable, "-I", "-m", "vzhooks", "-v", "resync"], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
    first = child.stderr.readline()
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == status and "brought to its end" in err and first
    large.settled()
    assert out == "" and len(err.splitlines()) > len(MANY)


@pytest.mark.parametrize("command", [["status"], ["set", "101", "--uplink", "eth4", "--save"], ["doctor", "--probe"]])
def test_a_wait_for_the_lock_can_be_ended(site, command):
    site.node.create_ve("101", [VE101], "eth3")
    keeper = site.node.hn.popen(["flock", "/run/vzhooks/lock", "sleep", "3"])
    time.sleep(0.2)
    before, conf = site.state(), site.node.hn.read("/etc/vz/conf/101.conf")
    status, out, err = struck(site, command, 0.8)
    assert (status, out, err) == (130, "", "vzhooks: interrupted, nothing was changed\n")
    assert (site.state(), site.node.hn.read("/etc/vz/conf/101.conf")) == (before, conf)
    keeper.wait()


def test_a_hook_is_not_ended_by_a_ctrl_c_meant_for_vzctl(large):
    hook = large.node.hn.popen(["/etc/vz/conf/vps.mount"], stderr=subprocess.PIPE,
                               env={"VEID": "101", "VE_CONFFILE": "/etc/vz/conf/101.conf"})
    time.sleep(0.6)
    for pid in set(large.node.hn.processes()) - {large.node.hn.pid, hook.pid}:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if b"vzhooks.hooks.hook" in file.read():
                os.kill(pid, signal.SIGINT)
    said = hook.communicate(timeout=60)[1].splitlines()
    assert [line for line in said if "is hardened" not in line] == [] and hook.returncode == 0
    large.end_announcers()
    large.settled()
