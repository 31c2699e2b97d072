# SPDX-License-Identifier: GPL-2.0-or-later
"""Hooks that come late, twice, together or not at all leave each VE its way, and nothing of it after its stop."""

import re
import sys

import pytest

from tests.lab.actions import CONF_DIR
from tests.lab.tap import Tap
from tests.lab.wire import send_udp
from tests.site import CLIENTS, NICS, fits, pair

RESYNC = [sys.executable, "-I", "-m", "vzhooks", "resync"]


def hooks(site, *calls):
    """Run hook scripts all at once, as vzctl would for (event, ctid) each; every one must succeed."""
    running = [site.node.hn.popen([f"{CONF_DIR}/vps.{event}"], env=site.vzctl.environment(ctid))
               for event, ctid in calls]
    assert [hook.wait(30) for hook in running] == [0] * len(calls)


def carried(site, ways):
    """Assert that what comes from each address on the VEs' side, of a running VE or not, leaves by its NIC alone."""
    held = re.findall('"[^"]+"', site.hn("nft", "list", "set", "inet", "vzhooks", "strict"))
    site.hn("nft", "flush", "set", "inet", "vzhooks", "strict")  # another VE sends for one that does not run
    with Tap(site.node.hn, *NICS) as tap:
        for src in ways:
            send_udp(site.side(), src, next(dst for dst in CLIENTS if fits(src, dst)))
        # By marks an address counts by its own VE's device alone.
        sent = set(ways.items()) if site.node.generation == 4 or "fwmark" not in site.hn("ip", "rule") else set()
        assert {(f.src, f.nic) for f in tap.find(outgoing=True, proto="udp")} == sent
    if held:
        site.hn("nft", "add", "element", "inet", "vzhooks", "strict", "{", ",".join(held), "}")


def no_changes(site):
    """Assert that a resync finds nothing to do."""
    assert site.vzhooks("resync").stdout == ""


def test_eight_ves_start_and_stop_at_once(hard):
    before, ctids = hard.state(), [str(n) for n in range(101, 109)]
    uplinks = {ctid: ("eth3", "eth4")[int(ctid) % 2] for ctid in ctids}
    for ctid, nic in uplinks.items():
        hard.node.create_ve(ctid, pair(ctid), nic)
    hooks(hard, *(("mount", ctid) for ctid in ctids))
    hard.end_announcers()
    no_changes(hard)
    carried(hard, {address: nic for ctid, nic in uplinks.items() for address in pair(ctid)})
    hooks(hard, *(("umount", ctid) for ctid in ctids))
    assert hard.state() == before


@pytest.mark.bridged
def test_two_hooks_at_once_for_one_ve_equal_one(hard):
    before = hard.state()
    hard.node.create_ve("101", pair("101"), "eth3")
    hooks(hard, ("mount", "101"))
    mounted = hard.state()
    hooks(hard, *[("mount", "101")] * 3)
    assert hard.state() == mounted
    hooks(hard, *[("umount", "101"), ("postumount", "101")] * 2)
    assert hard.state() == before


@pytest.mark.bridged
def test_a_start_waits_for_another_at_work(site):
    site.node.create_ve("101", pair("101"), "eth3")
    busy = site.node.hn.popen(["flock", "/run/vzhooks/lock", "sleep", "0.5"])
    assert site.vzctl.start("101").rc == 0
    assert busy.poll() == 0
    site.leaves_by("101", "eth3")


@pytest.mark.bridged
def test_a_mount_without_a_start_leaves_nothing_after_the_umount(hard):
    before = hard.state()
    hard.node.create_ve("101", pair("101"), "eth3")
    assert hard.vzctl.mount("101").rc == 0
    carried(hard, dict.fromkeys(pair("101"), "eth3"))
    no_changes(hard)
    assert hard.vzctl.umount("101").rc == 0
    assert hard.state() == before


def test_a_ve_started_without_hooks_is_caught_by_a_resync(hard):
    before = hard.state()
    hard.node.create_ve("101", pair("101"), "eth3")
    assert hard.vzctl.start("101", skip_hooks=True).rc == 0
    hard.vzhooks("resync")
    hard.leaves_by("101", "eth3")
    assert hard.ping("101") == 3
    assert hard.vzctl.stop("101").rc == 0
    assert hard.state() == before


def test_a_resync_while_a_ve_starts_undoes_nothing(site):
    site.node.create_ve("101", pair("101"), "eth3")
    assert site.vzctl.start("101", before_network=lambda: no_changes(site)).rc == 0
    site.leaves_by("101", "eth3")
    no_changes(site)


