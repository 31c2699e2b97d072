"""The node's own addresses are replied from by their own NIC, and nothing is stolen from main or from others."""

from dataclasses import replace

import pytest

from tests.unit.example import ETH0, ETH3, ETH4, LO, NICS, VENET0, facts, nic, routes, rules, table_of, wanted
from vzhooks.model import MAIN, Gateway, Route, Ve
from vzhooks.policy.foreign import Other
from vzhooks.policy.priorities import OWN_DEFAULT, OWN_LAN, OWN_MAIN, OWN_SPECIFIC
from vzhooks.policy.tables import own_key

VE101 = Ve("101", ("192.168.18.101",), "eth3")


def of(address, known=None, ini=""):
    """Return the rules from one of the node's addresses."""
    return [r for r in rules(wanted(VE101, ini=ini, known=known, keep=True)) if r.startswith(f"from {address}/")]


def table(name, known=None, ini=""):
    return routes(wanted(VE101, ini=ini, known=known, keep=True), table_of(own_key(name), VE101, ini=ini, known=known))


def lan_only(address, number, net="192.168.18.0/24", length=24):
    host = f"{address}/{128 if ':' in address else 32}"
    return [f"from {host} to {net} lookup main suppress_prefixlength {length}", f"from {host} to {net} lookup {number}"]


def test_the_nic_of_main_s_best_default_needs_none_of_its_own():
    """Main's follows when its gateway changes."""
    assert of("192.168.18.10") == lan_only("192.168.18.10", table_of(own_key("eth0"), VE101))
    assert table("eth0") == ["192.168.18.0/24 dev eth0"]
    assert len(of("192.168.18.11")) == 4


def test_a_default_a_nic_with_metrics_leaves_each_address_its_own_gateway():
    known = facts(gateways=(), main=[Route(4, MAIN, "default", f"eth{n}", f"192.168.18.{g}", m)
                                     for n, g, m in ((0, 1, 300), (3, 2, 100), (4, 3, 200))])
    assert table("eth3", known) == ["192.168.18.0/24 dev eth3"]
    assert table("eth4", known) == ["192.168.18.0/24 dev eth4", "default via 192.168.18.3 dev eth4 metric 200 onlink"]
    assert "default via 192.168.18.1 dev eth0 metric 300 onlink" in table("eth0", known)
    assert (len(of("192.168.18.10", known)), len(of("192.168.18.11", known)), len(of("192.168.18.12", known))) == (
        4, 2, 4)


def test_its_rules_for_all_destinations_stand_behind_those_of_others():
    found = wanted(VE101, keep=True)
    mine = {p: [r for r in rules(found, p) if "192.168.18.11/32" in r] for p in (
        OWN_SPECIFIC, OWN_LAN, OWN_MAIN, OWN_DEFAULT)}
    assert [len(m) for m in mine.values()] == [1] * 4
    assert all(" to " in r for p in (OWN_SPECIFIC, OWN_LAN) for r in mine[p])


@pytest.mark.parametrize("other, left", [
    ({"src": "192.168.18.11/32"}, True), ({"src": "192.168.18.0/24"}, True), ({"src": "192.168.18.12/32"}, False),
    ({"dst": "192.168.18.11/32"}, False), ({}, False), ({"src": "192.168.18.11/32", "protocol": 2}, False),
    ({"family": 6, "src": "fd00::/8"}, False), ({"src": "192.168.18.11/32", "priority": 100}, True)])
def test_an_address_that_another_s_rule_names_as_a_source_is_left_to_it_and_told(other, left):
    rule = Other(**{"family": 4, "priority": 32000, "action": "lookup 200", "table": 200, **other})
    known = facts(others=[rule])
    found = wanted(VE101, known=known, keep=True)
    assert len(of("192.168.18.11", known)) == (0 if left else 4)
    told = [r for r in found.remarks if "192.168.18.11 " in r]
    assert told == ([f"replies of 192.168.18.11 are left to another's rule: {rule.named}"] if left else [])
    assert found.problems == ()


def test_nothing_is_told_while_vzhooks_has_nothing_to_do():
    rule = Other(4, 32000, "lookup 200", 200, src="192.168.18.11/32")
    assert wanted(known=facts(others=[rule])).remarks == ()
    assert not [r for r in rules(wanted(VE101)) if "from 192.168.18.1" in r and "18.101" not in r]  # not hardened


def test_ipv6_addresses_are_replied_from_likewise():
    eth3 = replace(ETH3, addresses=("192.168.18.11/24", "fd00:18::11/64"))
    known = facts(LO, ETH0, eth3, VENET0, gateways=(Gateway("192.168.18.1", "eth0"), Gateway("fd00:18::1", "eth0")))
    number = table_of(own_key("eth3"), VE101, known=known)
    assert of("fd00:18::11", known) == [
        *lan_only("fd00:18::11", number, "fd00:18::/64", 64),
        "from fd00:18::11/128 lookup main suppress_prefixlength 0", f"from fd00:18::11/128 lookup {number}"]
    assert "default via fd00:18::1 dev eth3 metric 1024" in table("eth3", known)


@pytest.mark.parametrize("device", [
    nic("web0", 9, "10.1.0.1/30", kind="veth"), nic("docker0", 9, "172.17.0.1/16", kind="bridge"),
    nic("wg0", 9, "10.66.0.2/24", kind="wireguard"), nic("d0", 9, "192.168.18.50/32", kind="dummy"),
    nic("vip0", 9, "192.168.18.50/24", kind="bridge"), nic("lo", 1, "192.168.18.50/32", loopback=True)])
def test_only_what_leads_off_the_node_has_rules_of_its_own(device):
    known = facts(*(n for n in NICS if n.name != device.name), device)
    assert not [r for r in rules(wanted(VE101, known=known, keep=True)) if f"from {device.owns[0]}/" in r]


def test_static_networks_of_the_nic_are_not_taken_from_main():
    """Where main has a more specific way, main wins: only connected networks need a rule."""
    known = facts(main=[Route(4, MAIN, "10.8.0.0/16", "eth3", "192.168.18.7")])
    assert not [r for r in of("192.168.18.11", known) if "10.8.0.0" in r]
    assert not [r for r in table("eth3", known) if "10.8.0.0" in r]


def test_an_uplink_s_gateway_is_its_nic_s():
    ini = "[uplink:eth3]\ngateway=192.168.18.9\n"
    assert "default via 192.168.18.9 dev eth3 onlink" in table("eth3", ini=ini)


def test_its_own_network_by_a_router_is_none_that_it_is_on():
    main = [Route(4, MAIN, "192.168.18.0/24", "eth3", "192.168.18.7", 50)]
    assert [r for r in table("eth3", facts(LO, *NICS[1:], main=main)) if "192.168.18.7" in r] == []


def test_a_nic_that_is_down_has_no_rules():
    known = facts(LO, ETH0, replace(ETH3, up=False), ETH4, VENET0)
    assert of("192.168.18.11", known) == [] and len(of("192.168.18.12", known)) == 4


def test_a_nic_without_addresses_has_no_table_of_its_own():
    bare = facts(LO, ETH0, replace(ETH3, addresses=()), ETH4, VENET0,
                 main=[Route(4, MAIN, "default", "eth3", "192.168.18.1", 50)])
    assert table("eth3", bare) == []


def test_a_network_that_is_none_of_the_nic_s_own_has_no_rule():
    known = facts(main=[Route(4, MAIN, "10.0.0.0/8", "eth4")])
    assert [r for r in of("192.168.18.12", known) if "10.0.0.0" in r] == []
