"""A VE's packets leave by its uplink: from vzctl's mount hook to the wire."""

import pytest

from tests.lab.tap import Tap
from tests.lab.wire import ping, send_udp
from tests.site import BEYONDS, CLIENTS, NICS, OWN, fits, is_carried, pair


def test_without_uplinks_all_goes_by_the_first_nic(every):
    """The state before: this is what an administrator has without vzhooks."""
    every.both("101")
    every.leaves_by("101", "eth0")


@pytest.mark.core
def test_each_ve_leaves_by_its_own_uplink(every):
    before = every.state()
    every.both("101", uplink="eth3")
    every.both("102", uplink="eth4")
    for dst in (CLIENTS, BEYONDS):
        every.leaves_by("101", "eth3", dst)
        every.leaves_by("102", "eth4", dst)
        assert every.ping("101", dst) == 3
        assert every.ping("102", dst) == 3
    every.settled()
    every.stop("101", "102")
    assert not [text for text in every.state().values() if any(a in text for a in (*pair("101"), *pair("102")))]
    assert every.answers(*pair("101"), *pair("102")) == []
    every.vzhooks("harden", "--undo")
    assert every.state() == before


def test_an_unassigned_ve_is_left_as_it_was(every):
    every.both("101", uplink="eth3")
    every.both("105")
    every.leaves_by("105", "eth0")
    assert every.ping("105") == 3


@pytest.mark.core
def test_traffic_between_ves_stays_on_the_node(every):
    every.both("101", uplink="eth3")
    every.both("102", uplink="eth4")
    every.both("105")
    with Tap(every.node.hn, *NICS) as tap:
        for ctid in ("101", "102", "105"):
            for other in {"101", "102", "105"} - {ctid}:
                assert every.ping(ctid, pair(other)) == 3
    ves = {*pair("101"), *pair("102"), *pair("105")}
    assert not [f for f in tap.find(outgoing=True) if f.src in ves and is_carried(f)]


@pytest.mark.core
def test_ves_and_the_node_reach_each_other(every):
    every.both("101", uplink="eth3")
    every.both("105")
    assert every.ping("101", tuple(OWN)) == 3
    assert every.ping("105", tuple(OWN)) == 3
    for address in pair("101"):
        assert [ping(every.node.hn, address, src=own, count=3) for own in OWN if fits(address, own)] == [3] * 3
        assert ping(every.node.hn, address, count=3) == 3


def test_several_addresses_all_go_by_the_uplink(every):
    every.ve("101", *pair("101"), *pair("103"), uplink="eth3")
    for address in (*pair("101"), *pair("103")):
        every.leaves_by("101", "eth3", src=address)


def test_the_client_reaches_the_ve_and_the_node(every):
    every.both("101", uplink="eth3")
    every.forget()
    for dst in (*pair("101"), *OWN):
        assert ping(every.node.client, dst, count=3) == 3, dst


@pytest.mark.unmended
def test_an_address_of_no_ve_is_not_carried_by_a_reserved_device(every):
    every.ini("[node]\nreserved = eth0\n")
    every.both("101", uplink="eth3")
    every.both("105")
    # On OpenVZ 9 an assigned VE is held by its own device: what rp_filter lets in leaves by its uplink or not at all.
    held = ("eth3",) if every.node.generation == 9 else ()

    def strangers(*nics):
        with every.only_by(*nics, src=pair("199")):
            for stranger, client in zip(pair("199"), CLIENTS):
                send_udp(every.node.ve("101").box, stranger, client, count=5)

    strangers(*held)
    every.leaves_by("105", None)
    every.leaves_by("101", "eth3")
    assert every.ping("105", pair("101")) == 3
    for layer in ("rules", "nft"):
        every.flush(layer)
        strangers(*(() if layer == "rules" else held))
        every.vzhooks("resync")


def test_unassigned_may_be_blocked(every):
    every.ini("[node]\nunassigned = block\n")
    every.both("101", uplink="eth3")
    every.both("105")
    every.leaves_by("105", None)
    every.leaves_by("101", "eth3")
    assert every.ping("105", pair("101")) == 3
    assert every.ping("105", tuple(OWN)) == 3


def test_unassigned_may_go_by_an_uplink(every):
    every.ini("[node]\nunassigned = isp2\n[uplink:isp2]\ndevice = eth4\n[uplink:isp1]\ndevice = eth3\n")
    every.both("101", uplink="isp1")
    every.both("102")
    every.leaves_by("101", "eth3")
    every.leaves_by("102", "eth4")
