"""What a first change does to those who asked for nothing is asked before and after it, and said."""

from dataclasses import replace

import pytest

from tests.unit.example import ETH3, LO, NICS, VENET0, facts, nic, wanted
from vzhooks.model import MAIN, Element, Lookup, Route, Rule, Ve
from vzhooks.policy.compare import FAR, Flow, begins, differences, flows
from vzhooks.policy.foreign import Other
from vzhooks.policy.harden import OFF, ON, Hardening
from vzhooks.policy.uplinks import Way

DOCKER = nic("docker0", 20, "172.17.0.1/16", kind="bridge")
A, B, GUEST = "192.168.18.101", "192.168.18.105", "172.17.0.2"
KNOWN = facts(*NICS, DOCKER, local=[A, B])
PLAIN, CUT = Way(Ve("105", (B,)), "unassigned"), Way(Ve("101", (A,)), "blocked")
ASSIGNED = Way(Ve("101", (A,), "eth3"), "ok")
LAN = ("eth0", "eth3", "eth4")


def asked(known=KNOWN, *ways):
    return {(f.src, f.dst, f.iifs) for f in flows(known, ways)}


@pytest.mark.parametrize("flow", [
    ("192.168.18.11", FAR[4], ()), ("192.168.18.11", "192.168.18.1", ()), (FAR[4], "192.168.18.11", LAN),
    (B, FAR[4], ("venet0",)), (FAR[4], B, LAN), (B, "192.168.18.10", ("venet0",)), (B, A, ("venet0",)),
    (A, B, ("venet0",)), (GUEST, FAR[4], ("docker0",)), (FAR[4], GUEST, LAN), ("", GUEST, ()),
    (GUEST, B, ("docker0",)), (GUEST, A, ("docker0",)), (A, GUEST, ("venet0",)), (B, GUEST, ("venet0",))])
def test_the_node_its_guests_and_ves_without_uplink_are_asked_about_in_and_out(flow):
    assert flow in asked(KNOWN, PLAIN, ASSIGNED)


def test_where_others_rules_lead_is_asked_about_as_well():
    named = replace(KNOWN, others=(Other(4, 32000, "lookup 300", 300, dst="10.9.0.0/16"),
                                   Other(6, 32000, "lookup 300", 300, dst="fd09::/64")))
    assert {(B, "10.9.0.2", ("venet0",)), ("192.168.18.11", "10.9.0.2", ())} <= asked(named, PLAIN)
    six = facts(LO, replace(ETH3, addresses=("fd00:18::11/64",)), VENET0)
    assert ("fd00:18::11", "fd09::2", ()) in asked(replace(six, others=named.others))


def test_each_is_asked_about_within_his_family():
    six = facts(*NICS, DOCKER, nic("eth9", 9, "fd00:18::11/64"), local=[A, B, "fd00:18::105"])
    found = asked(replace(six, others=(Other(6, 32000, "lookup 300", 300, dst="fd09::/64"),)), PLAIN)
    assert [f for f in found if f[0] and (":" in f[0]) != (":" in f[1])] == []


def test_who_is_cut_off_himself_is_not_asked_about():
    assert not [f for f in asked(KNOWN, CUT) if A in f]


def test_a_guest_s_network_of_one_address_is_asked_about_by_it():
    known = facts(*NICS, nic("lxd7", 21, kind="veth"), main=[Route(4, MAIN, "10.1.0.7/32", "lxd7")])
    assert {f.src for f in flows(known, ()) if f.iifs == ("lxd7",)} == {"10.1.0.7"}


ONE, TWO = Flow("the node's .11", "192.168.18.11", FAR[4]), Flow("the guest", GUEST, FAR[4], ("docker0",))
VE, BACK = Flow("the unassigned", B, FAR[4], ("venet0",), True), Flow("x to y", FAR[4], B, LAN, True)
BY0, BY3, LOST = Lookup(254, "eth0", "192.168.18.1"), Lookup(9, "eth3", "192.168.18.1"), Lookup(error="No route")


def lines(before, after, reserved=()):
    return tuple(list(found.values()) for found in differences(before, after, reserved))


def test_what_differs_is_said_and_what_is_lost_apart():
    assert lines({ONE: BY0, TWO: BY0}, {ONE: BY3, TWO: LOST}) == (
        [f"the node's .11 to {FAR[4]}: eth0 via 192.168.18.1 -> eth3 via 192.168.18.1"],
        [f"the guest to {FAR[4]}: eth0 via 192.168.18.1 -> No route"])


def test_what_went_nowhere_before_is_no_loss():
    assert lines({ONE: LOST}, {ONE: LOST}) == ([], [])
    assert lines({ONE: LOST}, {ONE: BY0}) == ([f"the node's .11 to {FAR[4]}: No route -> eth0 via 192.168.18.1"], [])


@pytest.mark.parametrize("reserved, lost", [((), [VE, BACK]), (("eth0",), []), (("eth3",), [VE, BACK])])
def test_that_a_ve_leaves_by_no_reserved_device_is_what_was_asked_for(reserved, lost):
    """Nor do answers come to it from there, where a filter looks at the way back."""
    before, after = {VE: BY0, BACK: Lookup(254, "venet0")}, {VE: LOST, BACK: LOST}
    assert list(differences(before, after, reserved)[1]) == lost
    assert list(differences({TWO: BY0}, {TWO: LOST}, reserved)[1]) == [TWO]


FIRST, KEPT = wanted(Ve("101", (A,), "eth3")).items, wanted(ini="[node]\nreserved=eth0\n").items


@pytest.mark.parametrize("found, goal, before, after, new", [
    ((), FIRST, "", "", True), (FIRST, FIRST, "", "", False), (FIRST, FIRST | KEPT, "", "", True),
    ([i for i in FIRST if not isinstance(i, Rule)], FIRST, "", "", False),
    ([i for i in KEPT if not isinstance(i, Rule)], KEPT, ON, ON, False),
    ([i for i in KEPT if isinstance(i, (Rule, Element))], KEPT, "", "", True),
    (FIRST, FIRST, "", ON, True), ((), (), ON, ON, False), (FIRST, (), ON, OFF, False)],
    ids=["first", "same", "reserved", "rules_flushed", "rules_flushed_too", "guard", "hardening", "hardened", "undone"])
def test_what_was_there_and_is_brought_back_is_no_first_change(found, goal, before, after, new):
    assert begins(found, goal, Hardening(before), Hardening(after)) is new
