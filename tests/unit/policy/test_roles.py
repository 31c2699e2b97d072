"""Each device's role is known by what tells it, and never by how its name looks."""

from dataclasses import replace

import pytest

from vzhooks.addresses import host_prefix
from vzhooks.model import MAIN, Nic, Route
from vzhooks.policy.roles import (
    INSIDE,
    LAN,
    LO,
    MEMBER,
    OTHER,
    VE,
    Known,
    assign,
    is_lan,
    is_ve_side,
    named,
    over,
    why_no_uplink,
)

A, AWAY = "192.168.18.101", "192.168.18.102"
NICS = {n.name: n for n in (
    Nic("lo", 1, loopback=True), Nic("eth0", 2, addresses=("192.168.18.10/24",), altnames=("enp1s0", "mgmt")),
    Nic("eth1", 3, master="br0"), Nic("eth2", 4, master="bond0"), Nic("mv9", 57, "macvlan", link="docker0"),
    Nic("eth3", 5, "veth", addresses=("192.168.18.11/24",)),
    Nic("br0", 6, "bridge", members=("eth1", "tap1")), Nic("bond0", 7, "bond", members=("eth2",)),
    Nic("team0", 8, "team"), Nic("bond0.7", 9, "vlan", link="bond0"), Nic("bond0.7.8", 10, "vlan", link="bond0.7"),
    Nic("mv0", 11, "macvlan", link="eth0"), Nic("iv0", 12, "ipvlan", link="eth0"),
    Nic("docker0", 20, "bridge", members=("vethab12",), addresses=("172.17.0.1/16",)),
    Nic("docker0.9", 21, "vlan", link="docker0"), Nic("virbr0", 22, "bridge", addresses=("192.168.122.1/24",)),
    Nic("vip0", 23, "bridge", addresses=("192.168.18.50/24",)),
    Nic("vip1", 24, "dummy", addresses=("192.168.18.51/24",)),
    Nic("vethab12", 25, "veth", master="docker0"), Nic("tap1", 26, "tun", master="br0", tap=True),
    Nic("venet0", 30), Nic("venet0.202", 31, "veth", master="venet0"), Nic("veth42cafe01", 32, "veth", ve=True),
    Nic("web0", 33, "veth"), Nic("cali1", 34, "veth"), Nic("lxd7", 35, "veth"), Nic("lxd8", 36, "veth"),
    Nic("veth-dns", 37, "veth", addresses=("10.55.0.1/30",)), Nic("ns1-host", 38, "veth"),
    Nic("tap0", 40, "tun", tap=True), Nic("tun0", 41, "tun"), Nic("wg0", 42, "wireguard"), Nic("vx0", 43, "vxlan"),
    Nic("gre1", 44, "gre"), Nic("dm0", 45, "dummy"), Nic("ppp0", 46, "ppp", pointopoint=True),
    Nic("far", 47, "vlan", link="elsewhere"), Nic("veth-a", 48, "veth", link="veth-b"),
    Nic("veth-b", 49, "veth", link="veth-a", master="br0"), Nic("veth-c", 50, "veth", link="vethab12"),
    Nic("eth5", 51, ve=True), Nic("bond0.9", 52, "vlan", link="bond0", master="br7"),
    Nic("br7", 53, "bridge", members=("bond0.9", "lxd1")), Nic("br8", 54, "bridge", members=("vx1", "tap8")),
    Nic("vx1", 55, "vxlan", master="br8"), Nic("tap8", 56, "tun", master="br8", tap=True),
    Nic("ve-lan", 58), Nic("eth0.7", 59, "vlan", link="eth0"),
)}


def to(destination, dev, gateway="", metric=0):
    return Route(4, MAIN, destination, dev, gateway, metric)


