"""What is put on trial is applied at once, and given back unless it is confirmed in time, whoever dies meanwhile."""

import json
import os
import pty
import sys
import time

import pytest

from tests.lab.node import BEYOND
from tests.lab.wire import ping
from tests.packets.test_bad_commands import said, unchanged
from tests.site import unordered
from tests.told import ETH4, INI, ISP1

NOTE, TRIED = "/var/lib/vzhooks/trial.json", f"{INI}.tried"
BEFORE = ETH4 + ISP1
AFTER = ETH4 + "[uplink:isp1]\ndevice = eth4\n"


def wait_for(condition, within=30.0):
    until = time.monotonic() + within
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def is_over(site):
    return not site.node.hn.exists(NOTE)


def kept_by(site):
    """Return the processes that the command left behind."""
    return set(site.node.hn.processes()) - {site.node.hn.pid}


@pytest.fixture
def settled(site):
    """VE 101 goes by isp1, which is eth3, and the ini that says so was in force."""
    site.ini(BEFORE)
    site.both("101", uplink="isp1")
    site.end_announcers()
    site.vzhooks("resync")
    site.end_announcers()
    return site


@pytest.fixture
def edited(settled):
    """The ini was edited, and nobody has read it yet."""
    settled.ini(AFTER)
    return settled


def test_what_nobody_confirms_is_given_back(edited):
    before = unordered(edited.state())
    done = edited.vzhooks("resync", "--confirm", "3")
    assert "on trial until" in done.stderr and "`vzhooks confirm` keeps it" in done.stderr
    edited.leaves_by("101", "eth4")
    assert "warning: the changes are on trial until" in edited.vzhooks("status").stdout
    wait_for(lambda: is_over(edited))
    assert unordered(edited.state()) == before
    edited.leaves_by("101", "eth3")
    assert (edited.node.hn.read(INI), edited.node.hn.read(TRIED)) == tuple(map(edited.worded, (BEFORE, AFTER)))
    edited.settled()


@pytest.mark.generation(4)
def test_what_is_confirmed_stays(edited):
    edited.vzhooks("resync", "--confirm", "60")
    assert "kept" in edited.vzhooks("confirm").stderr
    state = unordered(edited.state())
    wait_for(lambda: not kept_by(edited))
    edited.leaves_by("101", "eth4")
    assert unordered(edited.state()) == state
    assert edited.node.hn.read(INI) == edited.node.hn.read("/var/lib/vzhooks/vzhooks.ini.good") == edited.worded(AFTER)
    assert is_over(edited) and not edited.node.hn.exists(TRIED)
    edited.settled()


@pytest.mark.generation(4)
def test_a_file_is_tried_as_the_ini_and_becomes_it_when_confirmed(settled):
    hn = settled.node.hn
    hn.write("/vz/new.ini", settled.worded(AFTER))
    hn.path(INI).chmod(0o640)
    with unchanged(settled):
        shown = settled.vzhooks("resync", "--dry-run", "--ini", "/vz/new.ini", "--diff", rc=3).stdout
    assert "VE 101: eth3 -> eth4" in shown
    done = settled.vzhooks("resync", "--confirm", "60", "--ini", "/vz/new.ini")
    assert "/vz/new.ini is on trial until" in done.stderr
    assert hn.read(INI) == settled.worded(BEFORE)
    hn.write("/vz/new.ini", "what it is by now is of no concern\n")
    settled.leaves_by("101", "eth4")
    assert "/vz/new.ini is /etc/vz/vzhooks.ini now" in settled.vzhooks("confirm").stderr
    assert hn.read(INI) == settled.worded(AFTER) and hn.path(INI).stat().st_mode & 0o777 == 0o640
    settled.settled()
    settled.leaves_by("101", "eth4")


def test_hooks_go_by_what_is_tried_and_then_by_what_was(settled):
    settled.node.hn.write("/vz/new.ini", settled.worded(AFTER))
    settled.vzhooks("resync", "--confirm", "60", "--ini", "/vz/new.ini")
    settled.both("102", uplink="isp1")
    settled.leaves_by("102", "eth4")
    settled.end_announcers()  # and the process that gives back
    assert not is_over(settled)
    end_time(settled)
    started = settled.vzctl.start("105") if settled.node.create_ve("105", ["192.168.18.105"]) else None
    assert started.rc == 0 and "was not confirmed in time" in started.stderr
    settled.end_announcers()
    for ctid in ("101", "102"):
        settled.leaves_by(ctid, "eth3")
    assert is_over(settled)
    settled.settled()


def end_time(site, **more):
    note = json.loads(site.node.hn.read(NOTE))
    site.node.hn.write(NOTE, json.dumps({**note, "until": 1.0, **more}), 0o600)


