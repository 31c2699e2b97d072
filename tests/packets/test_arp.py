"""Traffic comes in by the uplink too: who-has (of either family) is answered once, by the right NIC."""

import os
import time

import pytest

from tests.lab.node import GATEWAY6, MACS
from tests.lab.tap import Tap
from tests.lab.wire import neighbour, ping
from tests.resident import until
from tests.site import BEYONDS, CLIENTS, NICS, OWN, OWN6, SIX101, SIX102, VE101, VE102, pair

VES = {VE101: "eth3", SIX101: "eth3", VE102: "eth4", SIX102: "eth4"}
TEN = {**OWN, **VES}  # of each family five


def two_ves(site):
    site.both("101", uplink="eth3")
    site.both("102", uplink="eth4")


def once(addresses):
    """Return what `answerers` does when each address has the one NIC that it should."""
    return {address: [nic] for address, nic in addresses.items()}


@pytest.mark.core
def test_each_of_ten_addresses_has_one_answerer_20_times(every):
    two_ves(every)
    for _ in range(20):
        assert every.answerers(TEN) == once(TEN)


@pytest.mark.core
def test_client_to_ve_and_back_goes_by_the_uplink_both_ways(every):
    two_ves(every)
    every.forget()
    for address, nic in VES.items():
        with Tap(every.node.hn, *NICS) as tap:
            assert ping(every.node.client, address, count=5) == 5
        echoes = [f for f in tap.frames if "echo" in f.info]
        assert {f.nic for f in echoes if not f.outgoing and f.dst == address} == {nic}
        assert {f.nic for f in echoes if f.outgoing and f.src == address} == {nic}


def test_own_addresses_are_reached_by_their_own_nic(every):
    two_ves(every)
    every.forget()
    for address, nic in OWN.items():
        with Tap(every.node.hn, *NICS) as tap:
            assert ping(every.node.client, address, count=3) == 3
        assert {f.nic for f in tap.frames if "echo" in f.info} == {nic}, address


@pytest.mark.bridged
def test_neighbours_that_vzctl_misled_are_right_within_5_s(every):
    """An advertisement is believed by those alone who know the address already, so that for IPv6 it is asked for."""
    client = every.node.client
    every.forget()
    ping(client, VE101, count=1)
    began = time.monotonic()
    every.both("101", uplink="eth3")
    for address in pair("101"):
        while neighbour(client, address) != MACS["eth3"]:
            assert time.monotonic() - began < 5
            if address == SIX101 and neighbour(client, address) is None:
                ping(client, address, timeout=0.05)
            time.sleep(0.05)
    time.sleep(max(0.0, began + 5 - time.monotonic()))
    assert [neighbour(client, address) for address in pair("101")] == [MACS["eth3"]] * 2


def test_the_announcer_is_bounded_and_holds_no_descriptor_of_vzctl(site):
    before = set(site.node.hn.processes())
    read, write = os.pipe()
    site.vzctl.stdout = write
    site.ve("101", uplink="eth3")
    os.close(write)
    assert os.set_blocking(read, False) is None
    assert read_to_end(read) is not None, "somebody still holds the hook's output"
    os.close(read)
    deadline = time.monotonic() + 8
    while len(site.node.hn.processes()) > len(before):
        assert time.monotonic() < deadline, "the announcer does not end"
        time.sleep(0.1)


def read_to_end(descriptor):
    """Return all that was written, None where a writer is left."""
    data = b""
    try:
        while chunk := os.read(descriptor, 65536):
            data += chunk
    except BlockingIOError:
        return None
    return data


@pytest.mark.bridged
def test_vzctl_may_publish_again_whenever_it_likes(every):
    two_ves(every)
    for address in pair("103"):
        every.vzctl.ipadd("101", address, save=True)
    every.vzhooks("resync")
    more = {**VES, **dict.fromkeys(pair("103"), "eth3")}
    assert every.answerers(more) == once(more)
    for address in pair("103"):
        every.leaves_by("101", "eth3", src=address)


