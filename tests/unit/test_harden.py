"""When the node's ARP is hardened, what is remembered, and what is given back."""

import pytest

from tests.unit.node import ETH0, ETH3, LO, VENET0, facts, nic
from vzhooks.harden import OFF, ON, Hardening, decide, drop_in, keys
from vzhooks.model import Sysctl

NICS = facts(LO, ETH0, ETH3, VENET0).nics
SOFT = dict.fromkeys(keys(NICS), "0")
HARD = {k: {"arp_ignore": "1", "arp_announce": "2", "rp_filter": "0"}[k.rpartition("/")[2]] for k in SOFT}


def outcome(before=Hardening(), order="", auto=False, force=False, nics=NICS, current=None):  # noqa: B008
    return decide(before, order, auto, force, nics, SOFT if current is None else current)


def values(found):
    return {s.key: s.value for s in found.wanted}


def test_lan_nics_alone_are_named():
    assert {k.split("/")[3] for k in keys(NICS)} == {"eth0", "eth3"}


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
    assert found.hardening == Hardening(OFF)


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
    assert outcome(order=ON, force=True, nics=nics).hardening.mode == ON


def test_the_drop_in_writes_names_with_dots_rightly():
    assert "-net/ipv4/conf/eth0.7/arp_ignore = 1\n" in drop_in([Sysctl("net/ipv4/conf/eth0.7/arp_ignore", "1")])
