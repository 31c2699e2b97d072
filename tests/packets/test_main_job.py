"""A VE's packets leave by its uplink: from vzctl's mount hook to the wire."""

import pytest

from tests.lab.node import BEYOND
from tests.lab.tap import Tap
from tests.lab.wire import ping
from tests.site import CLIENT, NICS, VE101, VE102, VE105


def test_without_uplinks_all_goes_by_the_first_nic(every):
    """The state before: this is what an administrator has without vzhooks."""
    every.ve("101")
    every.leaves_by("101", "eth0")


@pytest.mark.core
def test_each_ve_leaves_by_its_own_uplink(every):
    before = every.state()
    every.ve("101", uplink="eth3")
    every.ve("102", uplink="eth4")
    for dst in (CLIENT, BEYOND):
        every.leaves_by("101", "eth3", dst)
        every.leaves_by("102", "eth4", dst)
        assert every.ping("101", dst) == 3
        assert every.ping("102", dst) == 3
    every.settled()
    assert every.vzctl.stop("101").rc == every.vzctl.stop("102").rc == 0
    assert not [text for text in every.state().values() if VE101 in text or VE102 in text]
    every.vzhooks("harden", "--undo")
    assert every.state() == before


def test_an_unassigned_ve_is_left_as_it_was(every):
    every.ve("101", uplink="eth3")
    every.ve("105")
    every.leaves_by("105", "eth0")
    assert every.ping("105") == 3


@pytest.mark.core
def test_traffic_between_ves_stays_on_the_node(every):
    every.ve("101", uplink="eth3")
    every.ve("102", uplink="eth4")
    every.ve("105")
    with Tap(every.node.hn, *NICS) as tap:
        for ctid in ("101", "102", "105"):
            for other in {"101", "102", "105"} - {ctid}:
                assert every.ping(ctid, f"192.168.18.{other}") == 3
    assert not [f for f in tap.find(outgoing=True) if f.src in (VE101, VE102, VE105) and f.proto != "arp"]


@pytest.mark.core
def test_ves_and_the_node_reach_each_other(every):
    every.ve("101", uplink="eth3")
    every.ve("105")
    for own in ("192.168.18.10", "192.168.18.11", "192.168.18.12"):
        assert every.ping("101", own) == 3
        assert every.ping("105", own) == 3
        assert ping(every.node.hn, VE101, src=own, count=3) == 3
    assert ping(every.node.hn, VE101, count=3) == 3


def test_several_addresses_all_go_by_the_uplink(every):
    every.ve("101", VE101, "192.168.18.103", uplink="eth3")
    every.leaves_by("101", "eth3")
    every.leaves_by("101", "eth3", src="192.168.18.103")


def test_the_client_reaches_the_ve_and_the_node(every):
    every.ve("101", uplink="eth3")
    every.forget()
    for dst in (VE101, "192.168.18.10", "192.168.18.11", "192.168.18.12"):
        assert ping(every.node.client, dst, count=3) == 3, dst


def test_an_address_of_no_ve_is_not_carried_by_a_reserved_device(every):
    every.ini("[node]\nreserved = eth0\n")
    every.ve("101", uplink="eth3")
    every.ve("105")
    every.leaves_by("101", None, src="192.168.18.199")
    every.leaves_by("105", None)
    every.leaves_by("101", "eth3")
    assert every.ping("105", VE101) == 3
    for layer in ("rules", "nft"):
        every.flush(layer)
        every.leaves_by("101", None, src="192.168.18.199")
        every.vzhooks("resync")


def test_unassigned_may_be_blocked(every):
    every.ini("[node]\nunassigned = block\n")
    every.ve("101", uplink="eth3")
    every.ve("105")
    every.leaves_by("105", None)
    every.leaves_by("101", "eth3")
    assert every.ping("105", VE101) == 3
    assert every.ping("105", "192.168.18.10") == 3


def test_unassigned_may_go_by_an_uplink(every):
    every.ini("[node]\nunassigned = isp2\n[uplink:isp2]\ndevice = eth4\n[uplink:isp1]\ndevice = eth3\n")
    every.ve("101", uplink="isp1")
    every.ve("102")
    every.leaves_by("101", "eth3")
    every.leaves_by("102", "eth4", src=VE102)
