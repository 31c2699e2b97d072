"""Rules of others beside which packets cannot be routed by marks are told, each in a line, and no harmless ones."""

import pytest

from vzhooks.policy.markers import ALL, Marker, why

MASK, OURS, MAKING = 0x00FF0000, -90, -140
UNKNOWN = {"kept": 0, "sets": ALL, "unknown": ALL}
WHOLE = {"kept": 0, "sets": 1}
MASKED = {"kept": ALL ^ 0x4000, "sets": 0x4000}
BIT = {"kept": ALL ^ 0x10000, "sets": 0x10000}
CLEARS = {"kept": ALL ^ MASK}
BEHIND, WITHIN = "writes marks behind those of vzhooks", "sets marks within mark_mask 0x00ff0000"
BLIND = "looks up sources (fib saddr) without the marks of vzhooks"
FIB, FIB_MARK = {"asks": "fib"}, {"asks": "fib mark"}


def marker(*hooks, family="inet", **does):
    return Marker(f"{family} t", "c", hooks, **does)


def told(*markers, mask=MASK):
    """Return what is told of rules in that chain, without the words before."""
    line = why(markers, mask, OURS, MAKING)
    assert line == "" or line.startswith("a rule of nftables table ")
    return line.partition(", chain c, ")[2]


def test_without_rules_of_others_there_is_no_reason():
    assert why((), MASK, OURS, MAKING) == ""


def test_the_first_that_does_harm_is_named_with_table_and_chain():
    harmless = Marker("ip kube", "mark", (("prerouting", -100),), **MASKED)
    first = Marker("inet firewalld", "filter_PREROUTING", (("prerouting", 10),), **FIB)
    second = Marker("ip t", "c", (("prerouting", 10),), **WHOLE)
    assert why(iter((harmless, first, second)), MASK, OURS, MAKING) == (
        "a rule of nftables table inet firewalld, chain filter_PREROUTING, looks up sources (fib saddr) without the "
        "marks of vzhooks")
    assert why((second, first), MASK, OURS, MAKING) == (
        "a rule of nftables table ip t, chain c, writes marks behind those of vzhooks")


@pytest.mark.parametrize("priority, said", [(-91, ""), (-300, ""), (-90, BEHIND), (-89, BEHIND), (10, BEHIND)])
@pytest.mark.parametrize("does", [UNKNOWN, WHOLE, CLEARS, {"kept": 0}, {"kept": ALL ^ 0x20000},
                                  {"kept": ALL ^ 0xFF, "sets": 0x800000, "unknown": 0x800000}])
@pytest.mark.parametrize("family", ["ip", "ip6", "inet"])
def test_what_writes_our_bits_does_harm_behind_ours_and_is_overwritten_before(family, does, priority, said):
    assert told(marker(("prerouting", priority), family=family, **does)) == said


@pytest.mark.parametrize("does", [MASKED, {"kept": ALL ^ 0xFF00FFFF, "sets": 0xFF00FFFF}, {"sets": 5}, {},
                                  {"kept": MASK, "sets": ALL ^ MASK, "unknown": ALL ^ MASK}])
@pytest.mark.parametrize("hook", ["prerouting", "output", "forward", "ingress"])
def test_what_leaves_our_bits_alone_may_be_anywhere(hook, does):
    assert told(*(marker((hook, priority), **does) for priority in (-300, OURS, 300))) == ""


@pytest.mark.parametrize("hook, family", [("prerouting", "ip"), ("prerouting", "inet"), ("output", "ip6"),
                                          ("output", "inet"), ("route", "inet"), ("ingress", "netdev"),
                                          ("ingress", "inet")])
def test_what_means_something_by_our_bits_does_harm_before_ours_and_at_the_nodes_own(hook, family):
    for does in (BIT, {"sets": 0x800000}, {"kept": 0, "sets": 0xFF010000},
                 {"kept": 0, "sets": ALL, "unknown": ALL ^ 0x10000}):
        assert told(marker((hook, -200), family=family, **does)) == WITHIN
    for does in (UNKNOWN, WHOLE, CLEARS, {"kept": 0, "sets": 0xFF00FFFF}):
        assert told(marker((hook, -200), family=family, **does)) == ""


@pytest.mark.parametrize("hook", ["input", "forward", "postrouting", "egress", "?"])
@pytest.mark.parametrize("priority", [-300, -155, 10])
def test_packets_that_found_their_way_may_get_any_mark(hook, priority):
    assert told(*(marker((hook, priority), **does) for does in (UNKNOWN, BIT, WHOLE, CLEARS))) == ""


@pytest.mark.parametrize("priority, blind, marked", [(-300, BLIND, BLIND), (-91, BLIND, BLIND), (-90, BLIND, BLIND),
                                                     (-89, BLIND, ""), (10, BLIND, "")])
def test_a_filter_of_sources_has_to_look_at_marks_behind_ours(priority, blind, marked):
    assert told(marker(("prerouting", priority), **FIB)) == blind
    assert told(marker(("prerouting", priority), **FIB_MARK)) == marked


@pytest.mark.parametrize("does", [FIB, FIB_MARK])
def test_a_filter_of_sources_where_marks_are_not_yet_or_no_longer_does_harm(does):
    assert told(marker(("forward", -300), **does)) == told(marker(("forward", 10), **does)) == BLIND
    assert told(marker(("ingress", 500), family="netdev", **does)) == BLIND
    assert told(marker(("input", 10), **does)) == ""


def test_one_of_several_base_chains_is_enough():
    assert told(marker(("forward", 0), ("prerouting", -200), ("prerouting", 0), **WHOLE)) == BEHIND
    assert told(marker(("forward", 0), ("output", 0), **BIT)) == WITHIN
    assert told(marker(("prerouting", 0), ("forward", 0), **FIB_MARK)) == BLIND


@pytest.mark.parametrize("does", [UNKNOWN, BIT, FIB, FIB_MARK])
def test_a_rule_that_no_packet_meets_does_no_harm(does):
    assert told(marker(**does)) == ""


@pytest.mark.parametrize("family, hook, said", [
    ("bridge", "prerouting", BEHIND), ("bridge", "input", BEHIND), ("bridge", "forward", ""), ("bridge", "output", ""),
    ("bridge", "postrouting", ""), ("arp", "input", BEHIND), ("arp", "output", ""), ("arp", "forward", "")])
def test_bridges_call_our_chain_between_theirs_and_arp_has_marks_of_its_own(family, hook, said):
    for does in (UNKNOWN, BIT, WHOLE):
        assert told(marker((hook, -300), family=family, **does)) == said
    assert told(marker((hook, 300), family=family, **MASKED)) == ""


def test_only_the_bits_of_the_mask_count():
    rule = marker(("prerouting", -200), ("output", 0), **MASKED)
    assert (told(rule), told(rule, mask=0xF000)) == ("", "sets marks within mark_mask 0x0000f000")
    behind = marker(("prerouting", 0), **MASKED)
    assert (told(behind), told(behind, mask=0x4000), told(behind, mask=0x8000)) == ("", BEHIND, "")


@pytest.mark.parametrize("does", [UNKNOWN, WHOLE, CLEARS])
@pytest.mark.parametrize("hook, priority, said", [
    ("route", -141, ""), ("route", -140, BEHIND), ("route", 0, BEHIND), ("output", 0, ""), ("output", -140, "")])
def test_behind_ours_what_the_node_makes_must_not_be_routed_anew(hook, priority, said, does):
    assert told(marker((hook, priority), **does)) == said
