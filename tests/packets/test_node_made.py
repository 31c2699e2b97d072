"""Packets that nobody sent: those that the node makes in a VE's name, that loop, or that claim to be a VE's."""

import socket

import pytest

from tests.lab.bystanders import sh
from tests.lab.tap import Tap
from tests.lab.wire import ping, send_udp
from tests.site import BEYOND, CLIENTS, NICS, OWN, fits, is_carried, pair

pytestmark = pytest.mark.datapaths
RESET = """nft add table inet fw
nft 'add chain inet fw forward { type filter hook forward priority 0; }'
nft add rule inet fw forward tcp dport 7 reject with tcp reset"""
NETS = {"198.51.100.16/28": ("198.51.100.17", "198.51.100.19", "192.168.18.11"),
        "2001:db8:18::/64": ("2001:db8:18::17", "2001:db8:18::19", "fd00:18::11")}


def call(site, address):
    """Begin a TCP connection from the client, so that the node resets it in the VE's name."""
    client = next(c for c in CLIENTS if fits(c, address))
    with site.node.client.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as tcp:
        tcp.settimeout(0.3)
        tcp.bind((client, 0))
        try:
            tcp.connect((address, 7))
        except ConnectionRefusedError:
            return "reset"
        except OSError:
            return "nothing"
    return "connected"


def resets(site, *ctids):
    """Call each address of VEs; return by which NICs the node answered in its name, and what the client heard."""
    addresses = [a for ctid in ctids for a in pair(ctid)]
    with Tap(site.node.hn, *NICS) as tap:
        heard = [call(site, address) for address in addresses]
        left = [f for f in tap.find(outgoing=True, proto="tcp") if f.src in addresses]
    return {f.nic for f in left}, heard


def test_without_uplinks_a_reset_leaves_by_the_first_nic(bare):
    sh(bare.node.hn, RESET)
    bare.both("101")
    assert resets(bare, "101") == ({"eth0"}, ["reset"] * 2)


def test_a_reset_in_an_assigned_ve_s_name_leaves_by_its_uplink(every):
    sh(every.node.hn, RESET)
    every.both("101", uplink="eth3")
    assert resets(every, "101") == ({"eth3"}, ["reset"] * 2)


def test_a_reset_to_a_host_that_main_has_by_another_nic_leaves_by_the_uplink(site):
    sh(site.node.hn, RESET)
    site.both("101", uplink="eth3")
    site.end_announcers()
    for client in CLIENTS:
        site.node.add_route(f"{client}/{128 if ':' in client else 32}", oif="eth0")
    assert resets(site, "101") == ({"eth3"}, ["reset"] * 2)


@pytest.mark.parametrize("layer", ["rules", "nft"])
def test_a_reset_leaks_by_no_other_nic_without_either_layer(site, layer):
    if site.marks and layer == "nft":
        pytest.skip("the node's own packets are told apart by nftables alone")
    site.both("101", uplink="eth3")
    site.end_announcers()
    site.flush(layer)
    sh(site.node.hn, RESET)
    assert resets(site, "101")[0] <= {"eth3"}


@pytest.mark.parametrize("kind, priority", [("route", -130), ("route", 0), ("filter", 0)])
def test_a_reset_that_somebody_marks_anew_leaves_by_no_other_nic(site, kind, priority):
    site.both("101", uplink="eth3")
    site.end_announcers()
    sh(site.node.hn, RESET)
    sh(site.node.hn, f"""nft add table inet theirs
    nft 'add chain inet theirs out {{ type {kind} hook output priority {priority}; meta mark set 1; }}'""")
    assert resets(site, "101")[0] <= {"eth3"}
    site.vzhooks("resync")
    assert resets(site, "101") == ({"eth3"}, ["reset"] * 2)


def test_a_reset_in_an_unassigned_ve_s_name_leaves_by_no_reserved_nic(every):
    every.ini("[node]\nreserved = eth0\n")
    sh(every.node.hn, RESET)
    every.both("101", uplink="eth3")
    every.both("105")
    assert "eth0" not in resets(every, "105")[0]
    assert resets(every, "101") == ({"eth3"}, ["reset"] * 2)


LATE = """ip rule add lookup 300 priority 32790; ip route add default via 192.168.18.1 dev eth0 table 300
    ip -6 rule add lookup 300 priority 32790; ip -6 route add default via fd00:18::1 dev eth0 table 300
    ip route del 192.168.18.0/24 dev eth3; ip route del 192.168.18.0/24 dev eth4"""
LO = "ip link set lo down; ip link set lo up"


@pytest.mark.parametrize("layer", ["", "rules", "nft"])
@pytest.mark.parametrize("more", [LATE, LO], ids=["rules_behind_main", "lo_down_and_up"])
def test_a_reset_in_an_unassigned_ve_s_name_leaves_by_no_reserved_nic_without_either_layer(site, layer, more):
    if site.marks and layer:
        pytest.skip("marks are set in the one and count in the other")
    site.ini("[node]\nreserved = eth0\n")
    site.both("105")
    site.vzhooks("resync", "--force")
    site.end_announcers()
    sh(site.node.hn, more)
    if layer:
        site.flush(layer)
    sh(site.node.hn, RESET)
    assert "eth0" not in resets(site, "105")[0]
    with site.only_by("eth3", "eth4", src=pair("105")):
        for source, to in site.ways("105", CLIENTS):
            send_udp(site.node.hn, source, to, count=3)
            send_udp(site.node.ve("105").box, source, to, count=3)


