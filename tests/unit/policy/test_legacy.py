"""What rules of an older script amount to is told as sections, UPLINK lines and rules to drop, or as why not."""

from dataclasses import replace

import pytest

from tests.unit.example import ETH0, ETH3, ETH4, LO, VENET0, facts, nic
from vzhooks.addresses import family_of, host_prefix
from vzhooks.config.settings import parse
from vzhooks.config.vzconf import VeConfig
from vzhooks.model import Lookup, Route
from vzhooks.policy.foreign import Other
from vzhooks.policy.legacy import Seen, looked_up, plan

GW, GW6, ONE, ONE6, TWO = "192.168.18.1", "fd00:18::1", "192.168.18.101", "fd00:18::101", "192.168.18.102"
TUN = nic("tun0", 9, kind="tun", pointopoint=True)


def rule(src, table, priority=32765, **more):
    src = src if "/" in src else host_prefix(src)
    return Other(family_of(src), priority, f"lookup {table}", table, src, **{"protocol": 3, **more})


def default(table, dev, gateway=GW, **more):
    return Route(family_of(gateway or "0.0.0.0"), table, "default", dev, gateway, **more)


TABLES = {
    3: (default(3, "eth3"), default(3, "eth3", GW6)), 4: (default(4, "eth4"),), 5: (default(5, "eth3", ""),),
    6: (default(6, "tun0", ""),), 7: (), 8: (default(8, "venet0"),), 9: (default(9, "eth3"), default(9, "eth4")),
    10: (default(10, "eth3"), Route(4, 10, "10.8.0.0/16", "eth0", GW)), 30: (default(30, "eth3", "10.0.0.1"),)}


def seen(rules, ini="", uplink="", live=None, lookups=None):
    live = live if live is not None else {"101": (ONE, ONE6), "102": (TWO,)}
    known = facts(LO, ETH0, ETH3, ETH4, VENET0, TUN, local=[a for x in live.values() for a in x], others=rules)
    configs = {c: VeConfig(c, a, uplink if c == "101" else "") for c, a in live.items()}
    return Seen(parse(ini), known, configs, live, TABLES, lookups or {})


def test_rules_of_one_ve_become_an_uplink():
    rules = [rule(ONE, 3), rule(ONE6, 3), rule(TWO, 4, protocol=4)]
    found = plan(seen(rules))
    assert [str(s) for s in found.sections] == [
        f"[uplink:eth3]\ndevice = eth3\ngateway = {GW}\ngateway6 = {GW6}\n",
        f"[uplink:eth4]\ndevice = eth4\ngateway = {GW}\n"]
    assert found.uplinks == {"101": "eth3", "102": "eth4"}
    assert set(found.drop) == set(rules) and found.notes == ()
    assert looked_up(seen(rules).facts) == [3, 4]


def test_the_same_rule_made_at_each_start_is_dropped_as_often():
    rules = [rule(ONE, 3, p) for p in (32765, 32764, 32763)] + [rule(ONE6, 3)]
    assert set(plan(seen(rules)).drop) == set(rules)


def test_two_gateways_of_one_nic_are_two_uplinks():
    found = plan(seen([rule(ONE, 3), rule(ONE6, 3), rule(TWO, 30)]))
    assert [s.name for s in found.sections] == ["eth3", "eth3-2"] and found.uplinks == {"101": "eth3", "102": "eth3-2"}


def test_ves_that_know_one_family_each_share_an_uplink():
    found = plan(seen([rule(ONE6, 3), rule(TWO, 3)]))
    assert [s.gateways for s in found.sections] == [{4: GW, 6: GW6}]
    assert found.notes == (f"VE 101: {ONE} goes by main today, and by eth3 then",)


@pytest.mark.parametrize("ini, name, new", [
    (f"[uplink:isp1]\ndevice = eth3\ngateway = {GW}\n", "isp1", 0), ("[uplink:isp1]\ndevice = eth3\n", "isp1", 0),
    ("[uplink:isp1]\ndevice = eth3\ngateway = 10.0.0.1\n", "eth3", 1), ("[uplink:eth3]\ndevice = eth4\n", "eth3-2", 1),
])
def test_an_uplink_of_the_ini_is_taken_where_it_is_the_same(ini, name, new):
    found = plan(seen([rule(ONE, 3), rule(ONE6, 3)], ini))
    assert found.uplinks == {"101": name} and len(found.sections) == new


def test_names_of_nics_that_serve_are_declared_with_the_first_section():
    found = plan(seen([rule(TWO, 3)], uplink="eth4"))
    assert [s.name for s in found.sections] == ["eth3", "eth4"]
    assert str(found.sections[1]) == "[uplink:eth4]\ndevice = eth4\n"


