# SPDX-License-Identifier: GPL-2.0-or-later
"""A hook killed at any step, or unable to read what it needs, leaks nothing and removes nothing."""

import os
import signal

import pytest

from tests.lab.node import CLIENT6
from tests.lab.tap import Tap
from tests.lab.wire import ping, send_udp
from tests.site import CLIENT, NICS, VE101, unordered
from vzhooks.cli import main
from vzhooks.errors import LockBusy
from vzhooks.kernel import netlink, nft, sysctl
from vzhooks.node.host import Paths
from vzhooks.policy.evidence import Event
from vzhooks.run import reconcile
from vzhooks.run.request import HOOK, Request

pytestmark = pytest.mark.generation(4)  # the steps of a run are the same on both

VE101_6 = "fd00:18::101"
OWN = ("192.168.18.10", "192.168.18.11", "192.168.18.12")
VES_JSON, TABLES, HARDENING = "/run/vzhooks/ves.json", "/var/lib/vzhooks/tables.json", "/var/lib/vzhooks/harden.json"


def work(event="", request=None, changes=None):
    """Do in this process what a hook for VE 101 (no event: a resync) does, and die before it changes more.

    Returns how many changes it made.
    """
    made = []

    def limited(change):
        def step(*args):
            if len(made) == changes:
                os.kill(os.getpid(), signal.SIGKILL)
            made.append(args)
            return change(*args)
        return step
    netlink.Kernel.apply, nft.load, sysctl.write = map(limited, (netlink.Kernel.apply, nft.load, sysctl.write))
    request = request or Request(event=Event(event, "101") if event else None, door=HOOK)
    report = reconcile.run(Paths(), request)
    assert not report.failures, report.failures
    return len(made)


def dies(site, changes, event=""):
    """Tell whether a hook killed before its change number `changes` had still more to do."""
    try:
        site.node.hn.call(work, event, None, changes)
    except ChildProcessError:
        return True
    return False


def does(site, *events):
    """Run hooks to their end; return how many changes they made."""
    return sum(site.node.hn.call(work, event) for event in events)


def leaks_not(site, *nics):
    """Assert that what comes from VE 101's addresses, running or not, leaves by these NICs or not at all."""
    with Tap(site.node.hn, *NICS) as tap:
        send_udp(site.side(), VE101, CLIENT, count=2)
        send_udp(site.side(), VE101_6, CLIENT6, count=2)
        assert [f for f in tap.find(outgoing=True, proto="udp") if f.nic not in nics] == []


@pytest.fixture
def loose(site):
    """The node hardened, and taking any source from the VEs' side."""
    site.take_any_source()
    assert site.node.hn.call(main.main, ["harden"]) == 0
    site.node.create_ve("101", [VE101, VE101_6], "eth3")
    return site


def test_a_mount_hook_killed_at_any_step_leaks_nothing_and_a_resync_completes_it(loose):
    """From the first change on; before it vzctl has no VE yet, and after a killed hook it starts none."""
    before, changes = loose.state(), 0
    while dies(loose, changes, "mount"):
        if changes:
            leaks_not(loose, "eth3")
        does(loose, "")
        assert does(loose, "") == 0
        leaks_not(loose, "eth3")
        does(loose, "umount", "postumount")
        assert loose.state() == before
        changes += 1
    assert changes > 10


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside_another"])
def test_an_umount_hook_killed_at_any_step_leaks_nothing_and_a_resync_completes_it(loose, beside):
    """The guard's tables go with the last VE, and stay for all others."""
    if beside:
        loose.ve("102", uplink="eth4")
        loose.end_announcers()
        does(loose, "")
    before, changes, died = loose.state(), 0, True
    while died:
        does(loose, "mount")
        died = dies(loose, changes, "umount")
        if died:
            leaks_not(loose, "eth3")
            does(loose, "")
            assert does(loose, "") == 0
        does(loose, "postumount")
        assert loose.state() == before
        changes += 1
    assert changes > 10