def test_with_lo_down_and_up_and_the_uplink_gone_a_reset_leaves_by_no_other_nic(site):
    site.both("101", uplink="eth3")
    site.end_announcers()
    sh(site.node.hn, LO)
    site.node.link("eth3", False)
    if not site.marks:
        site.flush("nft")
    sh(site.node.hn, RESET)
    assert resets(site, "101")[0] == set()
    with site.only_by():
        for source, to in zip(pair("101"), CLIENTS):
            send_udp(site.node.hn, source, to, count=3)


def test_ves_without_an_uplink_reach_each_other_and_the_node_after_lo_went_down_and_up(site):
    site.ini("[node]\nreserved = eth0\n")
    site.both("105", "106")
    site.vzhooks("resync")
    site.end_announcers()
    sh(site.node.hn, LO)
    assert site.ping("105", (*pair("106"), "192.168.18.12", "fd00:18::12")) == 3


REJECT = """nft add table inet fw
nft 'add chain inet fw forward {{ type filter hook forward priority 0; }}'
nft add rule inet fw forward udp dport 9 ip saddr {} reject with icmp port-unreachable
nft add rule inet fw forward udp dport 9 ip6 saddr {} reject with icmpv6 port-unreachable"""


def told(site, ctid, by_ve):
    """Send what the node rejects, from a VE or from the client to it; return who told whom by which NIC."""
    with Tap(site.node.hn) as tap:
        for own, client in zip(pair(ctid), CLIENTS):
            src, dst, box = (own, client, site.node.ve(ctid).box) if by_ve else (client, own, site.node.client)
            send_udp(box, src, dst)
        left = [f for f in tap.find(outgoing=True) if f.proto.startswith("icmp") and "unreach" in f.info]
    return {(f.src, f.nic) for f in left if f.nic in NICS}, {f.src for f in left if f.nic not in NICS}


@pytest.mark.parametrize("layer", ["", "rules", "nft"])
@pytest.mark.parametrize("ini", ["", "[node]\nreserved = eth0\n"], ids=["main", "reserved"])
def test_an_icmp_error_about_a_ve_s_packet_is_the_node_s_own_and_none_leaves_in_the_ve_s_name(site, ini, layer):
    """To the LAN it goes as all of the node's own; to a VE, whose packet was rejected, it comes."""
    site.ini(ini)
    site.both("101", uplink="eth3")
    site.both("105")
    site.vzhooks("resync", "--force")
    site.end_announcers()
    if layer:
        site.flush(layer)
    for ctid in ("101", "105"):
        site.node.hn.run(["nft", "delete", "table", "inet", "fw"])
        sh(site.node.hn, REJECT.format(*CLIENTS))
        lan, ves = told(site, ctid, False)
        assert {src for src, _ in lan} <= set(OWN) and not ves
        assert len({":" in src for src, _ in lan}) == 2 or ini or (site.marks and layer == "nft"), lan
        sh(site.node.hn, "nft delete table inet fw; " + REJECT.format(*pair(ctid)))
        lan, ves = told(site, ctid, True)
        gone = ini or layer == "rules" or (site.marks and layer == "nft")
        assert not lan and (gone or len({":" in src for src in ves}) == 2)


@pytest.mark.parametrize("kind", ["blackhole", "unreachable", "prohibit"])
def test_an_unused_address_of_a_network_routed_to_the_node_makes_no_loop(site, kind):
    for network, (_, _, via) in NETS.items():
        sh(site.node.hn, f"ip route add {kind} {network}")
        sh(site.node.client, f"ip route add {network} via {via}")
    site.ve("101", *(ve for ve, _, _ in NETS.values()), uplink="eth3")
    for ve, unused, _ in NETS.values():
        with Tap(site.node.hn, *NICS) as tap:
            assert ping(site.node.ve("101").box, unused, src=ve, count=3, timeout=0.3) == 0
        assert [f for f in tap.find(dst=unused) if is_carried(f)] == []
        assert ping(site.node.client, ve, count=3) == 3
        site.leaves_by("101", "eth3", BEYOND if "." in ve else "2001:db8:113::9", src=ve)


def test_a_packet_from_the_lan_that_claims_to_be_a_ve_s_is_not_carried(every):
    """With rp_filter 1 the node would not, hardened or not; nor may it with another."""
    every.both("101", uplink="eth3")
    every.both("102", uplink="eth4")
    every.both("105")
    for ctid in ("102", "105"):
        for source, target in zip(pair("101"), pair(ctid)):
            assert ping(every.node.client, target, count=1) == 1
            with Tap(every.node.hn) as tap:
                send_udp(every.node.client, source, target, count=3)
            assert [f for f in tap.find(src=source, dst=target, outgoing=True) if f.nic not in NICS] == []
            assert tap.count(src=source, dst=target, outgoing=False)


COOKIES = """nft add table inet sp
nft 'add chain inet sp raw { type filter hook prerouting priority raw; }'
nft add rule inet sp raw tcp dport 7 tcp flags syn notrack
nft 'add chain inet sp forward { type filter hook forward priority 0; }'
nft add rule inet sp forward tcp dport 7 ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm"""


def test_a_syn_cookie_in_an_assigned_ve_s_name_leaves_by_its_uplink_or_not_at_all(site):
    site.both("101", uplink="eth3")
    site.end_announcers()
    sh(site.node.hn, COOKIES)
    assert resets(site, "101")[0] == {"eth3"}
    if not site.marks:  # which are set, but lead nowhere then
        site.flush("rules")
        assert resets(site, "101")[0] == set()


def test_a_syn_cookie_in_an_unassigned_ve_s_name_leaves_by_no_reserved_nic(site):
    site.both("105")
    sh(site.node.hn, COOKIES)
    assert resets(site, "105")[0] == {"eth0"}
    site.ini("[node]\nreserved = eth0\n")
    site.vzhooks("resync", "--force")
    assert "eth0" not in resets(site, "105")[0]
