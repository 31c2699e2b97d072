"""Every event of vzctl's that starts, stops, moves or ends a VE leaves it its way, and nothing of it afterwards."""

import pytest

from tests.packets.test_lifecycle import RESYNC
from tests.site import SIX101, VE101, pair, unordered

pytestmark = pytest.mark.generation(4)  # those of OpenVZ 9 are in test_openvz9.py


@pytest.fixture
def ready(site):
    """The node hardened already, so that the state before a VE is the state after it."""
    site.vzhooks("harden")
    return site


def way(site, nic, ctid="101"):
    """Assert that VE 101 goes by this NIC both ways, and that nothing is left to change."""
    for address in pair(ctid):
        site.leaves_by("101", nic, src=address)
    site.end_announcers()
    assert site.answers(*pair(ctid)) == [nic] * 2
    site.settled()


def gone(site, before):
    """Assert that all is as before the VE."""
    site.end_announcers()
    assert unordered(site.state()) == unordered(before)
    assert site.answers(*pair("101")) == []


def test_a_restart(ready):
    before = ready.state()
    ready.both("101", uplink="eth3")
    assert ready.vzctl.restart("101").rc == 0
    way(ready, "eth3")
    assert ready.vzctl.stop("101").rc == 0
    gone(ready, before)


def test_a_restart_with_another_uplink_in_the_config(ready):
    ready.both("101", uplink="eth3")
    ready.node.write_conf("101", pair("101"), "eth4")
    assert ready.vzctl.restart("101").rc == 0
    way(ready, "eth4")


def test_suspend_and_resume(ready):
    before = ready.state()
    ready.both("101", uplink="eth3")
    assert ready.vzctl.suspend("101").rc == 0
    gone(ready, before)
    assert ready.vzctl.resume("101").rc == 0
    way(ready, "eth3")


def test_a_switch_to_a_snapshot_with_another_address_and_uplink(ready):
    ready.both("101", uplink="eth3")
    text = ready.node.hn.read("/etc/vz/conf/101.conf").replace("101", "102").replace("eth3", "eth4")
    assert ready.vzctl.snapshot_switch("101", text).rc == 0
    way(ready, "eth4", "102")
    assert ready.answers(*pair("101")) == []
    assert not [part for part in ready.state().values() if VE101 in part or SIX101 in part]


@pytest.mark.parametrize("resynced", [False, True])
def test_a_destroyed_ve(ready, resynced):
    before = ready.state()
    ready.node.hn.write("/etc/vz/conf/101.mount", "#!/bin/sh\nexit 0\n")
    ready.node.hn.path("/etc/vz/conf/101.mount").chmod(0o755)
    ready.both("101", uplink="eth3")
    assert ready.vzctl.stop("101").rc == 0
    if resynced:
        ready.vzhooks("resync")
    assert ready.vzctl.destroy("101").rc == 0
    gone(ready, before)
    ready.settled()


def test_an_address_deleted_and_saved_while_it_runs_leaves_nothing_after_the_stop(ready):
    before = ready.state()
    ready.ve("101", *pair("101"), *pair("103"), uplink="eth3")
    for address in pair("103"):
        ready.vzctl.ipdel("101", address, save=True)
    assert ready.vzctl.stop("101").rc == 0
    gone(ready, before)


def test_a_start_that_is_cancelled_while_our_hook_runs_beside_the_next_start(ready):
    """vzctl that is told to end unmounts and unlocks, and leaves the hook running."""
    before = ready.state()
    ready.node.create_ve("101", pair("101"), "eth3")
    assert ready.vzctl.cancel_start("101", 0.02).rc != 0
    assert ready.vzctl.start("101").rc == 0
    way(ready, "eth3")
    assert ready.vzctl.stop("101").rc == 0
    gone(ready, before)


def test_a_cancelled_start_s_hook_that_ends_after_the_next_stop_leaks_nothing(ready):
    """It comes too late for everybody: its rules only close, and they go when a start's grace is over."""
    ready.node.create_ve("101", pair("101"), "eth3")
    holder = ready.node.hn.popen(["flock", "/run/vzhooks/lock", "sleep", "1"])
    assert ready.vzctl.cancel_start("101", 0.05).rc != 0
    holder.wait()
    ready.both("102", uplink="eth4")
    ready.leaves_by("102", "eth4")
    assert ready.answers(*pair("101")) == []
    assert ready.vzctl.start("101").rc == 0
    way(ready, "eth3")


def test_resyncs_all_through_a_restart_undo_nothing(ready):
    ready.both("101", uplink="eth3")
    loop = f"while :; do {' '.join(RESYNC)}; done"
    busy = ready.node.hn.popen(["sh", "-c", loop], stdout=-3, stderr=-3)
    try:
        for _ in range(2):
            assert ready.vzctl.restart("101").rc == 0
            with ready.only_by("eth3"):
                ready.ping("101")
    finally:
        busy.kill()
        busy.wait()
    way(ready, "eth3")
