"""What a run does to VEs that live, in words, and what neighbours must hear about."""

from dataclasses import replace

import pytest

from tests.unit.example import ETH0, ETH3, ETH4, LO, NICS, VENET0, facts, nic, wanted
from vzhooks.model import MAIN, Element, Gateway, Route, Rule, Skeleton, Sysctl, Ve
from vzhooks.policy.consequences import main_device, moved, moves
from vzhooks.policy.plan import ADD, DELETE, REPLACE, Op, diff
from vzhooks.policy.priorities import OWN_LAN, OWN_SPECIFIC
from vzhooks.policy.records import RUNNING, STARTING, STOPPING, Record

A, A6 = "192.168.18.101", "fd00:18::101"
BLOCK = "[node]\nunassigned=block\n"
GONE = "uplink eth9: no LAN NIC of that name; this node has eth0, eth3, eth4"


def state(uplink, ini="", addresses=(A,)):
    return wanted(Ve("101", addresses, uplink), ini=ini)


def said(before, after, phase=RUNNING, strip=()):
    found = frozenset(i for i in before.items if not isinstance(i, strip))
    return [str(m) for m in moves(after.ways, found, {"101": Record(phase, 1.0, addresses=(A,))} if phase else {},
                                    facts().nics)]


UNHELD, ETH3_OK, ETH4_OK, CUT = state(""), state("eth3"), state("eth4"), state("eth9")


@pytest.mark.parametrize("before, after, move", [
    (ETH3_OK, ETH3_OK, None), (UNHELD, UNHELD, None), (CUT, CUT, None),
    (ETH3_OK, ETH4_OK, "VE 101: eth3 -> eth4"), (ETH3_OK, UNHELD, "VE 101: eth3 -> main"),
    (UNHELD, ETH3_OK, "VE 101: main -> eth3"), (CUT, ETH3_OK, "VE 101: cut off -> eth3"),
    (ETH3_OK, CUT, f"VE 101: eth3 -> cut off: {GONE}"), (UNHELD, CUT, f"VE 101: main -> cut off: {GONE}"),
    (UNHELD, state("", BLOCK), "VE 101: main -> cut off: unassigned = block"),
])
def test_who_moves_and_who_is_cut_off_is_said_with_the_reason(before, after, move):
    assert said(before, after) == ([move] if move else [])


@pytest.mark.parametrize("before, after, move", [
    (ETH3_OK, ETH4_OK, "VE 101: eth3 -> eth4"), (CUT, ETH4_OK, "VE 101: cut off -> eth4"), (ETH3_OK, ETH3_OK, None)])
def test_without_a_guard_the_rules_and_tables_tell(before, after, move):
    assert said(before, after, strip=(Element, Skeleton)) == ([move] if move else [])


@pytest.mark.parametrize("before, after, loses", [(ETH3_OK, CUT, True), (UNHELD, CUT, True), (ETH3_OK, ETH4_OK, False),
                                                  (CUT, ETH3_OK, False), (ETH3_OK, UNHELD, False)])
def test_only_who_had_a_way_and_has_none_loses_it(before, after, loses):
    known = {"101": Record(RUNNING, 1.0)}
    assert [m.loses for m in moves(after.ways, before.items, known, facts().nics)] == [loses]


@pytest.mark.parametrize("phase", [None, STARTING, STOPPING])
def test_a_ve_that_did_not_live_before_does_not_move(phase):
    assert said(ETH3_OK, CUT, phase) == []


def test_a_ve_without_an_address_does_not_move():
    assert said(ETH3_OK, state("eth4", addresses=())) == []


HERE = facts(local=[A])
BOTH, ALONE = (wanted(Ve("101", (A,), name), Ve("102", ("192.168.18.102",), "eth4")) for name in ("eth3", ""))


def heard(before, after, known=HERE, more=()):
    return moved(before.items, after.items, (*diff(after.items, before.items), *more), known)


@pytest.mark.parametrize("before, after, told", [
    (UNHELD, ETH3_OK, (A, "eth3")), (ETH3_OK, ETH4_OK, (A, "eth4")), (BOTH, ALONE, (A, "eth0"))])
def test_neighbours_hear_by_what_an_address_leaves_now(before, after, told):
    """Also of one that falls back to main: else they go on sending to the NIC it had."""
    assert told in heard(before, after)


def test_neighbours_hear_of_the_last_one_that_falls_back_to_main():
    assert (A, "eth0") in heard(ETH3_OK, UNHELD)


