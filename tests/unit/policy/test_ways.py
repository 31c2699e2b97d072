"""Each address of a VE has one way: by the first uplink named that has its network, or as by-address says."""

from dataclasses import replace

import pytest

from tests.unit.example import ETH0, ETH3, LO, VENET0, elements, facts, known_by, nic, rules, table_of, wanted
from vzhooks.config.settings import parse
from vzhooks.model import Element, Uplink, Ve
from vzhooks.policy import priorities, sources
from vzhooks.policy.consequences import moves
from vzhooks.policy.facts import in_this_node
from vzhooks.policy.records import RUNNING, Record
from vzhooks.policy.tables import uplink_key
from vzhooks.policy.uplinks import Way, every, ways_of

A, A6, B, B6, C = "192.168.18.101", "fd00:18::101", "192.168.20.101", "fd00:20::101", "10.9.0.101"
ETH3_6 = replace(ETH3, addresses=("192.168.18.11/24", "fd00:18::11/64"))
ETH4_B = nic("eth4", 4, "192.168.20.12/24", "fd00:20::12/64")
WEB0 = nic("web0", 9, kind="veth")
TWO = facts(LO, ETH0, ETH3_6, ETH4_B, VENET0)
INI = "[uplink:isp1]\ndevice=eth3\n[uplink:isp2]\ndevice=eth4\n"
BY_ADDRESS = f"[node]\nunassigned=by-address\n{INI}"
ALL = (A, B, A6, B6, C)


def found(uplink, *addresses, ini=INI, known=TWO, seen=None):
    """Return the ways of a VE as (uplink, state, addresses)."""
    ve = Ve("101", addresses, uplink)
    facts = known_by(parse(ini), known, [ve])
    settings = replace(in_this_node(parse(ini), facts.nics), seen=seen or {})
    return [(w.name, w.state, w.ve.addresses) for w in ways_of(ve, settings, facts.nics)]


@pytest.mark.parametrize("uplink, ways", [
    ("isp1,isp2", [("isp1", "ok", (A, A6, C)), ("isp2", "ok", (B, B6))]),
    ("isp2,isp1", [("isp2", "ok", (B, B6, C)), ("isp1", "ok", (A, A6))]),
    ("isp1", [("isp1", "ok", ALL)]),
    ("isp1,isp1", [("isp1", "ok", ALL)]),
])
def test_each_address_goes_by_the_first_uplink_that_has_its_network_else_by_the_first(uplink, ways):
    assert found(uplink, *ALL) == ways
    assert found(uplink.replace("isp1", "eth3").replace("isp2", "eth4"), *ALL, ini="") == [
        (n.replace("isp1", "eth3").replace("isp2", "eth4"), *rest) for n, *rest in ways]


def test_what_the_ini_names_counts_for_its_family_alone():
    ini = INI.replace("eth3\n", "eth3\nsources=10.0.0.0/8\n")
    assert found("isp2,isp1", *ALL, ini=ini) == [("isp2", "ok", (A, B, B6)), ("isp1", "ok", (A6, C))]


def test_the_first_counts_and_not_the_longest():
    ini = "[uplink:isp1]\ndevice=eth3\nsources=192.168.0.0/16\n[uplink:isp2]\ndevice=eth4\n"
    assert found("isp1,isp2", B, ini=ini) == [("isp1", "ok", (B,))]


def test_a_ve_without_address_has_a_way_for_its_device():
    assert found("isp2,isp1") == [("isp2", "ok", ())] and found("", ini=BY_ADDRESS) == [("", "unassigned", ())]


@pytest.mark.parametrize("uplink", ["isp1,isp9", "isp9,isp1", "isp1,none", "isp1 $(x)", "isp1,eth0", ","])
def test_one_name_that_cannot_be_cuts_the_whole_ve_off(uplink):
    assert [(state, addresses) for _, state, addresses in found(uplink, *ALL)] == [("blocked", ALL)]
    known = facts(LO, ETH0, ETH3_6, ETH4_B, VENET0)
    result = wanted(Ve("101", (A, B), uplink), ini=INI, known=known)
    assert [p.refuses for p in result.problems] == [True] and not elements(result, "exits4")


DOWN = replace(ETH4_B, up=False, addresses=("192.168.20.12/24",))
SEEN = {"eth3": ("192.168.18.0/24", "fd00:18::/64"), "eth4": ("192.168.20.0/24", "fd00:20::/64")}


