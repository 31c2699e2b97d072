# SPDX-License-Identifier: GPL-2.0-or-later
"""The stand-in for OpenVZ 9 does to the node, on the wire and in its files, what the real one was seen to do."""

import threading
import time

import pytest

from tests.lab import ExampleNode, Vzctl9
from tests.lab.node import BEYOND, BEYOND6, CLIENT, CLIENT6, MACS
from tests.lab.wire import Tap, ping, send_udp, who_has, who_has6

VE1, VE1_6, VE2, VE2_6, MORE = "192.168.18.101", "fd00:18::101", "192.168.18.102", "fd00:18::102", "192.168.18.77"
NICS = ["eth0", "eth3", "eth4"]
ALL_MACS = sorted(MACS.values())
HN_ADDRESSES = ["192.168.18.10", "192.168.18.11", "192.168.18.12", "fd00:18::10", "fd00:18::12"]
CONF, VE_CONF = "/etc/vz/conf/101.conf", "/vz/private/101/ve.conf"


@pytest.fixture(name="node")
def _node():
    with ExampleNode(rp_filter=1, generation=9) as node:
        yield node


def hn(node, *argv):
    return node.hn.run(list(argv), check=True).stdout


def proxied(node, address):
    """Name the NICs that an address is published on."""
    words = [line.split() for line in hn(node, "ip", "-6" if ":" in address else "-4", "neigh", "show", "proxy")
             .splitlines()]
    return sorted(word[2] for word in words if word[0] == address)


def out_of(tap, src):
    return {f.nic for f in tap.find(outgoing=True, src=src) if not f.nic.startswith("veth") and f.proto != "arp"}


@pytest.mark.parametrize("rp_filter", [0, 1, 2])
def test_without_vzhooks_the_node_shows_the_problem(rp_filter):
    """VE traffic leaves by eth0, and ARP flux is as the kernel makes it for each rp_filter."""
    with ExampleNode(rp_filter, generation=9) as node:
        vzctl = Vzctl9(node)
        ve1, _ = vzctl.add_ve("101", VE1, VE1_6, uplink="eth3"), vzctl.add_ve("102", VE2, VE2_6, uplink="eth4")
        assert node.hn.sysctl(f"net/ipv4/conf/{ve1.device}/rp_filter") == str(rp_filter)
        with Tap(node.hn) as tap:
            assert [ping(ve1.box, dst, count=2) for dst in (CLIENT, BEYOND, CLIENT6, BEYOND6)] == [2] * 4
        assert out_of(tap, VE1) == out_of(tap, VE1_6) == {"eth0"}
        expected = [MACS["eth0"]] if rp_filter == 1 else ALL_MACS
        for address in (VE1, "192.168.18.10", "192.168.18.11", "192.168.18.12"):
            assert who_has(node.client, "eth0", address, CLIENT, wait=0.1) == expected
        assert who_has6(node.client, "eth0", VE1_6, CLIENT6, wait=0.1) == ALL_MACS


def test_every_ve_has_a_veth_of_the_node_with_arp_on(node):
    """Proxy ARP and the link-local gateway are on it; VEs, the node and the LAN reach each other over it."""
    vzctl = Vzctl9(node)
    ve1, ve2 = vzctl.add_ve("101", VE1, VE1_6), vzctl.add_ve("102", VE2, VE2_6)
    assert set(node.hn.nics()) == {"lo", *NICS, ve1.device, ve2.device}
    shown = hn(node, "ip", "addr", "show", "dev", ve1.device)
    assert "NOARP" not in shown and "fe80::ffff:1:1/128" in shown and "UP,LOWER_UP" in shown
    assert len(ve1.device) == 12 and ve1.box.nics() == ["lo", "venet0"]
    assert node.hn.sysctl(f"net/ipv4/conf/{ve1.device}/proxy_arp") == "1"
    assert f"{VE1} dev {ve1.device} scope link" in hn(node, "ip", "route")
    with Tap(node.hn) as tap:
        assert ping(ve1.box, VE2) == ping(ve1.box, VE2_6) == 1
    assert out_of(tap, VE1) == out_of(tap, VE1_6) == set()
    assert {f.nic for f in tap.find(src=VE1, dst=VE2, proto="icmp")} == {ve1.device, ve2.device}
    assert [ping(ve1.box, address) for address in HN_ADDRESSES] == [1] * 5
    assert [ping(box, address) for box in (node.hn, node.client) for address in (VE1, VE2, VE1_6, VE2_6)] == [1] * 8
    assert ping(ve1.box, CLIENT, src=VE1) == 1