MAINS = (to("default", "eth0", "192.168.18.1"), to("192.168.18.0/24", "eth0"), to("192.168.18.0/24", "eth3"),
         to(host_prefix(A), "cali1"), to("10.1.0.7/32", "lxd7"), to("10.1.0.16/28", "lxd8"),
         to("10.55.0.0/30", "veth-dns"), to(host_prefix(AWAY), "vx0"), to("172.17.0.0/16", "docker0"),
         *(to(f"10.9.{n}.0/24", dev)
           for n, dev in enumerate(("virbr0", "ns1-host", "tap0", "vip0", "veth-c", "br8", "br9"))))
KNOWN = Known(devices=frozenset({"web0"}), addresses=frozenset({A, AWAY}), main=MAINS)


def role(name, nics=NICS, **more):
    return assign(nics, replace(KNOWN, **more))[name].role


@pytest.mark.parametrize("name, expected", [
    ("lo", LO), ("eth1", MEMBER), ("eth2", MEMBER), ("vethab12", MEMBER), ("tap1", MEMBER),
    # what leads off the node
    ("eth0", LAN), ("bond0", LAN), ("team0", LAN), ("br0", LAN), ("bond0.7", LAN), ("bond0.7.8", LAN), ("mv0", LAN),
    ("iv0", LAN), ("eth3", LAN), ("veth-a", LAN), ("eth5", LAN), ("br7", LAN), ("ve-lan", LAN), ("eth0.7", LAN),
    # what vzctl's data and main's host routes name
    ("venet0", VE), ("veth42cafe01", VE), ("web0", VE), ("cali1", VE), ("venet0.202", MEMBER),
    # guests of the node
    ("docker0", INSIDE), ("virbr0", INSIDE), ("lxd7", INSIDE), ("lxd8", INSIDE), ("veth-dns", INSIDE),
    ("ns1-host", INSIDE), ("tap0", INSIDE), ("vip0", INSIDE), ("veth-c", INSIDE), ("br8", INSIDE),
    # all else belongs to others, also where a VE's address is routed by it
    ("tun0", OTHER), ("wg0", OTHER), ("vx0", OTHER), ("gre1", OTHER), ("dm0", OTHER), ("ppp0", OTHER),
    ("docker0.9", OTHER), ("mv9", OTHER), ("far", OTHER), ("vip1", OTHER),
])
def test_each_device_has_its_role(name, expected):
    assert role(name) == expected


@pytest.mark.parametrize("name", ["venet0", "venet1"])
@pytest.mark.parametrize("more", [{}, {"kind": "bridge"}, {"kind": "bridge", "members": ("venet0.202",)}])
def test_venet_is_the_ves_side_whatever_its_kind(name, more):
    assert role(name, {name: Nic(name, 2, **more), "venet0.202": Nic("venet0.202", 3, "veth", master=name)}) == VE


def test_a_port_that_vzctl_is_just_making_is_no_lan_nic():
    """Its other end is in no bridge yet, and neither is it."""
    assert role("venet0.202", {**NICS, "venet0.202": Nic("venet0.202", 31, "veth")}) == OTHER


@pytest.mark.parametrize("name", ["tun0", "wg0", "vx0", "ppp0", "dm0", "docker0", "veth-dns"])
def test_what_the_ini_or_a_default_route_names_leads_off_the_node(name):
    assert role(name, named=frozenset({name})) == LAN
    assert role(name, main=(to("default", name),)) == LAN


def test_a_pair_within_the_node_that_is_in_no_bridge_leads_nowhere():
    pair = Nic("p0", 60, "veth", link="p1"), Nic("p1", 61, "veth", link="p0")
    assert role("p0", {**NICS, **{n.name: n for n in pair}}) == OTHER


def test_a_tap_without_a_route_is_of_no_guest_yet():
    assert role("tap9", {**NICS, "tap9": Nic("tap9", 60, "tun", tap=True)}) == OTHER


def test_a_member_that_the_ini_names_stands_for_its_topmost_master():
    pair = Nic("br9", 60, "bridge", members=("vethx",)), Nic("vethx", 61, "veth", master="br9")
    nics = {**NICS, **{n.name: n for n in pair}}
    assert (role("vethx", nics), role("br9", nics)) == (MEMBER, INSIDE)
    assert role("br9", nics, named=frozenset({"vethx"})) == LAN


