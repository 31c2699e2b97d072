"""Doctor's checks judge values; what packets show of them is in tests/packets/test_doctor.py."""

import pytest

from tests.unit.example import ETH0, ETH3, facts, nic
from vzhooks.config.settings import Settings, parse
from vzhooks.doctor import rule_checks, ve_checks
from vzhooks.doctor.findings import Exam, step_of
from vzhooks.model import Lookup, Problem, Uplink, Ve
from vzhooks.policy import gateways
from vzhooks.policy.foreign import Other
from vzhooks.policy.priorities import BAND
from vzhooks.policy.uplinks import Way, ways_of
from vzhooks.run.request import Report
from vzhooks.status.view import FAR

WG0 = nic("wg0", 9, "10.66.0.2/32", kind="wireguard")
VE105, VE101 = Ve("105", ("192.168.18.105",)), Ve("101", ("192.168.18.101",), "eth3")
ISP = Uplink("eth3", "eth3")
ASSIGNED = Exam(Report(ways=(Way(VE101, "ok", ISP), Way(VE105, "unassigned"))), facts=facts())


def with_others(*others):
    return Exam(ASSIGNED.report, facts=ASSIGNED.facts, others=others)


ETH5 = nic("eth5", 9, "203.0.113.12/24", "2001:db8:113::12/64")
UNFIT = "[uplink:isp1]\ndevice = eth3\n[uplink:isp2]\ndevice = eth5\n"


@pytest.mark.parametrize("ve, ini, subject, fix", [
    (Ve("101", ("192.168.18.101",), "isp1"), UNFIT, None, ""),
    (Ve("101", ("192.168.18.101", "203.0.113.101"), "isp1,isp2"), UNFIT, None, ""),
    (Ve("101", ("203.0.113.101",), "isp1"), UNFIT, "VE 101", "`vzhooks set 101 --uplink isp1,isp2 --save`"),
    (Ve("101", ("192.168.18.101",), "isp2"), UNFIT, "VE 101", "`vzhooks set 101 --uplink isp2,isp1 --save`"),
    (Ve("101", ("198.51.100.7",), "isp2,isp1"), UNFIT, "VE 101", "in sources = of [uplink:isp2]"),
    (Ve("101", ("198.51.100.7",), "isp2"), UNFIT + "sources = 198.51.100.0/24\n", None, ""),
    (Ve("101", ("2001:db8:99::7",), "isp1"), UNFIT, None, ""),  # it is not known what eth3 has of IPv6
    (Ve("101", ("10.9.0.7",), "isp2"), UNFIT, None, ""),  # private_addresses tells that
    (Ve("101", ("203.0.113.101",)), f"[node]\nunassigned = isp1\n{UNFIT}", "VE 101", "`vzhooks set 101 --uplink isp2 "),
    (Ve("101", ("198.51.100.7",)), f"[node]\nunassigned = by-address\n{UNFIT}", None, ""),
])
def test_an_address_that_no_network_of_its_uplink_holds_is_found(ve, ini, subject, fix):
    settings, known = parse(ini), facts(ETH3, ETH5)
    exam = Exam(Report(ways=ways_of(ve, settings, known.nics)), settings, known)
    found = list(ve_checks.unfit(exam))
    assert [f.subject for f in found] == [subject] * bool(subject) and all(fix in f.fix for f in found)


@pytest.mark.parametrize("dev, found", [("wg0", ["VE 105"]), ("eth0", []), ("gone", [])])
def test_a_ve_without_uplink_that_a_vpn_takes_is_found(dev, found):
    exam = Exam(Report(ways=(Way(VE105, "unassigned"),)), facts=facts(ETH0, WG0),
                lookups={("192.168.18.105", FAR[4]): Lookup(51820, dev)})
    assert [f.subject for f in ve_checks.tunnels(exam)] == found


@pytest.mark.parametrize("more, check", [
    ({"src": "192.168.18.101/32"}, "rule-after"), ({"src": "192.168.18.105/32"}, None), ({"iif": "eth0"}, None),
    ({"iif": "venet0"}, "rule-after"), ({"oif": "eth0"}, None), ({"mark": (1, 255)}, "mark-rule"),
    ({"mark": (1, 255), "inverted": True}, "vpn-rule"), ({"table": 254, "action": "lookup main"}, None),
    ({"family": 6}, None), ({"dst": "10.0.0.0/8"}, "rule-after")])