@pytest.mark.parametrize(("addresses", "announced"), [((VE1, VE1_6, VE2), VE1), ((VE1_6, VE1), VE1_6)])
def test_every_nic_probes_and_announces(node, addresses, announced):
    """Probes for every IPv4 address with sender 0.0.0.0, then one answer for the first address alone, unasked."""
    with Tap(node.client) as tap:
        Vzctl9(node).add_ve("101", *addresses)
    probes = {(f.src_mac, f.dst) for f in tap.find(proto="arp", src="0.0.0.0")}
    assert probes == {(mac, a) for mac in ALL_MACS for a in addresses if ":" not in a}
    told = [f.src_mac for f in tap.frames if f.info.startswith("is-at") and f.src == f.dst == announced]
    told += [f.src_mac for f in tap.find(info=f"advert {announced}")]
    assert sorted(told) == ALL_MACS
    assert not [f for f in tap.frames if f.src != announced and f.info.startswith(("is-at", "advert"))]
    assert [proxied(node, a) for a in addresses] == [NICS] * len(addresses)


def test_nics_that_are_down_or_without_address_are_left_out(node):
    node.del_address("eth3", "192.168.18.11/24")
    node.del_address("eth3", "fd00:18::11/64")
    node.link("eth4", False)
    Vzctl9(node).add_ve("101", VE1, VE1_6)
    assert proxied(node, VE1) == proxied(node, VE1_6) == ["eth0"]


def test_a_bridge_over_a_nic_is_published_on(node):
    hn(node, "sh", "-c", "ip link add br0 type bridge; ip link set br0 up; ip link set eth4 master br0; "
       "ip addr flush dev eth4; ip addr add 192.168.18.12/24 dev br0; ip link add tap9 type ifb; ip link set tap9 up; "
       "ip addr add 192.168.18.9/24 dev tap9")
    Vzctl9(node).add_ve("101", VE1)
    assert proxied(node, VE1) == ["br0", "eth0", "eth3"]


def test_the_route_comes_some_time_after_the_veth(node):
    """With the pauses of a real node in the small: veth at once, then the wait, then route, proxies and list."""
    node.create_ve("101", [VE1])
    vzctl, seen = Vzctl9(node, pause=0.3), {}
    start = threading.Thread(target=lambda: seen.update(start=vzctl.start("101"), end=time.monotonic()))
    start.start()
    while "end" not in seen:
        if any(nic.startswith("veth") for nic in node.hn.nics()):
            seen.setdefault("veth", time.monotonic())
        if VE1 in hn(node, "ip", "route"):
            seen.setdefault("route", time.monotonic())
    start.join()
    assert seen["start"].rc == 0
    assert seen["route"] - seen["veth"] > 0.25 and seen["end"] - seen["route"] > 0.25
    assert node.hn.sysctl("net/ipv4/ip_nonlocal_bind") == "0"


def test_set_ip_runs_on_a_running_ve(node):
    """The config follows after it; without --save it does not."""
    vzctl = Vzctl9(node)
    ve = vzctl.add_ve("101", VE1, VE1_6)
    assert vzctl.ipadd("101", VE2).rc == 0 and VE2 not in node.hn.read(CONF)
    assert vzctl.ipdel("101", VE2).rc == 0 and proxied(node, VE2) == []
    assert vzctl.ipadd("101", VE2, save=True).rc == 0 and ping(node.client, VE2) == 1
    assert f'IP_ADDRESS="{VE1}/255.255.255.0 {VE1_6}/64 {VE2}/255.255.255.0 "' in node.hn.read(CONF)
    assert vzctl.ipdel("101", VE1, save=True).rc == 0 and ping(node.client, VE1, timeout=0.05) == 0
    assert ve.addresses == [VE1_6, VE2] and node.hn.read("/var/vz/veip/101").split() == [VE1_6, VE2]
    assert vzctl.stop("101").rc == 0
    assert [proxied(node, a) for a in (VE1, VE1_6, VE2)] == [[]] * 3