@pytest.mark.parametrize("name, expected", [("veth-up", LAN), ("lxd7", INSIDE), ("lxd8", INSIDE), ("cali1", VE),
                                            ("docker0", INSIDE), ("wg0", OTHER), ("web0", VE), ("eth1", MEMBER)])
def test_an_uplink_without_an_ini_may_name_a_veth_but_not_a_guest_s(name, expected):
    nics = {**NICS, "veth-up": Nic("veth-up", 60, "veth", addresses=("198.51.100.2/24",))}
    assert role(name, nics, wished=frozenset({name})) == expected


def test_a_nic_without_an_address_of_its_own_may_be_wished_for():
    nics = {**NICS, "veth-up": Nic("veth-up", 60, "veth")}
    assert (role("veth-up", nics), role("veth-up", nics, wished=frozenset({"veth-up"}))) == (OTHER, LAN)


@pytest.mark.parametrize("mains, more, expected", [
    ((to("198.51.100.0/24", "up"),), {"addresses": ("198.51.100.2/24",)}, LAN),  # its own network
    ((to("10.9.0.0/16", "up", "198.51.100.1"),), {}, LAN), ((to("10.9.0.0/16", "up"),), {}, INSIDE),
    ((), {"ve": True}, VE), ((), {"master": "br9"}, MEMBER), ((), {"kind": "bridge"}, OTHER),
    ((), {"kind": "macvlan"}, LAN), ((), {"kind": "ipvlan"}, LAN)])
def test_by_which_devices_no_guest_has_a_route(mains, more, expected):
    members = ("up",) if "master" in more else ("vethab12",)
    nics = {**NICS, "br9": Nic("br9", 60, "bridge", members=members), "up": Nic("up", 61, **{"kind": "veth", **more})}
    assert role("up", nics, wished=frozenset({"up"}), main=(*MAINS, *mains)) == expected
    assert role("br9", nics, wished=frozenset({"up"})) == INSIDE


@pytest.mark.parametrize("nic, expected", [
    (Nic("x", 60, "bridge", members=("tap9",), addresses=("192.168.18.60/24",)), LAN),  # on one LAN with eth0
    (Nic("x", 60, "bridge", members=("tap9",), addresses=("198.51.100.60/24",)), INSIDE),
    (Nic("x", 60, "bridge", members=("gt9",)), INSIDE), (Nic("x", 60, "macvlan", link="br0"), LAN),
    (Nic("x", 60, "vlan", link="br5"), LAN), (Nic("x", 60, "vlan", link="tap9"), OTHER),
    (Nic("x", 60, "macvlan"), INSIDE)])
def test_what_lies_over_something_leads_where_that_leads(nic, expected):
    """Also over a tunnel, whose frames go out by a member of a bridge: its other end is what it leads to."""
    others = (Nic("tap9", 61, "tun", tap=True, master="x"), Nic("gt9", 62, "gretap", link="eth1", master="x"),
              Nic("br5", 63, "bridge", members=("eth7",), master="vrf1"), Nic("eth7", 64, master="br5"),
              Nic("vrf1", 65, "vrf", members=("br5",)))
    main = (*MAINS, to("10.77.0.0/16", "x"))
    assert role("x", {**NICS, **{n.name: n for n in (nic, *others)}}, main=main) == expected


def test_what_lies_over_a_device_that_the_ini_names_leads_off_as_that_does():
    nics = {**NICS, "x": Nic("x", 60, "vlan", link="dm0")}
    assert (role("x", nics), role("x", nics, named=frozenset({"dm0"}))) == (OTHER, LAN)


@pytest.mark.parametrize("inside, name, expected", [
    (("tun0",), "tun0", INSIDE), (("docker0",), "docker0", INSIDE), (("docker0",), "tap0", OTHER),
    (("docker0",), "lxd7", OTHER), ((), "docker0", OTHER), ((), "veth-dns", OTHER), (("tun0",), "cali1", VE),
    (("tun0",), "venet0", VE), (("docker0",), "eth1", MEMBER), (("eth3",), "eth3", INSIDE)])
