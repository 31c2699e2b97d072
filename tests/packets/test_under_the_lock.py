# SPDX-License-Identifier: GPL-2.0-or-later
"""What decides is read under the lock: the newest ini and config count, whoever read an older one."""

import fcntl
import os
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from tests.extent import ROUNDS
from tests.site import VE101, unordered

RESERVED, PLAIN = "[node]\nreserved = eth0\n", "[node]\n"


def reserved(site):
    """Tell whether the guard keeps VEs off eth0."""
    return '"eth0"' in site.hn("nft", "list", "set", "inet", "vzhooks", "reserved")


@pytest.mark.generation(4)
def test_a_mount_hook_never_brings_an_older_ini_back(site):
    """It begins before the ini changes and takes the lock before or after the resync, a little later each round."""
    site.both("101", uplink="eth3")
    site.end_announcers()
    env = {**site.vzctl.environment("101")}
    for n in range(ROUNDS):
        text = RESERVED if n % 2 else PLAIN
        hook = site.node.hn.popen([sys.executable, "-I", "-m", "vzhooks", "hook", "mount"], env=env)
        time.sleep(n / ROUNDS * 0.5)
        site.ini(text)
        site.vzhooks("resync")
        assert hook.wait(30) == 0
        assert reserved(site) is (text == RESERVED), n
        site.end_announcers()


@pytest.mark.generation(4)
@pytest.mark.parametrize("argv", [["resync"], ["set", "101", "--uplink", "eth4"], ["harden"]], ids=" ".join)
def test_no_command_brings_back_what_was_uninstalled_while_it_waited(site, argv):
    """It waits for the lock; hooks and all in the kernel are gone when it gets it."""
    site.both("101", uplink="eth3")
    site.end_announcers()
    lock = site.node.hn.path("/run/vzhooks/lock")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        child = site.node.hn.popen([sys.executable, "-I", "-m", "vzhooks", *argv], stderr=subprocess.PIPE)
        deadline = time.monotonic() + 30
        while not _has_open(child.pid, lock):
            assert time.monotonic() < deadline and child.poll() is None
            time.sleep(0.01)
        site.hn("sh", "-c", "rm /etc/vz/conf/vps.*mount")
        site.flush("rules")
        site.flush("nft")
        found = unordered(site.state())
    assert "vzhooks is not installed any more" in child.communicate(timeout=30)[1] and child.returncode == 1
    assert unordered(site.state()) == found


def _has_open(pid, path):
    """Tell whether a process has a file open."""
    with suppress(OSError):
        return any(os.path.samefile(f"/proc/{pid}/fd/{n}", path) for n in os.listdir(f"/proc/{pid}/fd"))
    return False


def test_what_a_hook_leaves_behind_goes_by_the_newest_ini(site):
    site.both("105")
    site.both("101", uplink="eth3")
    site.ini(RESERVED)
    site.vzhooks("resync", "--force")
    time.sleep(5)
    assert reserved(site)
    site.leaves_by("105", None)


def test_an_edit_after_set_with_save_counts(site):
    site.both("101", uplink="eth3")
    site.end_announcers()
    site.vzhooks("set", "101", "--uplink", "eth4", "--save")
    site.leaves_by("101", "eth4")
    conf = "/etc/vz/conf/101.conf"
    site.node.hn.write(conf, site.node.hn.read(conf).replace('UPLINK="eth4"', 'UPLINK="eth3"'))
    site.vzhooks("resync")
    site.leaves_by("101", "eth3")


def test_what_set_gave_without_save_is_shown_and_ends_with_an_edit(site):
    site.both("101", uplink="eth3")
    site.end_announcers()
    site.vzhooks("set", "101", "--uplink", "eth4")
    assert "without --save" in site.vzhooks("status").stdout
    conf = "/etc/vz/conf/101.conf"
    site.node.hn.write(conf, site.node.hn.read(conf).replace('UPLINK="eth3"', 'UPLINK="none"'))
    site.vzhooks("resync")
    site.leaves_by("101", "eth0")


@pytest.mark.generation(4)
def test_a_reserved_name_that_there_is_not_is_said_with_the_nearest(site):
    site.ini("[node]\nreserved = eht0\n")
    site.node.create_ve("101", [VE101], "eth3")
    told = [site.vzhooks("resync").stderr, site.vzhooks("status", rc=None).stderr, site.vzctl.start("101").stderr,
            site.vzhooks("doctor", rc=3).stdout]
    assert all("reserved = eht0" in text and "did you mean eth0?" in text for text in told), told


@pytest.mark.generation(4)
def test_a_reserved_device_may_be_named_by_its_altname(site):
    site.hn("ip", "link", "property", "add", "dev", "eth0", "altname", "mgmt")
    site.ini("[node]\nreserved = mgmt\n")
    site.both("105")
    site.vzhooks("resync", "--force")
    site.leaves_by("105", None)


@pytest.mark.generation(9)
def test_a_conflict_about_one_address_refuses_no_other(site):
    site.both("101", uplink="eth3")
    site.both("102", uplink="eth4")
    site.end_announcers()
    conf = "/etc/vz/conf/102.conf"
    text = site.node.hn.read(conf).replace("192.168.18.102/", "192.168.18.101/255.255.255.0 192.168.18.102/")
    site.node.hn.write(conf, text)
    assert site.vzctl.ipadd("102", "192.168.18.177").rc == 0
    site.leaves_by("102", "eth4", src="192.168.18.177")