def test_who_stays_is_not_announced():
    assert heard(ETH3_OK, ETH3_OK) == ()


def test_what_is_not_routed_here_is_not_announced():
    assert not [a for a, _ in heard(UNHELD, ETH3_OK, facts()) if a == A]


def test_the_node_s_own_addresses_are_announced_where_their_ways_or_arp_changed():
    own = (("192.168.18.10", "eth0"), ("192.168.18.11", "eth3"), ("192.168.18.12", "eth4"))
    rule = Rule(4, OWN_LAN, 9, src="192.168.18.11/32", dst="192.168.18.0/24")
    assert moved(frozenset(), frozenset(), [Op(ADD, rule)], HERE) == own[1:2]
    others = [Op(DELETE, rule), Op(ADD, Rule(4, OWN_SPECIFIC, MAIN, src="192.168.18.12/32"))]
    assert moved(frozenset(), frozenset(), others, HERE) == ()
    hard = Op(REPLACE, Sysctl("net/ipv4/conf/eth4/arp_ignore", "1"))
    assert moved(frozenset(), frozenset(), [hard], HERE) == own[2:]


def test_where_a_strict_filter_is_back_main_s_nic_tells_of_the_node_s_addresses():
    back = Op(REPLACE, Sysctl("net/ipv4/conf/eth4/rp_filter", "1"))
    assert moved(frozenset(), frozenset(), [back], HERE) == (("192.168.18.12", "eth0"),)


def test_an_exit_that_is_replaced_counts_as_new():
    before, after = ({Element("exits4", (A, name))} for name in ("eth3", "eth4"))
    assert moved(before, after, [Op(REPLACE, *after)], HERE) == ((A, "eth4"),)
    assert moved(before, after, [], HERE) == ()


def test_who_goes_by_a_device_that_is_gone_has_lost_his_way_already():
    known, left = {"101": Record(RUNNING, 1.0)}, {n: x for n, x in facts().nics.items() if n != "eth3"}
    assert [str(m) for m in moves(CUT.ways, ETH3_OK.items, known, left)] == []


@pytest.mark.parametrize("uplink, loses", [("isp9", False), ("gone", True)])
def test_who_went_by_a_backup_that_has_no_link_either_loses_nothing_but_by_another_uplink_s_name(uplink, loses):
    """Cut off by links is no reason to refuse a run; by a name that there is not, it is, whatever the links."""
    ini = "[uplink:isp9]\ndevice=eth9\nbackup=isp4\n[uplink:isp4]\ndevice=eth4\n"
    before = wanted(Ve("101", (A,), "isp9"), ini=ini)
    nics = facts(LO, ETH0, ETH3, replace(ETH4, up=False), VENET0)
    after = wanted(Ve("101", (A,), uplink), ini=ini, known=nics)
    found = moves(after.ways, before.items, {"101": Record(RUNNING, 1.0, addresses=(A,))}, nics.nics)
    assert [m.loses for m in found] == ([True] if loses else [])


def test_a_ve_whose_note_says_starting_lives_once_it_is_routed():
    known = {"101": Record(STARTING, 1.0)}
    assert [m.loses for m in moves(CUT.ways, ETH3_OK.items, known, facts().nics, {A})] == [True]


TWO_NETS = facts(*NICS, nic("eth5", 9, "10.5.0.1/24"), nic("docker0", 10, "172.17.0.1/16", kind="bridge"),
                 gateways=(Gateway("192.168.18.1", "eth3"),),
                 main=[Route(4, MAIN, "10.0.0.0/8", "eth4", "192.168.18.9")])


@pytest.mark.parametrize("address, dev", [
    ("10.5.0.7", "eth5"), ("10.6.0.7", "eth4"), ("203.0.113.7", "eth3"), ("172.17.0.7", "eth3"), ("fd00::7", "")])
def test_main_s_nic_is_the_one_of_the_nearest_network_that_leads_off_the_node(address, dev):
    assert main_device(address, TWO_NETS) == dev


def test_half_of_all_addresses_is_nearer_than_the_default():
    main = [Route(4, MAIN, "default", "eth3"), Route(4, MAIN, "0.0.0.0/1", "eth4", metric=9)]
    assert main_device("9.9.9.9", facts(ETH3, ETH4, main=main)) == "eth4"


def test_without_a_way_there_is_no_nic():
    assert main_device("203.0.113.7", facts(ETH3, gateways=())) == ""