def test_the_list_of_addresses_is_not_to_be_trusted(node):
    """Taking .10 takes .101 off the list as well, whose proxies then outlive the stop; an address of another is 78."""
    vzctl = Vzctl9(node)
    vzctl.add_ve("101", VE1)
    node.create_ve("102", [VE2, VE1])
    assert vzctl.start("102").rc == 78 and not node.ve("102").running
    vzctl.ipadd("101", "192.168.18.10")
    vzctl.ipdel("101", "192.168.18.10")
    assert node.hn.read("/var/vz/veip/101") == "" and ping(node.client, VE1) == 1
    assert vzctl.stop("101").rc == 0 and proxied(node, VE1) == NICS


def test_a_second_routed_nic(node):
    """Its addresses stand in NETIF alone, and its traffic takes its own veth; --netif_del leaves list and proxies."""
    vzctl = Vzctl9(node)
    ve = vzctl.add_ve("101", VE1)
    assert vzctl.netif_add("101", "eth1", MORE, VE1_6).rc == 0
    second = ve.nics["eth1"].host_name
    assert f'{second},type=routed,ip={MORE}/255.255.255.0,ip6={VE1_6}/64"' in node.hn.read(CONF)
    assert vzctl.restart("101").rc == 0 and second in node.hn.nics()
    with Tap(node.hn, second, ve.device) as tap:
        for src, dst in ((VE1, CLIENT), (MORE, CLIENT), (VE1_6, CLIENT6)):
            assert ping(ve.box, dst, src=src) == 1
    assert {f.nic for f in tap.frames if f.src in (MORE, VE1_6) and f.info == "echo request"} == {second}
    assert vzctl.netif_del("101", "eth1").rc == 0 and second not in node.hn.nics()
    assert ve.addresses == [VE1] and second not in node.hn.read(CONF)
    assert proxied(node, MORE) == NICS and MORE in node.hn.read("/var/vz/veip/101")


def test_every_packet_of_a_ve_bears_a_mark(node):
    """Before prerouting, both families; the table goes with the VE."""
    vzctl = Vzctl9(node)
    ve = vzctl.add_ve("101", VE1, VE1_6)
    hn(node, "nft", "add table inet t; add chain inet t c { type filter hook prerouting priority -300; }; "
       "add rule inet t c meta mark 0xca1 udp dport 9 counter")
    for src, dst in ((VE1, CLIENT), (VE1_6, CLIENT6)):
        send_udp(ve.box, src, dst, 5)
    assert "counter packets 10 " in hn(node, "nft", "list", "ruleset")
    assert vzctl.stop("101").rc == 0 and "netdev" not in hn(node, "nft", "list", "tables")


def test_the_config_is_libvzctls(node):
    """A link to the private area; NETIF comes with the first start, all else is kept; a plain file becomes the link."""
    node.create_ve("101", [VE1], "eth3", extra='# a remark\nNAME="web"\nUNKNOWN=1 # odd')
    assert "NETIF" not in node.hn.read(CONF)
    vzctl = Vzctl9(node)
    assert vzctl.start("101").rc == 0
    first = node.hn.read(CONF)
    assert f"host_ifname={node.ve('101').device},type=routed" in first and "UNKNOWN=1 # odd\n" in first
    assert vzctl.restart("101").rc == 0 and node.hn.read(CONF) == node.hn.read(VE_CONF) == first
    assert node.hn.read("/etc/vz/names/web") == first
    node.hn.path(CONF).unlink()
    node.hn.write(CONF, first.replace("eth3", "eth4"))
    assert vzctl.ipadd("101", VE2, save=True).rc == 0 and node.hn.path(CONF).is_symlink()
    assert 'UPLINK="eth4"' in node.hn.read(VE_CONF) and VE2 in node.hn.read(VE_CONF)