@pytest.mark.parametrize("nics", [(LO, ETH0, ETH3_6, DOWN), (LO, ETH0, ETH3_6)])
def test_an_address_stays_with_an_uplink_that_is_down_or_away(nics):
    """The kernel takes IPv6 addresses from a link that goes down, and a NIC late at boot has none at all."""
    known = facts(*nics)
    by_name = found("isp1,isp2", *ALL, known=known, seen=SEEN)
    assert by_name == [("isp1", "ok", (A, A6, C)), ("isp2", "blocked", (B, B6))]
    by_address = found("", *ALL, ini=BY_ADDRESS, known=known, seen=SEEN)
    assert by_address == [("isp1", "ok", (A, A6)), ("isp2", "blocked", (B, B6)), ("", "unassigned", (C,))]


def test_a_network_that_went_to_another_nic_is_that_one_s():
    now = facts(LO, ETH0, replace(ETH3_6, addresses=("10.3.0.1/24",)), ETH4_B)
    seen = {"eth3": ("10.3.0.0/24", "192.168.20.0/24", "fd00:20::/64")}
    assert found("isp1,isp2", B, known=now, seen=seen) == [("isp2", "ok", (B,))]


def test_networks_are_remembered_once_each_and_not_without_end():
    settings = replace(parse(""), seen={"eth4": ("10.1.0.0/24", "192.168.20.0/24"), "eth9": ("10.2.0.0/24",)})
    assert sources.remembered(settings, TWO.nics) == {
        "eth0": ("192.168.18.0/24",), **SEEN, "eth4": ("192.168.20.0/24", "fd00:20::/64", "10.1.0.0/24"),
        "eth9": ("10.2.0.0/24",)}
    many = replace(settings, seen={"eth4": tuple(f"10.{n}.0.0/24" for n in range(99))})
    assert len(sources.remembered(many, TWO.nics)["eth4"]) == sources.MOST


def test_the_backup_serves_the_addresses_of_its_uplink():
    ini = INI.replace("device=eth4\n", "device=eth4\nbackup=isp1\n")
    known = facts(LO, ETH0, ETH3_6, replace(ETH4_B, carrier=False))
    assert found("isp1,isp2", A, B, ini=ini, known=known) == [("isp1", "ok", (A,)), ("isp2", "backup", (B,))]
    assert elements(wanted(Ve("101", (A, B), "isp1,isp2"), ini=ini, known=known), "exits4") == [
        (A, "eth3"), (B, "eth3")]


def test_by_address_takes_the_longest_network_and_leaves_the_rest_to_main():
    ini = BY_ADDRESS.replace("device=eth3\n", "device=eth3\nsources=192.168.0.0/16 10.9.0.101\n")
    assert found("", A, B, C, "10.9.0.102", ini=ini) == [
        ("isp1", "ok", (A, C)), ("isp2", "ok", (B,)), ("", "unassigned", ("10.9.0.102",))]
    assert found("isp1", B, ini=ini) == [("isp1", "ok", (B,))]


def test_by_address_without_an_ini_of_uplinks_goes_by_the_nics():
    known = facts(LO, nic("eth0", 2, "10.0.0.1/24"), ETH3_6, ETH4_B)
    ini = "[node]\nunassigned=by-address\nreserved=eth0\n"
    ways = [("eth3", "ok", (A,)), ("eth4", "ok", (B,)), ("", "unassigned", (C,))]
    assert found("", A, B, C, ini=ini, known=known) == ways
    gone = facts(*(n for n in known.nics.values() if n.name != "eth4"))
    assert found("", A, B, C, ini=ini, known=gone, seen=SEEN) == [ways[0], ("eth4", "blocked", (B,)), ways[2]]
    renamed = facts(*gone.nics.values(), replace(ETH4_B, name="wan1"))
    assert found("", A, B, C, ini=ini, known=renamed, seen=SEEN)[1] == ("wan1", "ok", (B,))


