"""A packet's way through rules and tables, as the kernel finds it (ip-rule(8), ip-route(8))."""

import pytest

from vzhooks.model import MAIN, Lookup, Route, Rule
from vzhooks.policy.foreign import Other
from vzhooks.policy.walk import LOCAL, agree, as_other, walk

VE, FAR, OWN = "192.168.18.101", "203.0.113.9", "192.168.18.10"
BY3 = Lookup(7, "eth3", "192.168.18.1")
BY0 = Lookup(MAIN, "eth0", "192.168.18.1")
NOWHERE = Lookup(error="unreachable")
TABLES = {
    7: (Route(4, 7, "default", "eth3", "192.168.18.1"), Route(4, 7, "10.9.0.0/16", type="throw"),
        Route(6, 7, "default", "eth3", "fd00:18::1")),
    8: (Route(4, 8, "default", type="unreachable", metric=4278198272),),
    9: (Route(4, 9, "default", "eth4", tos=16), Route(4, 9, "default", "eth9", metric=9),
        Route(4, 9, "default", "eth5"), Route(4, 9, "198.51.100.0/24", "eth6"), Route(4, 9, "198.51.100.7/32", "eth8")),
    10: (Route(6, 10, "default", "eth3", src="fd00:18::/64"), Route(6, 10, "default", "eth4")),
    MAIN: (Route(4, MAIN, "default", "eth0", "192.168.18.1"), Route(4, MAIN, "192.168.18.0/24", "eth0"),
           Route(6, MAIN, "default", "eth0", "fd00:18::1")),
}


def to(table, priority=10, **more):
    return Other(4, priority, f"lookup {table}", table, **more)


LAST = to(MAIN, 32766)


def way(*rules, src=VE, dst=FAR, iif="venet0", own=()):
    return walk(src, dst, iif, rules, TABLES, own)


@pytest.mark.parametrize("rule, found", [
    (to(7), BY3),
    (to(7, src="192.168.18.101/32"), BY3), (to(7, src="192.168.18.102/32"), BY0),
    (to(7, dst="203.0.113.0/24"), BY3), (to(7, dst="203.0.114.0/24"), BY0),
    (to(7, iif="venet0"), BY3), (to(7, iif="eth3"), BY0), (to(7, oif="eth3"), BY0),
    (to(7, mark=(1, 1)), BY0), (to(7, mark=(0, 1)), BY3), (to(7, mark=(2, 1)), BY3),
    (to(7, src="192.168.18.101/32", inverted=True), BY0), (to(7, src="192.168.18.102/32", inverted=True), BY3),
    (to(7, more=("ipproto", "tcp")), None),
    (Other(4, 10, "l3mdev"), None),
    (Other(4, 10, "nop"), BY0),
    (Other(4, 10, "prohibit"), Lookup(error="prohibit")),
    (Other(6, 10, "lookup 7", 7), BY0),
])
def test_a_rule_takes_what_fits(rule, found):
    assert way(LAST, rule) == found


def test_a_goto_leads_past_all_rules_before_its_target():
    goto = Other(4, 10, "goto 30")
    assert way(goto, to(7, 20), to(9, 30), LAST) == Lookup(9, "eth5")
    assert way(goto, to(7, 20), Other(4, 30, "nop"), LAST) == BY0
    assert way(goto, to(7, 20), LAST) == BY3  # there is none: `[unresolved]`
    assert way(Other(4, 10, "goto 30", src="10.0.0.0/8"), to(7, 20), LAST) == BY3


@pytest.mark.parametrize("table, dst, found", [
    (7, "10.9.1.1", BY0), (8, FAR, Lookup(8, error="unreachable")), (9, FAR, Lookup(9, "eth5")),
    (9, "198.51.100.9", Lookup(9, "eth6")), (9, "198.51.100.7", Lookup(9, "eth8")), (11, FAR, BY0)])
def test_the_longest_route_counts_then_the_metric(table, dst, found):
    assert way(to(table), LAST, dst=dst) == found


def test_routes_that_are_too_short_are_passed_over():
    assert way(to(MAIN, 10, suppress=0), to(7, 20)) == BY3
    assert way(to(MAIN, 10, suppress=0), to(7, 20), dst="192.168.18.9") == Lookup(MAIN, "eth0")
    assert way(to(MAIN, 10, suppress=24), to(7, 20), dst="192.168.18.9") == BY3


def test_the_node_itself_is_found_in_local_alone():
    assert way(to(LOCAL, 0), LAST, dst=OWN, own={OWN}) == Lookup(LOCAL, "lo", local=True)
    assert way(to(LOCAL, 0), LAST, own={OWN}) == BY0 and way(LAST, dst=OWN, own={OWN}) == Lookup(MAIN, "eth0")


def test_an_ipv6_route_may_ask_for_the_source():
    rule = Other(6, 10, "lookup 10", 10)
    assert way(rule, src="fd00:18::101", dst="2001:db8::9") == Lookup(10, "eth3")
    assert way(rule, src="fd00:20::101", dst="2001:db8::9") == Lookup(10, "eth4")
    assert way(rule, src="", dst="2001:db8::9", iif="lo") == Lookup(10, "eth4")


def test_without_a_source_a_rule_for_one_does_not_count_and_without_rules_there_is_no_way():
    assert way(to(7, src="192.168.18.101/32"), LAST, src="", iif="lo") == BY0 and way() == NOWHERE


def test_our_rules_are_as_others():
    ours = as_other(Rule(4, 1020, 7, src="192.168.18.101/32"))
    assert way(ours, LAST) == BY3 and way(as_other(Rule(4, 1040, unreachable=True)), LAST) == NOWHERE


def test_two_answers_agree_that_lead_the_same_way_or_both_nowhere():
    assert agree(NOWHERE, Lookup(error="prohibit")) and agree(BY3, Lookup(7, "eth3", "192.168.18.1", to_ve=True))
    for other in (NOWHERE, BY0, Lookup(7, "eth4", BY3.gateway), Lookup(7, "eth3"), Lookup(8, "eth3", BY3.gateway)):
        assert not agree(BY3, other) and not agree(other, BY3)