def test_a_ve_that_has_the_uplink_already_only_loses_its_rules():
    found = plan(seen([rule(ONE, 3)], "[uplink:isp1]\ndevice = eth3\n", uplink="isp1"))
    assert found.uplinks == {} and len(found.drop) == 1 and found.sections == ()


@pytest.mark.parametrize("rules, why", [
    ([rule(ONE, 3), rule(ONE6, 7)], ""), ([rule(ONE, 7)], "has a default route"),
    ([rule(ONE, 4), rule(ONE6, 3)], "by eth4 and eth3, whose networks do not tell them apart"),
    ([rule(ONE, 5)], "names no gateway"),
    ([rule(ONE, 8)], "venet0, which does not lead off"), ([rule(ONE, 9)], "several hops"),
    ([rule(ONE, 254)], "is no plain"), ([rule(ONE, 3, dst="10.0.0.0/8")], "is no plain"),
    ([rule(ONE, 3, mark=(1, 1))], "is no plain"), ([rule(ONE, 3, inverted=True)], "is no plain"),
    ([rule(ONE, 3, suppress=0)], "is no plain"),
    ([replace(rule(ONE, 3), table=0, action="blackhole")], "is no plain"),
])
def test_what_cannot_be_said_as_an_uplink_is_left_with_the_reason(rules, why):
    found = plan(seen(rules))
    assert found.empty == bool(why)
    assert all("VE 101 is left as it is: " in n and why in n for n in found.notes) if why else "101" in found.uplinks


def test_a_ve_with_addresses_of_two_providers_has_both():
    """Where the networks of the NICs tell its addresses apart."""
    far = nic("eth5", 8, "10.5.0.2/24")
    tables = {**TABLES, 50: (default(50, "eth5", "10.5.0.1"),)}
    rules = [rule(TWO, 3), rule("10.5.0.102", 50)]
    known = facts(LO, ETH0, ETH3, ETH4, VENET0, far, local=[TWO, "10.5.0.102"], others=rules)
    live = {"102": ("10.5.0.102", TWO)}
    found = plan(Seen(parse(""), known, {"102": VeConfig("102", live["102"])}, live, tables))
    assert found.uplinks == {"102": "eth5,eth3"} and [s.name for s in found.sections] == ["eth5", "eth3"]
    assert set(found.drop) == set(rules) and found.notes == ()
    ini = parse("".join(map(str, found.sections)))
    twice = Seen(ini, known, {"102": VeConfig("102", live["102"], "eth3,eth5")}, live, tables)
    assert (plan(twice).uplinks, plan(twice).sections) == ({}, ())


def test_a_point_to_point_device_needs_no_gateway():
    found = plan(seen([rule(TWO, 6)]))
    assert str(found.sections[0]) == "[uplink:tun0]\ndevice = tun0\ngateway = none\n"


def test_the_first_rule_with_a_default_route_counts_and_the_kernel_s_word_does():
    rules = [rule(TWO, 7, 100), rule(TWO, 3, 200), rule(TWO, 4, 300)]
    assert plan(seen(rules)).uplinks == {"102": "eth3"}
    found = plan(seen(rules, lookups={TWO: Lookup(4, "eth4")}))
    assert found.empty and f"the kernel sends {TWO} by eth4" in found.notes[0]
    assert not plan(seen(rules, lookups={TWO: Lookup(3, "eth3"), ONE: Lookup(error="unreachable")})).empty


def test_a_rule_for_a_network_tells_the_way_and_stays():
    net = rule("192.168.18.96/28", 3)
    found = plan(seen([net, rule(TWO, 3, 900)], live={"102": (TWO,)}))
    assert found.uplinks == {"102": "eth3"} and [o.priority for o in found.drop] == [900]
    assert f"`ip rule del {net.named}`" in found.notes[0]


def test_other_routes_of_the_table_are_said():
    assert plan(seen([rule(TWO, 10)])).notes == (
        "VE 102: table 10 also leads to 10.8.0.0/16 by eth0, an uplink does not",)


def test_a_config_that_says_otherwise_and_a_stopped_ve_are_said():
    found = plan(seen([rule(ONE, 3)], "[uplink:isp2]\ndevice = eth4\n", uplink="isp2"))
    assert found.empty and 'its config says UPLINK="isp2", and its rules lead by eth3' in found.notes[0]
    stopped = replace(seen([rule(ONE, 3)]), live={})
    assert plan(stopped).empty and "VE 101 does not run" in plan(stopped).notes[0]


def test_rules_of_the_node_and_of_strangers_are_none_of_it():
    assert plan(seen([rule("192.168.18.10", 4), rule("10.9.9.9", 3), Other(4, 10, "lookup 3", 3, iif="eth0")])) == plan(
        seen([]))