def test_a_resync_while_a_ve_stops_brings_nothing_back(hard):
    """At each of its steps: the VE's end, its network's, our umount hook, the file system's (it may take away then)."""
    before = hard.state()
    hard.both("101", uplink="eth3")
    hard.end_announcers()
    hard.node.hn.write(hard.vzctl.own_script("101", "postumount"), f"#!/bin/sh\nexec {' '.join(RESYNC)}\n", 0o755)

    def umount_hook_and_resync():
        no_changes(hard)
        hooks(hard, ("umount", "101"))
        no_changes(hard)

    stopped = hard.vzctl.stop("101", before_network=lambda: no_changes(hard), before_umount=umount_hook_and_resync)
    assert stopped.rc == 0
    assert [line for line in stopped.stdout.splitlines() if not re.search(" del|valid_mark=0", line)] == []
    assert hard.state() == before
    no_changes(hard)


def test_an_umount_hook_may_run_twice_and_for_a_ve_never_mounted(hard):
    before = hard.state()
    hard.both("101", uplink="eth3")
    hard.node.create_ve("102", pair("102"), "eth4")
    assert hard.vzctl.stop("101").rc == 0
    for _ in range(2):
        hooks(hard, ("umount", "101"), ("umount", "102"))
        hooks(hard, ("postumount", "101"), ("postumount", "102"))
    assert hard.state() == before


@pytest.mark.parametrize(("uplink", "listed"), [("eth4", True), ("eth4", False), (None, True)])
def test_a_cloned_config_takes_no_address_from_a_running_ve(site, uplink, listed):
    """With an uplink its start is refused, without it is not ours to hinder; vzctl's own list may have been lost."""
    site.both("101", uplink="eth3")
    site.end_announcers()
    if not listed:
        site.node.hn.path(f"{site.vzctl.veip_dir}/101").unlink()
    before = site.state()
    site.node.create_ve("105", pair("101"), uplink)
    mounted = site.vzctl.mount("105")
    assert (mounted.rc != 0) == bool(uplink)
    assert "VE 101" in mounted.stderr
    assert site.state() == before
    site.leaves_by("101", "eth3")
    site.vzhooks("resync", rc=None)
    hooks(site, ("umount", "105"), ("postumount", "105"))
    assert site.state() == before


def test_an_address_moved_before_the_late_umount_stays_with_its_new_owner(hard):
    before = hard.state()
    hard.both("101", uplink="eth3")
    if hard.node.generation == 4:
        stopped = hard.vzctl.stop("101", before_umount=lambda: hard.ve("102", *pair("101"), uplink="eth4"))
    else:  # where vz-stop, the last step, frees the address
        assert hard.vzctl.stop("101", skip_umount=True).rc == 0
        hard.ve("102", *pair("101"), uplink="eth4")
        stopped = hard.vzctl.umount("101")
    assert stopped.rc == 0
    hard.leaves_by("102", "eth4")
    hard.settled()
    hooks(hard, ("umount", "101"), ("postumount", "101"))
    hard.leaves_by("102", "eth4")
    assert hard.vzctl.stop("102").rc == 0
    assert hard.state() == before


@pytest.mark.parametrize("resynced", [False, True])
def test_a_config_changed_while_the_ve_runs_leaves_nothing_after_its_stop(hard, resynced):
    """What is taken away is what was put and found, not what the config says now."""
    before = hard.state()
    hard.both("101", uplink="eth3")
    hard.node.write_conf("101", pair("103"), "eth4")
    if resynced:
        hard.vzhooks("resync")
        hard.leaves_by("101", "eth4")
        hard.settled()
    assert hard.vzctl.stop("101").rc == 0
    assert hard.state() == before


def test_an_uplink_taken_out_of_the_config_gives_the_ve_back_to_main(hard):
    before = hard.state()
    hard.both("101", uplink="eth3")
    hard.node.write_conf("101", pair("101"))
    hard.vzhooks("resync")
    hard.leaves_by("101", "eth0")
    assert hard.vzctl.stop("101").rc == 0
    assert hard.state() == before


def test_a_ve_that_died_without_any_hook_is_cleared_by_a_resync(hard):
    """Not before its route and mount are gone: until then it may be alive, or start as long as no run has seen it."""
    before = hard.state()
    hard.both("101", uplink="eth3")
    hard.end_announcers()
    hard.vzhooks("resync")
    hard.node.ve("101").kill()
    no_changes(hard)
    hard.vzctl.sweep("101")
    hard.vzhooks("resync")
    assert hard.state() == before


def test_a_ve_destroyed_with_its_config_is_cleared_by_a_resync(hard):
    before = hard.state()
    hard.both("101", uplink="eth3")
    no_changes(hard)
    assert hard.vzctl.stop("101", skip_hooks=True).rc == 0
    hard.node.hn.path(f"{CONF_DIR}/101.conf").unlink()
    hard.vzhooks("resync")
    assert hard.state() == before