def test_a_move_killed_at_any_step_leaks_nothing(site):
    """Each run dies after one change, and the next one goes on where that left off."""
    site.ve("101", VE101, VE101_6, uplink="eth3")
    site.end_announcers()
    site.node.write_conf("101", [VE101, VE101_6], "eth4")
    moves = 0
    while dies(site, 1):
        leaks_not(site, "eth3", "eth4")
        moves += 1
    assert moves > 5
    site.leaves_by("101", "eth4")
    site.settled()


def test_a_first_mount_killed_at_any_step_keeps_the_node_reachable(site):
    """By each of its addresses, while the way of its replies and its ARP change."""
    site.node.create_ve("101", [VE101, VE101_6], "eth3")
    reached = [own for own in OWN if ping(site.node.client, own, timeout=0.2)]
    steps = 0
    while dies(site, 1, "mount"):
        site.forget()
        leaks_not(site, "eth3")
        assert [own for own in reached if not ping(site.node.client, own, timeout=0.9)] == []
        steps += 1
    assert steps > 30
    assert site.vzctl.start("101").rc == 0
    site.leaves_by("101", "eth3")


def test_a_note_that_cannot_be_read_removes_nothing(site):
    """One line says which; no assigned VE starts then, and without an uplink a VE is not hindered."""
    site.ve("101", uplink="eth3")
    site.end_announcers()
    before = site.state()
    site.node.create_ve("102", ["192.168.18.102"], "eth4")
    site.node.create_ve("105", ["192.168.18.105"])
    for file, text in ((VES_JSON, ""), (VES_JSON, '{"101": {"phase": 1}}'), (TABLES, "{"), (HARDENING, "[1]")):
        site.node.hn.write(file, text)
        done = site.vzhooks("resync", rc=1)
        assert (done.stdout, done.stderr.count("\n"), done.stderr.count(file)) == ("", 1, 1)
        assert site.vzctl.mount("102").rc != 0
        assert site.state() == before
        site.node.hn.path(file).unlink()
        site.vzhooks("resync")
        assert unordered(site.state()) == unordered(before)
    site.node.hn.write(VES_JSON, "{")
    assert site.vzctl.mount("105").rc == 0
    site.leaves_by("101", "eth3")


def test_a_running_ve_s_empty_config_removes_nothing(site):
    """As vzctl leaves it for a moment while it saves."""
    site.ve("101", uplink="eth3")
    site.end_announcers()
    before = site.state()
    site.node.hn.write("/etc/vz/conf/101.conf", "")
    done = site.vzhooks("resync", rc=1)
    assert (done.stdout, done.stderr.count("101.conf")) == ("", 1)
    assert site.state() == before
    assert site.vzctl.stop("101").rc == 0
    assert VE101 not in "".join(site.state().values())


def test_an_nft_that_fails_removes_nothing(site):
    """Be it absent, failing, or saying what cannot be: no rule goes, and no assigned VE starts.

    Where there is nothing to change nobody needs it.
    """
    site.ve("101", uplink="eth3")
    site.end_announcers()
    before = site.state()
    site.node.create_ve("102", ["192.168.18.102"], "eth4")
    site.hn("mv", "/usr/sbin/nft", "/usr/sbin/nft.real")
    for program in (None, "exit 1", "echo '{}'", "echo cut"):
        if program:
            site.node.hn.write("/usr/sbin/nft", f"#!/bin/sh\n{program}\n", 0o755)
        assert site.vzhooks("resync").stdout == ""
        refused = site.vzctl.start("102")
        assert refused.rc != 0
        assert "nft" in refused.stderr
    site.hn("mv", "/usr/sbin/nft.real", "/usr/sbin/nft")
    assert site.state() == before
    site.leaves_by("101", "eth3")


def test_a_busy_lock_is_told_and_changes_nothing(site):
    site.ve("101", uplink="eth3")
    site.end_announcers()
    site.flush("rules")
    before = site.state()
    site.node.hn.popen(["flock", "/run/vzhooks/lock", "-c", "echo held; exec sleep 60"], stdout=-1).stdout.readline()
    with pytest.raises(LockBusy) as busy:
        site.node.hn.call(work, "", Request(wait_s=0.1))
    assert busy.value.exit_code == 75
    assert site.state() == before
