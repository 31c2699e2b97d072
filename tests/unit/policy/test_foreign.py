"""Rules of others are known for the packets they take."""

from dataclasses import replace

import pytest

from tests.unit.example import facts, wanted
from vzhooks.model import Lookup, Ve
from vzhooks.policy.foreign import Other, culprit, mend, other_of, taken_at, unheard

SRC, DST = "192.168.18.101", "203.0.113.1"


@pytest.mark.parametrize("more, taken", [
    ({}, True), ({"src": "192.168.18.101/32"}, True), ({"src": "192.168.18.102/32"}, False),
    ({"dst": "203.0.113.0/24"}, True), ({"dst": "10.0.0.0/8"}, False), ({"iif": "venet0"}, True),
    ({"iif": "eth0"}, False), ({"oif": "eth0"}, False), ({"mark": (1, 0xFF)}, False), ({"mark": (0, 0xFF)}, True),
    ({"mark": (1, 0xFF), "inverted": True}, True), ({"src": "192.168.18.101/32", "inverted": True}, False),
    ({"more": ("ipproto tcp",)}, False), ({"family": 6}, False), ({"family": 6, "inverted": True}, False)])
def test_which_plain_packets_a_rule_takes(more, taken):
    assert Other(**{"family": 4, "priority": 999, "action": "lookup 200", **more}).takes(SRC, DST, "venet0") is taken


def test_a_rule_of_one_device_takes_a_packet_that_is_asked_about_without_any():
    assert Other(4, 999, "lookup 200", 200, iif="eth0").takes(SRC, DST)


@pytest.mark.parametrize("more, words", [
    ({}, "from all lookup 200"), ({"inverted": True, "src": "10.0.0.0/8"}, "not from 10.0.0.0/8 lookup 200"),
    ({"dst": "10.0.0.1/32", "iif": "eth0", "oif": "eth3"}, "from all to 10.0.0.1/32 iif eth0 oif eth3 lookup 200"),
    ({"mark": (1, 0xFFFFFFFF)}, "from all fwmark 0x1 lookup 200"),
    ({"mark": (1, 0xFF)}, "from all fwmark 0x1/0xff lookup 200"),
    ({"more": ("ipproto tcp",), "suppress": 0}, "from all ipproto tcp lookup 200 suppress_prefixlength 0")])
def test_a_rule_is_named_as_ip_writes_it(more, words):
    assert str(Other(4, 999, "lookup 200", 200, **more)) == words


@pytest.mark.parametrize("family, ip", [(4, "ip rule"), (6, "ip -6 rule")])
def test_what_mends_it_is_of_the_rule_s_family(family, ip):
    told = mend(Other(family, 999, "lookup 200", 200))
    assert told.count(f"{ip} ") == told.count("rule ") == 3


def rule(priority, action="lookup 200", table=200, **more):
    return Other(4, priority, action, table, **more)


@pytest.mark.parametrize("lookup, others, found", [
    (Lookup(200, "eth0"), [rule(999), rule(500)], 500),
    (Lookup(200, "eth0"), [rule(500, "lookup 77", 77), rule(999)], 999),
    (Lookup(200, "eth0"), [rule(1200)], None),
    (Lookup(254, "eth0"), [rule(500, "goto 32766", 0)], 500),
    (Lookup(error="Permission denied"), [rule(500, "lookup main", 254), rule(600, "prohibit", 0)], 600),
    (Lookup(error="Invalid cross-device link"), [rule(600, dst="192.168.18.101/32")], 600),
    (Lookup(200, "eth0"), [rule(600, dst="192.168.18.101/32")], None),
    (Lookup(200, "eth0"), [], None)])
def test_the_rule_that_leads_a_packet_away_is_found(lookup, others, found):
    named = culprit(lookup, SRC, DST, others, 1020)
    assert (named and named.priority) == found


@pytest.mark.parametrize("datapath, shared, first", [("rule", True, 1020), ("map", True, 1000), ("map", False, 1055)])
def test_which_rules_of_ours_decide_about_what_a_ve_sends(datapath, shared, first):
    known = replace(facts(local=[SRC]), shared=shared)
    assert taken_at(wanted(Ve("101", (SRC,), "eth3"), ini=f"[node]\ndatapath={datapath}\n", known=known).items) == first
    assert taken_at(()) == 1020


