# SPDX-License-Identifier: GPL-2.0-or-later
"""Address translations of others are read from nft's JSON, and known for the sources and devices they change."""

import json

import pytest

from vzhooks.errors import KernelError
from vzhooks.policy.nat import Nat, nat_tables, parse

VE, OTHER, SIX = "192.168.18.101", "10.0.0.1", "fd00:18::101"


def meta(right, key="oifname", op="=="):
    return {"match": {"op": op, "left": {"meta": {"key": key}}, "right": right}}


def saddr(right, op="=="):
    return {"match": {"op": op, "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": right}}


def net(addr, length):
    return {"prefix": {"addr": addr, "len": length}}


def listing(*rules, family="ip"):
    """Return what nft says of a table with these rules, each a list of expressions."""
    items = [{"rule": {"family": family, "table": "nat", "chain": "post", "expr": list(r)}} for r in rules]
    return json.dumps({"nftables": [{"metainfo": {}}, {"table": {"family": family, "name": "nat"}}, *items]})


MASQUERADE, SNAT = {"masquerade": None}, {"snat": {"addr": "1.2.3.4"}}
XT = {"xt": {"type": "target", "name": "MASQUERADE"}}


@pytest.mark.parametrize("rule, changes, leaves", [
    ([MASQUERADE], [(VE, "eth3"), (OTHER, "eth0")], [(SIX, "eth3")]),
    ([SNAT], [(VE, "eth3")], []), ([XT], [(VE, "eth3")], []),
    ([meta("eth3"), MASQUERADE], [(VE, "eth3")], [(VE, "eth4")]),
    ([meta("eth3", "oif"), MASQUERADE], [(VE, "eth3")], [(VE, "eth4")]),
    ([meta("eth3", op="!="), MASQUERADE], [(VE, "eth4")], [(VE, "eth3")]),
    ([meta({"set": ["eth3", "eth4"]}), MASQUERADE], [(VE, "eth3"), (VE, "eth4")], [(VE, "eth0")]),
    ([meta("eth3", "iifname"), MASQUERADE], [(VE, "eth4")], []),
    ([saddr(VE), MASQUERADE], [(VE, "eth3")], [(OTHER, "eth3")]),
    ([saddr(net("192.168.18.0", 24)), MASQUERADE], [(VE, "eth3")], [(OTHER, "eth3")]),
    ([saddr(net("192.168.18.0", 24), "!="), MASQUERADE], [(OTHER, "eth3")], [(VE, "eth3")]),
    ([saddr({"set": [OTHER, net("192.168.18.0", 24)]}), MASQUERADE], [(VE, "eth3"), (OTHER, "eth3")],
     [("172.16.0.1", "eth3")])])
def test_whose_source_is_changed_and_by_which_device(rule, changes, leaves):
    (found,) = parse(listing(rule))
    assert [found.covers(*c) for c in changes] == [True] * len(changes)
    assert [found.covers(*c) for c in leaves] == [False] * len(leaves)
    assert str(found) == "a rule of table ip nat, chain post"


@pytest.mark.parametrize("rule", [
    [{"counter": None}], [{"dnat": {}}], [{"xt": {"type": "target", "name": "LOG"}}],  # none that changes sources
    [meta("@wan"), MASQUERADE], [meta("ppp*"), MASQUERADE], [saddr("@customers"), MASQUERADE],
    [saddr({"map": {}}), MASQUERADE], [{"match": {"op": "=="}}, MASQUERADE]])
def test_what_is_tied_to_what_cannot_be_read_is_left_out(rule):
    assert parse(listing(rule)) == ()


def test_a_table_of_both_families_changes_both():
    (found,) = parse(listing([MASQUERADE], family="inet"))
    assert found.covers(VE, "eth3") and found.covers(SIX, "eth3")
    assert Nat("ip6 nat", "post", 6).covers(SIX, "eth3")


def test_tables_that_may_change_sources_are_those_of_nat_chains():
    chains = [("ip", "nat", "nat"), ("ip", "nat", "nat"), ("inet", "fw", "filter"), ("bridge", "b", "nat")]
    items = [{"chain": {"family": f, "table": t, "name": "c", "type": kind}} for f, t, kind in chains]
    text = json.dumps({"nftables": [{"metainfo": {}}, *items, {"chain": {"name": "plain"}}]})
    assert nat_tables(text) == [("ip", "nat")]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"nftables": 1}'])
def test_what_is_no_listing_is_said(text):
    with pytest.raises(KernelError):
        parse(text)
