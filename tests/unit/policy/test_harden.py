"""When the node's ARP is hardened, what is remembered, and what is given back."""

from dataclasses import replace

import pytest

from tests.unit.example import ETH0, ETH3, LO, VENET0, facts, nic
from vzhooks.model import Sysctl
from vzhooks.policy.harden import (
    FORCED,
    LATER,
    OFF,
    ON,
    STRICT_ALL,
    VALID_MARK,
    VENET,
    Hardening,
    Outcome,
    decide,
    drop_in,
    keys,
    read_keys,
    with_marks,
)

NICS = facts(LO, ETH0, ETH3, VENET0).nics
SOFT = dict.fromkeys(keys(NICS), "0")
HARD = {k: {"arp_ignore": "1", "arp_announce": "2", "rp_filter": "0"}[k.rpartition("/")[2]] for k in SOFT}


def outcome(before=Hardening(), order="", auto=False, force=False, nics=NICS, current=None):  # noqa: B008
    return decide(before, order, auto, force, nics, SOFT if current is None else current)


def values(found):
    return {s.key: s.value for s in found.wanted}


def named(nics, **more):
    return {k.split("/")[3] for k in keys({n.name: n for n in facts(*nics).nics.values()}, **more)}


VIP, WEB0, DOCKER = (nic("vip0", 9, "192.168.18.50/24", kind="bridge"), nic("web0", 9, kind="veth", ve=True),
                     nic("docker0", 9, "172.17.0.1/16", kind="bridge"))


@pytest.mark.parametrize("nics, hard", [
    ((LO, ETH0, ETH3, VENET0), {"eth0", "eth3", "default"}),
    ((LO, ETH0, VENET0), set()),
    ((LO, ETH0, nic("eth3", 3, "10.0.0.2/24"), VENET0), set()),
    ((LO, ETH0, nic("eth3", 3)), set()),
    ((LO, ETH0, ETH3, nic("eth4", 4)), {"eth0", "eth3", "default"}),
    ((LO, ETH0, ETH3, nic("eth4", 4, "10.0.0.2/24")), {"eth0", "eth3", "default"}),
    ((LO, nic("eth0", 2, "fd00:18::10/64"), nic("eth3", 3, "fd00:18::11/64")), set()),
    ((nic("eth0", 2, "192.168.18.10/24", "fd00:18::10/64"), nic("eth3", 3, "10.0.0.2/24", "fd00:18::11/64")), set()),
    ((LO, ETH0, ETH3, WEB0), {"eth0", "eth3", "default"}),
    ((LO, ETH0, ETH3, replace(WEB0, addresses=("192.168.18.50/24",))), {"eth0", "eth3", "default"}),
    ((LO, ETH0, ETH3, DOCKER, nic("docker1", 10, "172.17.0.2/16", kind="bridge")), {"eth0", "eth3", "default"}),
    ((LO, ETH0, ETH3, nic("eni12ab", 9, kind="veth")), {"eth0", "eth3", "default"}),
    ((LO, ETH0, ETH3, VIP), set()),
    ((LO, ETH0, ETH3, nic("tun0", 9, "192.168.18.50/24", kind="tun")), set()),
    ((nic("lo", 1, "192.168.18.50/32", loopback=True), ETH0, ETH3), set()),
    ((LO, ETH0, ETH3, nic("eth5", 5, "10.0.0.1/24"), nic("eth6", 6, "10.0.0.2/24"), VIP), {"eth5", "eth6", "default"}),
])
def test_nics_alone_that_share_a_lan_are_named(nics, hard):
    assert named(nics) == hard


def test_by_force_also_those_whose_lan_has_an_address_of_the_node_elsewhere():
    assert named((LO, ETH0, ETH3, VIP), forced=True) == {"eth0", "eth3", "default"}
    assert named((LO, ETH0, VIP), forced=True) == set()


def test_what_comes_later_inherits_the_loose_filter_alone():
    assert [k for k in keys(NICS) if "/default/" in k] == [LATER]


def test_what_is_read_is_all_that_it_decides_by():
    nics = facts(LO, ETH0, ETH3, VIP, WEB0).nics
    assert {STRICT_ALL, "net/ipv4/conf/eth0/arp_ignore", LATER} <= read_keys(nics, Hardening())
    before = Hardening(ON, {LATER: "1", "net/ipv4/conf/old0/arp_ignore": "0"})
    assert {"net/ipv4/conf/old0/arp_ignore"} <= read_keys(nics, before)


