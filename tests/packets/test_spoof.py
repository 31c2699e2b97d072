# SPDX-License-Identifier: GPL-2.0-or-later
"""What claims a local VE's address is not carried, and a network routed to the node is no loop."""

import pytest

from tests.lab import bystanders
from tests.lab.bystanders import sh
from tests.lab.tap import Tap
from tests.lab.wire import send_udp
from tests.site import BEYONDS, CLIENTS, NICS, pair

pytestmark = pytest.mark.datapaths
ROUTED = (("198.51.100.16/28", "198.51.100.17", "198.51.100.19", "192.168.18.11"),
          ("2001:db8:16::/64", "2001:db8:16::17", "2001:db8:16::19", "fd00:18::11"))


def arrives(site, ctid, src, dst):
    """Tell whether a datagram that the client sends reaches a VE's side of the node."""
    device = site.node.ve(ctid).device
    with Tap(site.node.hn) as tap:
        send_udp(site.node.client, src, dst, count=3)
        return tap.count(nic=device, outgoing=True, src=src, dst=dst, proto="udp") > 0


@pytest.mark.parametrize("victim", ["102", "106"], ids=["assigned", "unassigned"])
def test_the_lan_cannot_send_to_a_ve_in_another_ve_s_name(every, victim):
    every.both("101", uplink="eth3")
    every.both("102", uplink="eth4")
    every.both("105", "106")
    every.acquaint(*pair(victim))
    for dst, client in zip(pair(victim), CLIENTS):
        assert arrives(every, victim, client, dst)
    for claimed in ("101", "105"):
        for src, dst in zip(pair(claimed), pair(victim)):
            assert not arrives(every, victim, src, dst), (src, dst)


@pytest.mark.parametrize("claimed", ["101", "105"])
def test_the_lan_cannot_send_beyond_in_a_ve_s_name(every, claimed):
    every.both("101", uplink="eth3")
    every.both("105")
    for own, dst in zip(("192.168.18.11", "fd00:18::11"), BEYONDS):
        box = every.node.client
        box.run(["ip", "route", "add", "203.0.113.77" if "." in dst else "2001:db8:113::77", "via", own], check=True)
    with Tap(every.node.hn, *NICS) as tap:
        for src, dst in zip(pair(claimed), ("203.0.113.77", "2001:db8:113::77")):
            send_udp(every.node.client, src, dst, count=3)
        assert tap.count(outgoing=False, proto="udp") >= 6
        assert tap.find(outgoing=True, proto="udp") == []


@pytest.mark.parametrize("netfilter", [0, 1])
def test_nor_by_the_bridge_that_it_comes_in_by(site, netfilter):
    """It is routed back there, and looks like a frame that the bridge carries, but for whom it was sent to."""
    guest = bystanders.lan_bridge(site.node)
    for family in ("", "6"):
        site.node.hn.sysctl(f"net/bridge/bridge-nf-call-ip{family}tables", netfilter)
    for where in ("all", "default", "eth0", "br0", "eth4"):
        site.node.hn.sysctl(f"net/ipv4/conf/{where}/rp_filter", 0)
    site.ini("[uplink:eth3]\ndevice = br0\n")
    site.both("101", uplink="eth3")
    site.end_announcers()
    sh(site.node.hn, "ip route add 203.0.113.77 via 192.168.18.1 dev br0; "
       "ip route add 2001:db8:113::77 via fd00:18::1 dev br0")
    sh(guest.box, "ip route add 203.0.113.77 via 192.168.18.11; ip route add 2001:db8:113::77 via fd00:18::11")
    with Tap(site.node.hn, "br0", "eth3") as tap:
        for src, dst in zip(guest.addresses, ("203.0.113.77", "2001:db8:113::77")):
            send_udp(guest.box, src, dst)
        assert {f.src for f in tap.find(nic="br0", outgoing=True, proto="udp")} == set(guest.addresses)
        for src, dst in zip(pair("101"), ("203.0.113.77", "2001:db8:113::77")):
            send_udp(guest.box, src, dst, count=3)
        assert len([f for f in tap.find(nic="br0", outgoing=False, proto="udp") if f.src in pair("101")]) == 6
        assert [f for f in tap.find(outgoing=True, proto="udp") if f.src in pair("101")] == []


@pytest.mark.parametrize("kind", ["blackhole", "unreachable", "prohibit"])
def test_an_unused_address_of_a_network_routed_to_the_node_goes_nowhere(site, kind):
    for network, _, _, own in ROUTED:
        site.hn("ip", "route", "add", kind, network)
        site.node.client.run(["ip", "route", "add", network, "via", own], check=True)
    site.ve("101", *(ve for _, ve, _, _ in ROUTED), uplink="eth3")
    with Tap(site.node.hn, *NICS) as tap:
        for _, ve, unused, _ in ROUTED:
            send_udp(site.node.ve("101").box, ve, unused, count=3)
        assert [f for f in tap.find(outgoing=True, proto="udp") if f.dst in (r[2] for r in ROUTED)] == []
    for _, ve, _, _ in ROUTED:
        site.leaves_by("101", "eth3", src=ve)
        assert site.ping("101", src=ve) == 3