@pytest.mark.parametrize("first", [1000, 1020, 1055])
def test_a_rule_as_early_as_ours_may_be_it_and_a_later_one_goes_unheard(first):
    lookup, ends = Lookup(error="Permission denied"), {"action": "prohibit", "table": 0, "src": f"{SRC}/32"}
    at, after = rule(first, **ends), rule(first + 1, **ends)
    assert culprit(lookup, SRC, DST, [at], first) == at and culprit(lookup, SRC, DST, [after], first) is None
    assert unheard(SRC, [at, after], first) == [after]
    others = [rule(first + 1, **{**ends, **more}) for more in (
        {"action": "lookup 200"}, {"src": ""}, {"inverted": True}, {"src": "192.168.18.102/32"}, {"protocol": 2})]
    assert unheard(SRC, others, first) == [] == unheard("fd00:18::101", [after], first)
    assert culprit(lookup, SRC, DST, [rule(0, **ends)], first) is None


def message(**fields):
    """Return a rule as pyroute2 has it: a header, and what is said besides."""
    return {"action": 1, "table": 200, "src_len": 0, "dst_len": 0, "tos": 0, "flags": 0, "FRA_PRIORITY": 999, **fields}


@pytest.mark.parametrize("fields, words", [
    ({}, "from all lookup 200"), ({"FRA_TABLE": 300}, "from all lookup 300"), ({"table": 254}, "from all lookup main"),
    ({"table": 253}, "from all lookup default"), ({"table": 255}, "from all lookup local"),
    ({"FRA_SRC": "10.0.0.0", "src_len": 8, "FRA_DST": "10.1.0.1", "dst_len": 32},
     "from 10.0.0.0/8 to 10.1.0.1/32 lookup 200"),
    ({"FRA_IIFNAME": "eth0", "FRA_OIFNAME": "eth3"}, "from all iif eth0 oif eth3 lookup 200"),
    ({"FRA_FWMARK": 1, "FRA_FWMASK": 0xFF}, "from all fwmark 0x1/0xff lookup 200"),
    ({"FRA_FWMASK": 0xFF}, "from all fwmark 0x0/0xff lookup 200"),
    ({"FRA_FWMARK": 0, "FRA_FWMASK": 0}, "from all fwmark 0x0/0x0 lookup 200"),
    ({"flags": 2, "FRA_SRC": "10.0.0.0", "src_len": 8}, "not from 10.0.0.0/8 lookup 200"),
    ({"flags": 1}, "from all lookup 200"), ({"tos": 0x10}, "from all tos 0x10 lookup 200"),
    ({"FRA_IP_PROTO": 6, "FRA_SPORT_RANGE": "1:2", "FRA_DPORT_RANGE": "53:53", "FRA_UID_RANGE": "0:9", "FRA_TUN_ID": 7},
     "from all ipproto 6 sport 1-2 dport 53-53 uidrange 0-9 tun_id 7 lookup 200"),
    ({"FRA_SUPPRESS_PREFIXLEN": 0}, "from all lookup 200 suppress_prefixlength 0"),
    ({"FRA_SUPPRESS_PREFIXLEN": 0xFFFFFFFF}, "from all lookup 200"),
    ({"action": 1, "FRA_L3MDEV": 1}, "from all lookup l3mdev-table"), ({"action": 2, "FRA_GOTO": 5}, "from all goto 5"),
    ({"action": 3}, "from all nop"), ({"action": 6}, "from all blackhole"), ({"action": 7}, "from all unreachable"),
    ({"action": 8}, "from all prohibit"), ({"action": 9}, "from all action 9")])
def test_a_rule_of_the_kernel_is_read(fields, words):
    found = other_of(message(**fields), 4)
    assert str(found) == words
    assert found.table == (found.action.startswith("lookup") and (fields.get("FRA_TABLE") or fields.get("table", 200)))
    assert (found.family, found.priority, found.protocol) == (4, 999, 0)


def test_who_made_a_rule_and_where_it_stands_is_read():
    found = other_of({**message(FRA_PROTOCOL=2), "FRA_PRIORITY": None}, 6)
    assert (found.family, found.priority, found.kernel) == (6, 0, True)
    assert not other_of(message(FRA_PROTOCOL=4), 6).kernel
