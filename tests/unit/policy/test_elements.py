"""What the guard's sets hold."""

from dataclasses import replace

import pytest

from tests.unit.example import ETH0, ETH3, LO, NICS, VENET0, elements, facts, nic, wanted
from vzhooks.addresses import host_prefix
from vzhooks.model import MAIN, Element, Route, Ve
from vzhooks.policy.layout import VE_SETS, layout

A, B, A6 = "192.168.18.101", "192.168.18.105", "fd00:18::101"
VE101, VE105 = Ve("101", (A,), "eth3"), Ve("105", (B,))
WEB0, DOCKER = nic("web0", 9, kind="veth"), nic("docker0", 8, "172.17.0.1/16", kind="bridge")
BARE = replace(ETH3, addresses=())


def names(found, kind):
    return {v[0] for v in elements(found, kind)}


def test_a_device_of_a_ve_with_uplink_is_held_to_its_exit():
    found = wanted(Ve("101", (A,), "eth3", ("web0", "web1")), VE105, known=facts(*NICS, WEB0))
    assert elements(found, "held") == [("web0",), ("web1",)]
    assert elements(found, "ways") == [("web0", "eth3"), ("web1", "eth3")]
    assert {"web0", "web1", "venet0"} == names(found, "veside")


@pytest.mark.parametrize("uplink, ini", [("eth9", ""), ("", "[node]\nunassigned=block\n")])
def test_a_device_of_a_ve_that_is_cut_off_is_held_and_has_no_way(uplink, ini):
    found = wanted(Ve("101", (A,), uplink, ("web0",)), ini=ini, known=facts(*NICS, WEB0))
    assert (elements(found, "held"), elements(found, "ways")) == ([("web0",)], [])
    assert elements(found, "known4") == [(A, "assigned_here4")] and elements(found, "exits4") == []


def test_a_device_of_a_ve_without_uplink_is_not_held():
    found = wanted(VE101, Ve("105", (B,), "", ("web0",)), known=facts(*NICS, WEB0))
    assert elements(found, "held") == [] and "web0" in names(found, "veside") and "web0" in names(found, "near")


@pytest.mark.parametrize("uplink, ini, strict, devices", [
    ("", "", True, [("web0",), ("web1",)]), ("", "", False, []), ("eth3", "", True, []), ("eth9", "", True, []),
    ("", "[node]\nunassigned=block\n", True, [])])
def test_a_strict_filter_of_old_holds_devices_of_ves_without_uplink_alone(uplink, ini, strict, devices):
    """Those with one are held to their addresses and exits anyway; venet0 is nobody's own."""
    ve = Ve("105", (B,), uplink, ("web0", "web1"))
    found = wanted(VE101, ve, ini=ini, known=facts(*NICS, WEB0), strict=strict)
    assert elements(found, "strict") == devices


def test_a_strictly_held_device_has_the_addresses_of_its_ve():
    found = wanted(VE101, Ve("105", (B,), "", ("web0",)), known=facts(*NICS, WEB0), strict=True)
    assert (B, "web0") in elements(found, "homes4")


@pytest.mark.parametrize("ini, near", [
    ("", {"lo", "venet0", "docker0", "tap0", "lxd7"}), ("[node]\ninside=wg0\n", {"lo", "venet0", "wg0"}),
    ("[node]\nreserved=docker0\ninside=docker0\n", {"lo", "venet0"})])
def test_guests_of_the_node_are_near_and_nothing_else(ini, near):
    more = (DOCKER, nic("tap0", 20, kind="tun", tap=True), nic("lxd7", 21, kind="veth"),
            nic("wg0", 22, kind="wireguard"), nic("vx0", 23, kind="vxlan"), nic("tun0", 24, kind="tun"))
    main = [Route(4, MAIN, f"10.{n.index}.0.0/16", n.name) for n in more]
    assert names(wanted(VE101, ini=ini, known=facts(*NICS, *more, main=main)), "near") == near


def test_what_leads_off_the_node_is_lan_and_so_is_what_is_not_there_yet():
    known = facts(*NICS, nic("br0", 20, "10.0.0.1/24", kind="bridge", members=("eth9",)), nic("eth9", 21, master="br0"))
    assert names(wanted(VE101, known=known), "lan") == {"eth0", "eth3", "eth4", "br0"}
    ini = "[node]\nreserved=eth8\n[uplink:isp1]\ndevice=eth7\n"
    found = wanted(Ve("101", (A,), "isp1"), ini=ini)
    assert names(found, "lan") == names(found, "arp:lan") == {"eth0", "eth3", "eth4", "eth7", "eth8"}


def test_frames_that_a_bridge_carries_are_told_by_the_bridge_itself():
    known = facts(*NICS, DOCKER, nic("venet1", 20, kind="bridge"))
    assert elements(wanted(VE101, known=known), "bridged") == [("docker0", "docker0")]


def test_what_a_lan_s_bridge_routes_itself_is_told_by_its_own_address():
    """Not by that of guests' bridges, which changes with each guest."""
    mac = "00:0c:29:b3:a2:68"
    bridge = replace(nic("br0", 20, "10.0.0.1/24", kind="bridge", members=("eth9",)), mac=mac)
    known = facts(*NICS, bridge, nic("eth9", 21, master="br0"), replace(DOCKER, mac="02:42:00:00:00:01"),
                  replace(nic("eth5", 22), mac="00:0c:29:b3:a2:69"), nic("eth8", 24, master="br1"),
                  nic("br1", 23, "10.0.1.1/24", kind="bridge", members=("eth8",)))
    assert elements(wanted(VE101, known=known), "macs") == [("br0", mac)]


