# SPDX-License-Identifier: GPL-2.0-or-later
"""Probes ask by the device they are about, whatever main says, from its own address or in nobody's name."""

import select
import time

import pytest

from tests.deaf import PINGS, deaf, neighbours_of
from tests.lab.node import BEYOND, BEYOND6, CLIENT, CLIENT6, GATEWAY, GATEWAY6, MACS
from tests.lab.tap import Tap
from tests.site import NICS
from vzhooks.neighbours.probing import Prober
from vzhooks.policy.probes import Ask, Target

pytestmark = pytest.mark.generation(4)
OWN, OWN6 = "192.168.18.12", "fd00:18::12"


def rounds(asks, count=3, interval=0.2):
    """Ask from eth4 for some rounds; return what was found out."""
    prober, found = Prober(), []
    prober.aim({"isp2": Target("isp2", "eth4", tuple(asks), interval)}, time.monotonic())
    while len(found) < count:
        select.select(prober.fds(), [], [], max(0.0, prober.due() - time.monotonic()))
        found += prober.run(time.monotonic())
    prober.close()
    return [verdict.why for verdict in found]


def neighbour(address, source):
    return Ask(address, address, source, False, f"gateway {address}")


def host(address, hop, source):
    return Ask(address, hop, source, True, address)


ASKS = {
    "a gateway": [neighbour(GATEWAY, OWN), neighbour(GATEWAY6, OWN6)],
    "a gateway in nobody's name": [neighbour(GATEWAY, ""), neighbour(GATEWAY6, "")],
    "a host of the LAN": [host(CLIENT, CLIENT, OWN)],
    "an IPv6 host of the LAN": [host(CLIENT6, CLIENT6, OWN6)],
    "a host beyond the gateway": [host(BEYOND, GATEWAY, OWN)],
    "an IPv6 host beyond the gateway": [host(BEYOND6, GATEWAY6, OWN6)],
}


@pytest.mark.parametrize("asks", ASKS.values(), ids=ASKS)
def test_who_is_there_answers_on_that_device(busy, asks):
    with Tap(busy.node.hn, *NICS) as tap:
        assert busy.node.hn.call(rounds, asks) == [""] * 3
        about = {address for ask in asks for address in (ask.address, ask.hop)}
        sent = [f for f in tap.find(outgoing=True) if f.dst in about or f.info.rpartition(" ")[2] in about]
    assert {(f.nic, f.src_mac) for f in sent} == {("eth4", MACS["eth4"])}


def test_who_is_not_there_is_told(busy):
    asks = [neighbour(GATEWAY, OWN), neighbour("192.168.18.77", OWN), host("fd00:18::77", "fd00:18::77", OWN6)]
    told = "gateway 192.168.18.77 and fd00:18::77 do not answer on eth4"
    assert busy.node.hn.call(rounds, asks, 2) == [told] * 2


def test_a_host_that_stops_answering_pings_is_told_and_one_that_answers_again(busy):
    with deaf(busy.node.client, PINGS):
        for asks in ([host(BEYOND, GATEWAY, OWN)], [host(BEYOND6, GATEWAY6, OWN6)]):
            assert busy.node.hn.call(rounds, asks, 2) == [f"{asks[0].address} does not answer on eth4"] * 2
    assert busy.node.hn.call(rounds, [host(BEYOND, GATEWAY, OWN)], 2) == ["", ""]


def test_a_gateway_that_does_not_hear_is_told_whatever_the_source(busy):
    with deaf(busy.node.client, neighbours_of(MACS["eth4"])):
        for own, own6 in ((OWN, OWN6), ("", "")):
            for ask in (neighbour(GATEWAY, own), neighbour(GATEWAY6, own6)):
                assert busy.node.hn.call(rounds, [ask], 2) == [f"{ask.what} does not answer on eth4"] * 2


def test_a_device_that_is_gone_or_down_does_not_answer(busy):
    busy.node.link("eth4", up=False)
    assert busy.node.hn.call(rounds, [neighbour(GATEWAY, OWN)], 2) == [f"gateway {GATEWAY} does not answer on eth4"] * 2
    busy.up("eth4")