@pytest.mark.parametrize(("before", "order", "auto", "hard"), [
    ("", "", False, False), ("", "", True, True), ("", ON, False, True), (OFF, "", True, False), (OFF, ON, False, True),
    (ON, "", False, True),
])
def test_when_it_is_hardened(before, order, auto, hard):
    found = outcome(Hardening(before), order, auto)
    assert (found.hardening.mode == ON) is hard
    assert values(found) == (HARD if hard else {})


def test_the_values_found_first_are_remembered():
    first = outcome(order=ON).hardening
    assert first.former == {k: v for k, v in SOFT.items() if not k.endswith("rp_filter")}
    assert outcome(first, order=ON, current=HARD).hardening == first


def test_a_value_that_is_harder_already_stays():
    found = outcome(order=ON, current={**SOFT, "net/ipv4/conf/eth3/arp_ignore": "2"})
    assert values(found)["net/ipv4/conf/eth3/arp_ignore"] == "2"
    assert "net/ipv4/conf/eth3/arp_ignore" not in found.hardening.former


def test_undo_gives_back_the_former_values():
    found = outcome(outcome(order=ON).hardening, OFF, current=HARD)
    assert values(found) == {k: v for k, v in SOFT.items() if not k.endswith("rp_filter")}
    assert found.hardening == Hardening(OFF, values(found))


@pytest.mark.parametrize("order", ["", OFF])
def test_an_undo_that_was_cut_short_is_brought_to_its_end(order):
    """By the next run, whatever it is for; what is back is nobody's concern then."""
    begun = outcome(outcome(order=ON).hardening, OFF, current=HARD)
    half = {**HARD, **dict(list(values(begun).items())[:2])}
    again = outcome(begun.hardening, order, current=half)
    assert values(again) == dict(list(values(begun).items())[2:])
    done = outcome(again.hardening, order, current=SOFT)
    assert values(done) == {} and done.hardening == Hardening(OFF)
    assert outcome(begun.hardening, ON, current=half).hardening == Hardening(ON, values(begun))


@pytest.mark.parametrize(("everywhere", "here", "hard"), [
    ("0", "1", "2"), ("1", "0", "2"), ("1", "1", "2"), ("0", "0", "0"), ("0", "2", "2"), ("2", "1", "1"),
])
def test_a_strict_rp_filter_becomes_loose_and_comes_back(everywhere, here, hard):
    key, strict = "net/ipv4/conf/eth3/rp_filter", {"net/ipv4/conf/all/rp_filter": everywhere}
    found = outcome(order=ON, current={**SOFT, key: here, **strict})
    assert values(found)[key] == hard
    undone = outcome(found.hardening, OFF, current={**HARD, key: hard, **strict})
    assert values(undone).get(key, here) == here


def test_undo_leaves_what_somebody_changed():
    changed = "net/ipv4/conf/eth0/arp_announce"
    found = outcome(outcome(order=ON).hardening, OFF, current={**HARD, changed: "1"})
    assert changed not in values(found)
    assert changed in found.problems[0].text


def test_undo_passes_over_a_nic_that_is_gone():
    gone = {k: v for k, v in HARD.items() if "eth3" not in k}
    assert {k.split("/")[3] for k in values(outcome(Hardening(ON, SOFT), OFF, current=gone))} == {"eth0"}


VIPS = [nic("lo", 1, "192.168.18.99/32", loopback=True), nic("d0", 9, "10.0.0.9/32", kind="dummy")]


@pytest.mark.parametrize("vip", VIPS)
def test_an_address_that_would_go_unanswered_hinders(vip):
    nics = facts(LO, ETH0, ETH3, vip).nics
    found = outcome(auto=True, nics=nics)
    assert found.hardening == Hardening()
    assert vip.owns[0] in found.problems[0].text
    assert not found.problems[0].refuses
    assert outcome(order=ON, nics=nics).problems[0].refuses
    assert outcome(order=ON, force=True, nics=nics).hardening.mode == FORCED


def test_the_loopback_s_own_address_hinders_nothing_and_no_ipv6_address_does():
    nics = facts(nic("lo", 1, "127.0.0.1/8", "fd00:18::50/128", loopback=True), ETH0, ETH3).nics
    assert outcome(auto=True, nics=nics).hardening.on