@pytest.mark.parametrize("devices, main, homes", [
    ((), {A: "venet0"}, [(A, "venet0")]),
    (("web0",), {A: "web0"}, [(A, "web0")]),
    (("web0", "web1"), {A: "web1"}, [(A, "web0"), (A, "web1")]),
    ((), {}, []), ((), {A: "eth0"}, [])])
def test_a_routed_address_comes_in_by_its_route_s_device_and_by_others_of_its_ve(devices, main, homes):
    known = facts(*NICS, WEB0, nic("web1", 10, kind="veth"),
                  main=[Route(4, MAIN, host_prefix(a), d) for a, d in main.items()])
    found = wanted(Ve("101", (A,), "eth3", devices), known=known)
    assert elements(found, "homes4") == homes
    assert elements(found, "known4") == [(A, "assigned_here4" if homes else "assigned4")]
    assert elements(found, "paths4") == [(*home, "eth3") for home in homes]


@pytest.mark.parametrize("shared, homes", [(True, [(A, "venet0")]), (False, [])])
def test_before_it_has_a_route_an_address_comes_in_by_the_device_that_all_share(shared, homes):
    found = wanted(Ve("101", ("192.168.18.10", A), "eth3"), known=replace(facts(), shared=shared))
    assert elements(found, "homes4") == homes
    assert elements(found, "paths4") == [(*home, "eth3") for home in homes]
    blocked = wanted(Ve("101", (A,), "eth9"), known=replace(facts(), shared=shared))
    assert (elements(blocked, "homes4"), elements(blocked, "paths4")) == (homes, [])


def test_all_addresses_that_are_known_or_routed_to_ves_are_known_to_the_guard():
    found = wanted(VE101, VE105, known=facts(local=["192.168.18.109", A6]))
    assert elements(found, "known4") == [(A, "assigned4"), (B, "unassigned4"), ("192.168.18.109", "unassigned_here4")]
    assert elements(found, "known6") == [(A6, "unassigned_here6")]


def test_an_address_of_the_node_itself_is_never_in_it():
    found = wanted(Ve("101", ("192.168.18.10", A), "eth3"))
    assert not [i for i in found.items if isinstance(i, Element) and "192.168.18.10" in i.value]


def test_questions_from_the_lan_are_answered_on_the_exit_alone():
    found = wanted(Ve("101", (A, A6), "eth3"), Ve("102", ("192.168.18.102",), "eth9"), VE105)
    assert (elements(found, "arp:asked4"), elements(found, "asked6")) == ([(A,), ("192.168.18.102",)], [(A6,)])
    assert (elements(found, "arp:answers4"), elements(found, "answers6")) == ([(A, "eth3")], [(A6, "eth3")])


@pytest.mark.parametrize("ves, local, nic3, askers", [
    ((VE101,), [A], ETH3, []),
    ((VE101,), [A], BARE, [("eth3", A)]),
    ((VE101,), [], BARE, [("eth3", "0.0.0.0")]),
    ((VE101, Ve("102", ("192.168.18.100",), "eth3")), [A, "192.168.18.100"], BARE, [("eth3", "192.168.18.100")]),
    ((Ve("101", (A6,), "eth3"),), [A6], BARE, [("eth3", "0.0.0.0")]),
    ((VE101,), [A], replace(ETH3, addresses=("fd00:18::11/64",)), [("eth3", A)]),
    ((VE105,), [B], BARE, []),
    ((Ve("101", (A,), "eth9"),), [A], BARE, [])])
def test_an_uplink_without_an_address_asks_in_the_name_of_a_ve_of_it_or_in_nobody_s(ves, local, nic3, askers):
    """Else the kernel takes another NIC's address, the reserved one's above all."""
    ini = "[uplink:eth3]\n"
    found = wanted(*ves, ini=ini, known=facts(LO, ETH0, nic3, VENET0, local=local), keep=True)
    assert elements(found, "arp:askers") == askers


@pytest.mark.parametrize("hardened, more, askers", [
    (False, (), [("eth3", A)]),
    (True, (replace(ETH0, name="vip0", index=77, kind="bridge", addresses=("192.168.18.51/32",)),), [("eth3", A)]),
    (False, (replace(ETH0, addresses=("10.9.0.1/24",)),), [])], ids=["not_hardened", "hindered", "a_lan_of_its_own"])
def test_where_arp_is_not_hardened_an_uplink_of_a_shared_lan_asks_in_the_name_of_a_ve_of_it(hardened, more, askers):
    nics = {n.name: n for n in (LO, ETH0, ETH3, VENET0, *more)}
    found = wanted(VE101, known=facts(*nics.values(), local=[A]), keep=hardened)
    assert elements(found, "arp:askers") == askers


def test_every_set_that_is_filled_is_one_of_the_guard_s():
    found = wanted(Ve("101", (A, A6), "eth3", ("web0",)), VE105, ini="[node]\nreserved=eth0\n",
                   known=facts(LO, ETH0, BARE, VENET0, WEB0, DOCKER, local=[A, A6]))
    used = {i.set for i in found.items if isinstance(i, Element)}
    sets = layout().sets
    assert used == set(sets) - {"closed", "strict", "macs"}
    assert {s for s in used if s in VE_SETS} == set(VE_SETS) & set(sets)
