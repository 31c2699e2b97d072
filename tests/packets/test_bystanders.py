"""What lives on a node besides VEs keeps every way that it had before vzhooks, whatever vzhooks does there."""

from functools import partial

import pytest

from tests import ways
from tests.lab import bystanders
from tests.lab.bystanders import VPN_PEER, sh
from tests.lab.node import BEYOND, CLIENT
from tests.site import OWN, VE105

pytestmark = pytest.mark.datapaths
OWN4 = ways.OWN4
PROXY = """ip rule add fwmark 1 lookup 100; ip route add local default dev lo table 100
    nft add table ip proxy
    nft 'add chain ip proxy pre { type filter hook prerouting priority -150; }'
    nft add rule ip proxy pre ip saddr 192.168.18.105 udp dport 53 tproxy to :5353 meta mark set 1"""
RULES = {
    "a table of its own": "ip route add default via 192.168.18.1 dev eth3 table 200; ip rule add from {ve} lookup 200",
    "from it nothing": "ip rule add from {ve} blackhole",
    "to it nothing": "ip rule add to {ve} blackhole",
    "all by a tunnel, as wg-quick sets it": """ip route add default dev vx0 table 51820
        ip rule add not fwmark 51820 lookup 51820; ip rule add lookup main suppress_prefixlength 0
        nft add table ip wg; nft 'add chain ip wg post {{ type nat hook postrouting priority 100; }}'
        nft add rule ip wg post oifname vx0 masquerade""",
    "one default route a NIC": """ip route replace default via 192.168.18.1 dev eth0 metric 100
        ip route del default via 192.168.18.1 dev eth0 metric 0 || true
        for n in 3 4; do ip route add default via 192.168.18.1 dev eth$n metric 10$n; done""",
}


def test_guests_keep_their_ways(bare):
    guests = [make(bare.node) for make in bystanders.GUESTS]
    bystanders.tunnel(bare.node)

    def measure(site, running):
        found = {}
        for guest in guests:
            found.update(ways.of_guest(site, guest, running))
        found.update(ways.of_service(site, guests[0].box, running))
        found.update(ways.of_addresses(site, OWN4))
        found["node -> VPN"] = partial(ways.reaches, site.node.hn, VPN_PEER)
        return found

    before = ways.stay(bare, measure)
    assert sum(way is True for way in before.values()) > 80


def full(site):
    """Put all of them on one node, its eth3 on a bridge; br_netfilter is on.

    What goes by br0 or eth4 without vzhooks would teach the LAN an address there that a strict rp_filter then refuses.
    """
    guest = bystanders.lan_bridge(site.node)
    guests = [guest, *(make(site.node) for make in bystanders.GUESTS)]
    bystanders.tunnel(site.node)
    bystanders.bridge_address(site.node)
    sh(site.node.hn, """n=100; for dev in eth0 br0 eth4; do n=$((n + 1))
            ip route replace default via 192.168.18.1 dev $dev metric $n
            ip -6 route replace default via fd00:18::1 dev $dev metric $n; done
        ip route del default metric 0; ip -6 route del default metric 1024
        ip route add default via 192.168.99.2 table 200
        ip rule add from 192.168.18.105 to 203.0.113.0/24 lookup 200; ip route add 192.168.77.0/24 via 192.168.99.2""")
    sh(site.node.hn, PROXY)
    for family in ("", "6"):
        site.node.hn.sysctl(f"net/bridge/bridge-nf-call-ip{family}tables", 1)
    return guests


def test_a_node_full_of_them_keeps_every_way(bare):
    guests = full(bare)

    def measure(site, running):
        found = {"node -> VPN": partial(ways.reaches, site.node.hn, VPN_PEER)}
        for guest in guests:
            found.update(ways.of_guest(site, guest, running))
        found.update(ways.of_service(site, guests[1].box, running))
        found.update(ways.of_addresses(site, (*OWN, bystanders.BRIDGE_VIP)))
        found.update(ways.of_ve(site, "105"))
        found["taken"] = partial(ways.is_intercepted, site.node.ve("105").box, site.node.hn, VE105, BEYOND)
        return ways.better(found)

    before = ways.stay(bare, measure, "[uplink:eth3]\ndevice = br0\n")
    assert sum(way is True for way in before.values()) > 150


def test_a_container_is_served_where_an_address_hinders_hardening(bare):
    guest = bystanders.container(bare.node)
    bystanders.bridge_address(bare.node)
    ways.stay(bare, lambda site, running: ways.of_service(site, guest.box, running))


def test_addresses_in_odd_places_keep_their_ways(bare):
    odd = bystanders.virtual_router(bare.node), bystanders.bridge_address(bare.node), bystanders.late_nic(bare.node)
    before = ways.stay(bare, lambda site, running: ways.of_addresses(site, (*OWN4, *odd)))
    assert any(before.values())


@pytest.mark.parametrize("rule", RULES)
def test_an_administrator_s_rules_count_for_ves_without_uplink(bare, rule):
    bystanders.tunnel(bare.node)
    sh(bare.node.hn, RULES[rule].format(ve="192.168.18.105"))

    def measure(site, running):
        return {**ways.of_ve(site, "105"), **ways.of_addresses(site, OWN4)}

    ways.stay(bare, measure)


def test_a_transparent_proxy_gets_what_it_got(bare):
    sh(bare.node.hn, PROXY)

    def measure(site, running):
        box, src = site.node.ve("105").box, VE105
        return {"leaves by": partial(ways.leaves, site, box, src, BEYOND),
                "intercepted": partial(ways.is_intercepted, box, site.node.hn, src, BEYOND)}

    before = ways.stay(bare, measure)
    assert before["intercepted"] is True


@pytest.mark.parametrize("netfilter", [0, 1])
def test_a_guest_of_a_lan_bridge_and_an_assigned_ve_reach_each_other(bare, netfilter):
    """Its frames pass the forward hook where br_netfilter is on, the VE's among them."""
    guest = bystanders.lan_bridge(bare.node)
    bare.node.hn.sysctl("net/bridge/bridge-nf-call-iptables", netfilter)
    bare.node.hn.sysctl("net/bridge/bridge-nf-call-ip6tables", netfilter)

    def measure(site, running):
        found = ways.of_addresses(site, OWN4)
        for ctid in running:
            ve = f"192.168.18.{ctid}"
            found[f"guest -> VE {ctid}"] = partial(ways.reaches, guest.box, ve)
            found[f"VE {ctid} -> guest"] = partial(ways.reaches, site.node.ve(ctid).box, guest.addresses[0])
        for dst in (*OWN, CLIENT, BEYOND):
            if "." in dst:
                found[f"guest -> {dst}"] = partial(ways.reaches, guest.box, dst)
        return found

    ways.stay(bare, measure, "[uplink:eth3]\ndevice = br0\n")