def test_a_hardening_by_force_stays_so():
    nics = facts(LO, ETH0, ETH3, VIP).nics
    first = outcome(order=ON, force=True, nics=nics)
    assert values(first) == HARD
    again = outcome(first.hardening, nics=nics, current=HARD)
    assert again.hardening == first.hardening and values(again) == HARD and again.problems == ()
    assert outcome(first.hardening, OFF, nics=nics, current=HARD).hardening.mode == OFF


def test_a_portless_bridge_that_comes_later_gives_its_lan_back():
    first = outcome(order=ON).hardening
    found = outcome(first, nics=facts(LO, ETH0, ETH3, VIP).nics, current=HARD)
    assert values(found) == {k: "0" for k in HARD if not k.endswith("rp_filter")}
    assert found.hardening == Hardening(ON)


@pytest.mark.parametrize("nics", [
    (LO, ETH0, nic("eth3", 3, "10.0.0.2/24"), VENET0), (LO, ETH0, nic("eth3", 3, master="br0"), VENET0),
    (LO, ETH0, nic("eth3", 3, kind="veth", ve=True)), (LO, ETH0, nic("eth3", 3))])
def test_what_was_set_is_given_back_when_a_device_is_something_else(nics):
    first = outcome(order=ON).hardening
    assert first.former
    found = outcome(first, nics=facts(*nics).nics, current=HARD)
    assert values(found) == first.former and found.hardening == Hardening(ON)


def test_what_somebody_changed_meanwhile_stays_when_a_device_is_something_else():
    key = "net/ipv4/conf/eth3/arp_ignore"
    found = outcome(outcome(order=ON).hardening, nics=facts(LO, ETH0).nics, current={**HARD, key: "3"})
    assert key not in values(found) and found.hardening.former == {key: "0"}


@pytest.mark.parametrize("default, later", [("1", "2"), ("0", "0"), ("2", "2")])
def test_a_nic_that_comes_later_is_not_silent(default, later):
    """The others answer for it no more; with a strict filter nobody would."""
    found = outcome(order=ON, current={**SOFT, LATER: default})
    assert values(found)[LATER] == later
    assert (LATER in found.hardening.former) is (default == "1")
    undone = outcome(found.hardening, OFF, current={**HARD, LATER: later})
    assert values(undone).get(LATER, default) == default


def test_what_a_strict_filter_did_for_ves_own_devices_is_told():
    """They inherit the loose one from then on, and the guard does it in its place."""
    assert outcome(order=ON, current={**SOFT, LATER: "1"}).hardening.strict
    assert not outcome(order=ON, current={**SOFT, LATER: "2"}).hardening.strict
    assert not Hardening("off", {LATER: "1"}).strict


def test_the_drop_in_writes_names_with_dots_rightly():
    assert "-net/ipv4/conf/eth0.7/arp_ignore = 1\n" in drop_in([Sysctl("net/ipv4/conf/eth0.7/arp_ignore", "1")])


@pytest.mark.parametrize("before, marked, now, unmarked, wanted", [
    ("", True, "0", "0", "1"), ("0", True, "1", "0", "1"), ("", True, "1", "", "1"),
    ("0", False, "1", "0", "0"), ("0", False, "0", "", None), ("", False, "1", "", None), ("", False, "0", "", None)])
def test_what_marks_need_is_remembered_until_it_is_given_back(before, marked, now, unmarked, wanted):
    known = Hardening(unmarked=before)
    found = with_marks(Outcome(known), known, marked, {VALID_MARK: now})
    assert found.hardening.unmarked == unmarked and values(found) == ({VALID_MARK: wanted} if wanted else {})


@pytest.mark.parametrize("venet, before, told", [
    ("1", Hardening(), True), ("0", Hardening(), False), (None, Hardening(), True), ("2", Hardening(ON), False),
    ("2", Hardening(ON, {VENET: "1"}), True)])
def test_a_strict_filter_of_venet0_is_remembered_at_first(venet, before, told):
    current = {**SOFT, LATER: "1", STRICT_ALL: "0", **({VENET: venet} if venet else {})}
    found = outcome(before, order=ON, current=current)
    assert (VENET in found.hardening.former) is told
    assert values(found).get(VENET) == ("1" if told and venet == "2" else None)


def test_a_value_that_is_back_already_is_nobodys_change():
    found = outcome(Hardening(ON, dict.fromkeys(HARD, "0")), order=OFF, current=SOFT)
    assert found.problems == () and not found.hardening.on
