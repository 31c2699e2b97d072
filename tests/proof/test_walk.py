# SPDX-License-Identifier: GPL-2.0-or-later
"""A short walk at random, and walks that once went wrong or are worth a look each time."""

import pytest
from hypothesis import Phase

from tests.proof import machine
from tests.proof.values import Way
from tests.proof.walk import FAILED, Walk, replay

WALKS = {
    "a move, and a layer lost": [
        ("configure", "101", "eth3", 0), ("start", "101"), ("start", "102"), ("flush", "rules", 0),
        ("resync", False), ("flush", "nft", 0), ("assign", "101", "eth4", False), ("resync", False), ("stop", "101")],
    "a NIC that changes its name": [
        ("configure", "101", "eth3", 0), ("start", "101"), ("rename",), ("resync", True), ("rename",),
        ("resync", False), ("replace", "eth3", 0), ("resync", False), ("link", "eth3"), ("resync", True),
        ("link", "eth3"), ("resync", True)],
    "an ini with an error": [
        ("ini", 5), ("configure", "101", "eth3", 0), ("start", "101"), ("ini", 6), ("restart", "101"),
        ("resync", False), ("ini", 7), ("start", "102"), ("carrier", "eth3"), ("ini", 5), ("resync", False)],
    "addresses that come and go": [
        ("ini", 1), ("configure", "101", "eth3", 0), ("start", "101"), ("ipadd", "101", False), ("resync", False),
        ("ipadd", "101", True), ("ipdel", "101", True), ("crash", "101"), ("start", "101")],
    "deaths": [
        ("configure", "101", "eth3", 0), ("hook_dies", "101", "vps.mount", 9), ("start", "101"),
        ("resync_dies", 3), ("resync", False), ("hook_dies", "101", "vps.umount", 4), ("start", "101"),
        ("vzctl_dies", "101", False), ("uninstall",), ("start", "101"), ("install",)],
    "a full disk, and a resync that need not be done twice": [
        ("ini", 1), ("configure", "102", "eth4", 0), ("start", "102"), ("disk",), ("vzctl_dies", "103", False),
        ("start", "103"), ("disk",), ("resync", True), ("address", "eth3"), ("configure", "101", "eth3", 0),
        ("start", "101"), ("ini", 0), ("resync", True), ("configure", "101", "nosuch", 0), ("link", "eth4"),
        ("resync", True)],
    "frames that waited for a neighbour while there was no vzhooks": [
        ("configure", "102", "eth3", 0), ("start", "102"), ("carrier", "eth0"), ("uninstall",), ("install",),
        ("carrier", "eth0"), ("resync", True)],
}


@pytest.mark.parametrize("steps", WALKS.values(), ids=WALKS)
def test_a_walk_holds(world, steps):
    replay(world, steps)


def test_what_leaves_by_a_wrong_nic_is_told(world):
    walk = Walk(world)
    for act, *arguments in (("configure", "101", "eth3", 0), ("start", "101")):
        walk.step(act, *arguments)
    world.model.ves["101"].ways = frozenset({Way("eth4")})
    with pytest.raises(AssertionError, match="192.168.18.101 left by eth3"):
        walk.step("umount", "103")  # which does nothing
    FAILED.clear()
    assert world.reset() == []


def test_a_walk_at_random_holds(lender):
    counts, lender.world = machine.run(lender.world, 20, 7, phases=(Phase.generate,))
    assert counts["steps"] >= 15 and counts["packets"] > 0
