"""A NIC for VEs only, without an address: it asks nobody in the name of another NIC's address."""

import time

import pytest

from tests.lab.node import GATEWAY, GATEWAY6, MACS
from tests.lab.tap import Tap
from tests.lab.wire import flush_neighbours, neighbour, ping
from tests.resident import until
from tests.site import BEYONDS, CLIENTS, OWN, pair

NIC, MAC = "eth5", "00:0c:29:b3:a2:75"
EVERYWHERE = (*BEYONDS, *CLIENTS)
INI = f"[uplink:isp5]\ndevice = {NIC}\ngateway = {GATEWAY}\ngateway6 = {GATEWAY6}\n"


def begun(site):
    """Start VE 101 on a NIC without an address; the client knows the node's own addresses, and VE 102 their NICs."""
    site.node.add_nic(NIC, MAC)
    site.ini(INI)
    site.both("102", uplink=None)
    site.acquaint(*OWN)
    site.both("101", uplink="isp5")


@pytest.mark.core
def test_it_asks_in_no_other_nic_s_name(every):
    begun(every)
    until(lambda: every.ping("101", EVERYWHERE, count=1) == 1)  # its addresses are published once they are routed
    ten = neighbour(every.node.client, "192.168.18.10")
    flush_neighbours(every.node.hn)
    with Tap(every.node.hn, NIC) as tap:
        for dst in EVERYWHERE:
            assert every.ping("101", dst) == 3, dst
        time.sleep(1)
        asked = tap.find(outgoing=True, proto="arp")
    assert asked and [f for f in asked if f.src in OWN] == []
    assert neighbour(every.node.client, "192.168.18.10") == ten == MACS["eth0"]
    assert ping(every.node.client, "192.168.18.10", count=3) == 3


def test_the_ve_is_reached_by_it_alone(site):
    begun(site)
    site.end_announcers()
    site.vzhooks("resync")
    for address in pair("101"):
        with Tap(site.node.hn, *MACS, NIC) as tap:
            deadline = time.monotonic() + 5
            while neighbour(site.node.client, address) != MAC:
                assert ping(site.node.client, address) == 1 and time.monotonic() < deadline
            count = len(tap.frames)
            assert ping(site.node.client, address, count=3) == 3
            assert {f.nic for f in tap.frames[count:] if "echo" in f.info} == {NIC}


def test_without_the_second_layer_it_still_leaks_nothing(site):
    begun(site)
    site.end_announcers()
    site.flush("nft")
    site.leaves_by("101", None)