@pytest.mark.generation(4)
def test_the_terminal_may_die(edited):
    ours, theirs = pty.openpty()
    line = f"{sys.executable} -I -m vzhooks resync --confirm 3; echo done; sleep 60"
    shell = edited.node.hn.popen(["setsid", "-c", "sh", "-c", line], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    while b"done" not in said:
        said += os.read(ours, 4096)
    edited.leaves_by("101", "eth4")
    os.close(ours)  # which is the end of the terminal: SIGHUP to its whole session
    shell.wait(20)
    wait_for(lambda: is_over(edited))
    edited.leaves_by("101", "eth3")


@pytest.mark.generation(4)
def test_who_locks_himself_out_is_let_in_again(settled):
    """The way back of the node's own address is wrong on trial: the administrator beyond the gateway hears nothing."""
    client = settled.node.client

    def reached():
        return ping(client, "192.168.18.11", src=BEYOND, count=2, timeout=0.3) == 2
    assert reached()
    settled.ini(ETH4 + ISP1 + "gateway = 192.168.18.77\n")
    settled.vzhooks("resync", "--confirm", "5")
    assert not reached()
    wait_for(reached)
    assert settled.node.hn.read(INI) == settled.worded(BEFORE)


@pytest.mark.generation(4)
def test_a_reboot_is_the_end_of_a_trial(edited):
    edited.vzhooks("resync", "--confirm", "60")
    edited.end_announcers()
    end_time(edited, until=1e9, boot="another boot")
    edited.flush("rules")
    edited.flush("nft")
    edited.node.hn.path("/run/vzhooks/ves.json").unlink()
    edited.vzhooks("hook", "boot")
    assert is_over(edited) and edited.node.hn.read(INI) == edited.worded(BEFORE)
    edited.leaves_by("101", "eth3")


@pytest.mark.generation(4)
def test_one_trial_at_a_time(edited):
    edited.vzhooks("resync", "--confirm", "60")
    edited.node.hn.write("/vz/new.ini", BEFORE)
    with unchanged(edited):
        for argv in (["resync", "--confirm", "5"], ["resync", "--confirm", "5", "--ini", "/vz/new.ini"],
                     ["harden", "--confirm", "5"], ["harden", "--undo"]):
            said(edited, argv, 1, "on trial until", "`vzhooks confirm` keeps it")
        assert "on trial until" in edited.vzhooks("resync").stderr
    edited.leaves_by("101", "eth4")
    edited.vzhooks("confirm")
    edited.vzhooks("harden", "--undo")


@pytest.mark.generation(4)
def test_hardening_is_given_back_and_so_is_its_end(site):
    before = unordered(site.state())
    sysctls = [f"net/ipv4/conf/{nic}/{name}" for nic in ("eth0", "eth3") for name in ("arp_ignore", "arp_announce")]
    soft = [site.node.hn.sysctl(key) for key in sysctls]
    site.vzhooks("harden", "--confirm", "1")
    wait_for(lambda: is_over(site))
    assert (unordered(site.state()), [site.node.hn.sysctl(key) for key in sysctls]) == (before, soft)
    assert not site.node.hn.exists("/etc/sysctl.d/90-vzhooks.conf")
    site.vzhooks("harden", "--confirm", "60")
    site.vzhooks("confirm")
    hard = unordered(site.state())
    site.vzhooks("harden", "--undo", "--confirm", "1")
    wait_for(lambda: is_over(site))
    assert unordered(site.state()) == hard
    assert [site.node.hn.sysctl(key) for key in sysctls] == ["1", "2"] * 2
    site.vzhooks("harden", "--check")


def test_a_first_use_is_given_back_whole(site):
    had = site.node.hn.exists(INI)
    site.both("101")
    site.end_announcers()
    conf = "/etc/vz/conf/101.conf"
    site.node.hn.write(conf, site.node.hn.read(conf) + 'UPLINK="isp1"\n')
    site.ini(BEFORE)
    before = unordered(site.state())
    site.vzhooks("resync", "--confirm", "3")
    site.leaves_by("101", "eth3")
    wait_for(lambda: is_over(site))
    assert unordered(site.state()) == before
    site.leaves_by("101", "eth0")
    assert site.node.hn.exists(INI) is had and site.node.hn.read(TRIED) == site.worded(BEFORE)


@pytest.mark.generation(4)
def test_an_uplink_that_a_config_names_on_trial_is_given_back(settled):
    conf = "/etc/vz/conf/101.conf"
    settled.node.hn.write(conf, settled.node.hn.read(conf).replace("isp1", "eth4"))
    settled.vzhooks("resync", "--confirm", "2")
    settled.leaves_by("101", "eth4")
    wait_for(lambda: is_over(settled))
    settled.leaves_by("101", "eth3")
    assert "without --save" in settled.vzhooks("status").stdout


@pytest.mark.generation(4)
def test_who_was_moved_by_hand_meanwhile_is_not_moved_back(settled):
    settled.both("102", uplink="isp1")
    for ctid in ("101", "102"):
        conf = f"/etc/vz/conf/{ctid}.conf"
        settled.node.hn.write(conf, settled.node.hn.read(conf).replace("isp1", "eth4"))
    settled.vzhooks("resync", "--confirm", "60")
    settled.end_announcers()
    settled.vzhooks("set", "102", "--uplink", "none")
    end_time(settled)
    assert "is over; `vzhooks resync` gives it back now" in settled.vzhooks("status", rc=None).stdout
    settled.vzhooks("resync")
    settled.leaves_by("101", "eth3")
    settled.leaves_by("102", "eth0")