def test_proxy_arp_set_by_somebody_changes_nothing(every):
    """Its like for IPv6, proxy_ndp, is always on where vzctl is."""
    two_ves(every)
    for nic in NICS:
        every.node.hn.sysctl(f"net/ipv4/conf/{nic}/proxy_arp", 1)
    assert every.answerers(TEN) == once(TEN)


def test_a_ve_that_is_cut_off_is_answered_for_by_nobody(site):
    site.ini("[node]\non_error = warn\n")
    site.both("101", uplink="eth9")
    assert site.answers(*pair("101")) == []


def test_nothing_is_answered_after_the_stop(site):
    two_ves(site)
    site.vzctl.stop("101")
    assert site.answerers(VES) == {VE101: [], SIX101: [], VE102: ["eth4"], SIX102: ["eth4"]}


def test_flushed_nft_is_mended_and_tables_of_others_survive(site):
    site.hn("nft", "add table inet other; add chain inet other c")
    two_ves(site)
    assert "table inet other" in site.hn("nft", "list", "ruleset")
    site.hn("nft", "flush", "ruleset")
    site.vzhooks("resync")
    assert site.answerers(TEN) == once(TEN)


def test_a_flapped_uplink_answers_again_after_a_resync(site):
    two_ves(site)
    site.node.link("eth3", False)
    site.up("eth3")
    site.vzhooks("resync")
    site.forget()
    assert site.answerers(VES) == once(VES)
    assert [ping(site.node.client, a, count=3) for a in VES] == [3] * 4


@pytest.mark.bridged
def test_an_uplink_without_an_address_is_published_on_by_us(every):
    every.ini(f"[uplink:isp1]\ndevice = eth3\ngateway = 192.168.18.1\ngateway6 = {GATEWAY6}\n")
    for address in ("192.168.18.11/24", OWN6["eth3"]):
        every.node.del_address("eth3", address)
    every.both("101", uplink="isp1")
    deadline = time.monotonic() + 5
    while every.answers(*pair("101")) != ["eth3"] * 2:
        assert time.monotonic() < deadline
    every.leaves_by("101", "eth3", dst=BEYONDS)
    every.forget()
    for address, client in zip(pair("101"), CLIENTS):
        assert ping(every.node.client, address, src=client, count=3) == 3
    assert every.ping("101", BEYONDS) == 3
    every.stop("101")
    assert every.answers(*pair("101")) == []


def test_resync_announces_what_it_moved(every):
    every.both("101", uplink="eth3")
    every.end_announcers()
    every.forget()
    for address in pair("101"):
        assert ping(every.node.client, address, count=1) == 1
        assert neighbour(every.node.client, address) == MACS["eth3"]
    with Tap(every.node.hn, *NICS) as tap:
        every.node.write_conf("101", pair("101"), "eth4")
        every.vzhooks("resync", "101")
        until(lambda: tap.find(outgoing=True, proto="icmp6", info=f"advert {SIX101}"))  # be it the daemon's
        told = tap.find(outgoing=True, proto="icmp6", info=f"advert {SIX101}")
    assert {f.nic for f in told} == {"eth4"}
    assert [neighbour(every.node.client, address) for address in pair("101")] == [MACS["eth4"]] * 2
    assert every.answers(*pair("101")) == ["eth4"] * 2
    every.leaves_by("101", "eth4")


def test_a_ve_that_stopped_or_moved_is_not_announced_where_it_was(site):
    site.both("101", uplink="eth3")
    time.sleep(0.3)
    site.both("102", uplink="eth4")
    site.vzctl.stop("102")
    site.vzhooks("set", "101", "--uplink", "eth4")
    with Tap(site.node.hn, *NICS) as tap:
        time.sleep(4)
    heard = {(f.nic, f.src) for f in tap.find(outgoing=True, proto="arp") if f.src == f.dst}
    heard |= {(f.nic, f.info.split()[1]) for f in tap.find(outgoing=True, info="advert ")}
    for address, stopped in zip(pair("101"), pair("102")):
        assert ("eth4", address) in heard
        assert not {("eth3", address), ("eth4", stopped)} & heard