@pytest.mark.parametrize("more, told", [
    ("", ["isp1 and isp3 both claim 192.168.18.0/24", "isp1 and isp3 both claim fd00:18::/64"]),
    ("sources=192.168.18.0/24 fd00:18::/64\n", []), ("sources=192.168.18.0/25 fd00:18::/65\n", []),
])
def test_two_uplinks_of_one_network_are_told_under_by_address_alone(more, told):
    ini = f"{BY_ADDRESS}[uplink:isp3]\ndevice=eth3\n{more}"
    settings = parse(ini)
    said = [p.text for p in sources.doubled(every(settings, TWO.nics), settings, TWO.nics)]
    assert len(said) == len(told) and all(t in s for t, s in zip(told, said))
    settings = parse(ini.replace("by-address", "main"))
    assert sources.doubled(every(settings, TWO.nics), settings, TWO.nics) == []


def test_rules_and_guard_hold_each_address_by_itself():
    ve = Ve("101", (A, B, A6, B6), "isp1,isp2")
    result = wanted(ve, ini=INI, known=TWO)
    one, two = (table_of(uplink_key(n), ve, ini=INI, known=TWO) for n in ("isp1", "isp2"))
    assert rules(result, priorities.FROM_VE) == [
        f"from {A}/32 lookup {one}", f"from {B}/32 lookup {two}", f"from {A6}/128 lookup {one}",
        f"from {B6}/128 lookup {two}"]
    assert elements(result, "exits4") == elements(result, "arp:answers4") == [(A, "eth3"), (B, "eth4")]
    assert elements(result, "exits6") == elements(result, "answers6") == [(A6, "eth3"), (B6, "eth4")]


def of_device(ve, ini=INI):
    result = wanted(ve, ini=ini, known=facts(LO, ETH0, ETH3_6, ETH4_B, WEB0))
    devices = [r for r in rules(result, priorities.FROM_DEVICE) if "web0" in r]
    return [r.partition("web0 ")[2] for r in devices[:1]], elements(result, "ways")


@pytest.mark.parametrize("uplink, addresses, ini, rule, ways", [
    ("isp1", (A, B), INI, "lookup", [("web0", "eth3")]),
    ("isp1,isp2", (A, B), INI, "unreachable", [("web0", "eth3"), ("web0", "eth4")]),
    ("isp1,isp2", (A,), INI, "unreachable", [("web0", "eth3")]),
    ("", (A, B), BY_ADDRESS, "unreachable", [("web0", "eth3"), ("web0", "eth4")]),
    ("", (A, C), BY_ADDRESS, None, []),
])
def test_a_foreign_source_of_a_device_goes_by_an_uplink_that_is_its_only_one(uplink, addresses, ini, rule, ways):
    text, held = of_device(Ve("101", addresses, uplink, ("web0",)), ini)
    assert (text[0].split()[0] if text else None, held) == (rule, ways)


def test_what_moves_is_said_with_its_addresses_where_others_stay():
    one, both = (wanted(Ve("101", (A, B), name), ini=INI, known=TWO) for name in ("isp1", "isp1,isp2"))
    record = {"101": Record(RUNNING, 1.0, addresses=(A, B))}
    assert [str(m) for m in moves(both.ways, one.items, record, TWO.nics)] == [f"VE 101: {B}: eth3 -> eth4"]
    assert [str(m) for m in moves(one.ways, both.items, record, TWO.nics)] == [f"VE 101: {B}: eth4 -> eth3"]
    swapped = tuple(Way(replace(w.ve, addresses=(A,) if w.name == "isp2" else (B,)), "ok", w.uplink) for w in both.ways)
    assert sorted(str(m) for m in moves(swapped, both.items, record, TWO.nics)) == [
        f"VE 101: {A}: eth3 -> eth4", f"VE 101: {B}: eth4 -> eth3"]


def test_an_address_that_a_cut_off_ve_gets_moves_by_nothing():
    """A careful run must not take it for one that loses its way."""
    blocked = (Way(Ve("101", (A, B), "isp9"), "blocked"),)
    record = {"101": Record(RUNNING, 1.0, addresses=(A,))}
    before = frozenset({*wanted(Ve("101", (A,), "isp9"), ini=INI, known=TWO).items})
    assert Element("known4", (A, "assigned4")) in before and list(moves(blocked, before, record, TWO.nics)) == []


def test_the_uplinks_of_the_node_are_those_that_ves_can_have():
    settings = parse(f"[node]\nreserved=eth0\n{INI}[uplink:lost]\ndevice=lo\n")
    assert every(settings, TWO.nics) == (Uplink("isp1", "eth3"), Uplink("isp2", "eth4"))