def test_a_rule_of_others_after_ours_is_told_where_it_concerns_a_ve_with_an_uplink(more, check):
    rule = Other(**{"family": 4, "priority": 32000, "action": "lookup 200", "table": 200, **more})
    found = list(rule_checks.shadowed(with_others(rule)))
    assert [f.check for f in found] == ([check] if check else [])
    assert all(f"&& ip rule del {rule} priority 32000" in f.fix for f in found)


def test_a_rule_that_is_to_go_before_ours_gets_a_priority_that_does():
    rule = Other(4, 32000, "lookup 200", 200, src="192.168.18.101/32")
    found = next(iter(rule_checks.shadowed(with_others(rule))))
    priority = int(found.fix.partition("priority ")[2].split()[0])
    assert 0 < priority < BAND[0]


@pytest.mark.parametrize("more, found", [
    ({}, True), ({"mark": (1, 255)}, False), ({"more": ("ipproto 6",)}, False), ({"iif": "eth4"}, False),
    ({"src": "192.168.18.105/32"}, False), ({"priority": 1100}, False), ({"priority": 0}, False)])
def test_a_rule_of_others_before_ours_is_told_unless_it_is_chosen_with_care(more, found):
    rule = Other(**{"family": 4, "priority": 500, "action": "lookup 200", "table": 200, **more})
    assert bool(list(rule_checks.before(with_others(rule)))) is found


@pytest.mark.parametrize("text, fix", [
    ("eth3 is down", "`ip link set eth3 up`, then `vzhooks resync`"),
    ("eth9 does not exist (yet)", "make the device eth9, or correct device = in the ini, then `vzhooks resync`"),
    ("eth3 has no carrier", "mend the cable or switch port of eth3, then `vzhooks resync`"),
    ("/etc/vz/conf/101.conf: cannot be read (I/O error)", "let root read that file, then `vzhooks resync`"),
    ("address A is this node's own; give the VE another one", "give the VE another one, then `vzhooks resync`"),
    ("uplink x: not in this node's ini; it has isp1", "mend what is found, then `vzhooks resync`")])
def test_each_problem_has_a_fix_that_says_something(text, fix):
    exam = Exam(Report(problems=(Problem("101", text),)))
    assert [f.fix for f in ve_checks.problems(exam)] == [fix]


def test_what_to_do_is_taken_from_a_message_that_says_so():
    assert step_of("nft: cannot be run; install the package nftables", "") == "install the package nftables"
    assert step_of("something else; it has eth3", "mend it") == "mend it"


@pytest.mark.parametrize("key, gateway, doubt", [
    ("gateway", "192.168.18.1", None), ("gateway", "auto", None), ("gateway", "none", None),
    ("gateway", "192.168.18.11", "192.168.18.11: is this node's own address, on eth3"),
    ("gateway", "192.168.18.10", "192.168.18.10: is this node's own address, on eth0"),
    ("gateway", "10.0.0.1", "10.0.0.1: is in none of the networks of eth3 (192.168.18.0/24)"),
    ("gateway6", "fd00::1", None), ("gateway6", "fe80::1", None)])
def test_a_gateway_that_cannot_be_is_told(key, gateway, doubt):
    settings = parse(f"[uplink:isp1]\ndevice = eth3\n{key} = {gateway}\n")
    found = gateways.doubts(settings, facts().nics)
    assert [(d.text, d.sure) for d in found] == ([(doubt, "own" in doubt)] if doubt else [])
    assert all(str(d).startswith(f"[uplink:isp1] {key} = {gateway}: ") for d in found)


def test_a_nic_without_addresses_or_that_is_not_there_raises_no_doubt():
    uplinks = (Uplink("isp1", "eth3", "10.0.0.1"), Uplink("isp2", "eth9", "10.0.0.1"))
    settings = Settings(uplinks={u.name: u for u in uplinks})
    assert gateways.doubts(settings, facts(nic("eth3", 3)).nics) == ()