def test_the_ini_may_say_whose_devices_are_guests(inside, name, expected):
    assert role(name, inside=inside) == expected


@pytest.mark.parametrize("address, dev, expected", [(A, "lxd7", VE), ("10.1.0.7", "lxd7", INSIDE), (A, "tun0", OTHER),
                                                    (A, "eth3", LAN), (A, "docker0", INSIDE), (A, "tap0", INSIDE)])
def test_only_a_veth_is_a_ve_s_by_a_route_to_its_address(address, dev, expected):
    assert role(dev, main=(to("default", "eth0", "192.168.18.1"), to(host_prefix(address), dev))) == expected


def test_a_veth_is_a_lan_nic_by_the_network_that_it_shares_with_one():
    """So it is where the node itself is a guest: its NICs' other ends are out of sight."""
    nics = {n: NICS[n] for n in ("lo", "eth3", "venet0")}
    nics["eth0"] = Nic("eth0", 2, "veth", addresses=("192.168.18.10/24",))
    assert role("eth3", nics) == LAN
    assert role("eth3", nics, main=()) == OTHER


@pytest.mark.parametrize("name, why", [
    ("eth1", "member of the bridge br0; name br0 instead"), ("eth2", "member of the bond bond0; name bond0"),
    ("lo", "loopback"), ("docker0", "guests of this node"), ("web0", "VEs' own side"), ("venet0", "VEs' own side"),
    ("venet0.202", "name venet0 instead"), ("eth0", None), ("tun0", "not known to lead off"),
])
def test_why_a_device_is_no_uplink(name, why):
    nics = assign(NICS, KNOWN)
    found = why_no_uplink(nics[name], nics)
    assert found is None if why is None else why in found


def test_a_master_out_of_sight_is_named_all_the_same():
    away = Nic("eth7", 60, role=MEMBER, master="br66")
    assert why_no_uplink(away, {"eth7": away}) == "eth7 is a member of the master br66; name br66 instead"
    ring = {n.name: n for n in (Nic("a", 1, role=MEMBER, master="b"), Nic("b", 2, "team", master="a"))}
    assert "is a member of the" in why_no_uplink(ring["a"], ring)


@pytest.mark.parametrize("name, expected", [("eth0", "eth0"), ("mgmt", "eth0"), ("enp1s0", "eth0"), ("eth9", "eth9")])
def test_an_altname_stands_for_its_device(name, expected):
    assert named(name, NICS) == expected


DEEP = {n.name: n for n in (
    Nic("eth0", 2, master="bond0"), Nic("bond0", 3, "bond", members=("eth0",), master="br0"),
    Nic("br0", 4, "bridge", members=("bond0",)), Nic("mv0", 5, "macvlan", link="br0"),
    Nic("br0.7", 6, "vlan", link="br0"), Nic("eth3", 7), Nic("loop1", 8, master="loop2"),
    Nic("loop2", 9, master="loop1"))}


@pytest.mark.parametrize("names, expected", [
    (["eth0"], {"eth0", "bond0", "br0", "mv0"}), (["br0"], {"br0", "mv0"}), (["eth3"], {"eth3"}),
    (["eth9"], {"eth9"}), ([], set()), (["eth0", "eth3"], {"eth0", "bond0", "br0", "mv0", "eth3"}),
    (["loop1"], {"loop1", "loop2"})])
def test_what_sends_by_a_reserved_device_is_reserved_as_well(names, expected):
    assert set(over(names, DEEP)) == expected


def test_roles_are_asked_by_name():
    nics = assign(NICS, KNOWN)
    assert {n.name for n in nics.values() if is_ve_side(n)} == {"venet0", "veth42cafe01", "web0", "cali1"}
    assert is_lan(nics["eth0"]) and not is_lan(nics["venet0"])
