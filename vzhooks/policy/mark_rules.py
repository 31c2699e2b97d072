# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of map mode: as many as there are uplinks and devices; `priorities` has their order. Pure.

What comes from VEs has a mark by then, and what has none goes nowhere: so nothing leaves a wrong way where nftables
was flushed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from vzhooks.config.settings import Settings
from vzhooks.model import MAIN, Rule, Uplink
from vzhooks.policy import priorities as at
from vzhooks.policy.datapath import Datapath
from vzhooks.policy.facts import Facts
from vzhooks.policy.layout import SHARED
from vzhooks.policy.roles import INSIDE
from vzhooks.policy.rules import around, sides
from vzhooks.policy.tables import LESS, uplink_key
from vzhooks.policy.uplinks import Way, used

NEAR = {4: 31, 6: 127}
"""All but host routes."""


def of_ways(ways: Iterable[Way], facts: Facts, settings: Settings, tables: Mapping[str, int],
            by: Datapath) -> Iterator[Rule]:
    """Return the rules of all VEs."""
    ways, bits, local, passes = list(ways), by.layout.bits, by.layout.local, (by.layout.passes, by.layout.bits)
    for family in facts.families:
        yield Rule(family, at.UNMARKED, mark=(0, bits), goto=at.OUTSIDE)
        for mark in (by.layout.passes, by.layout.seen):
            yield Rule(family, at.UNMARKED, mark=(mark, bits), goto=at.PAST)
        yield Rule(family, at.LOCAL_MARK, MAIN, mark=(local, local), suppress=NEAR[family])
        # A filter of sources asks so about what a VE sends to the node itself, and one of nftables about all.
        yield Rule(family, at.LOCAL_MARK, MAIN, iif="lo", suppress=NEAR[family])
        for uplink in used(ways):
            yield from _of_uplink(family, uplink, tables[uplink_key(uplink.name)], by, not facts.theirs)
        closed = (by.layout.closed | by.layout.made, by.mask)
        yield Rule(family, at.MADE_NOWHERE, iif="lo", mark=closed, unreachable=True)
        yield Rule(family, at.OF_NODE, iif="lo", goto=at.PAST)
        yield Rule(family, at.NO_WAY, unreachable=True)
        yield Rule(family, at.PAST)
        yield from _by_device(family, ways, facts)
        if settings.reserved:
            yield Rule(family, at.UNASSIGNED, mark=passes, goto=at.BEHIND)
            yield Rule(family, at.NEAR_MARK, MAIN, suppress=NEAR[family])
            yield from around(family, tables[LESS])


def _of_uplink(family: int, uplink: Uplink, table: int, by: Datapath, alone: bool) -> Iterator[Rule]:
    """Return the rules of one uplink; alone: nobody else has rules."""
    number, bits = by.numbers[uplink.name], by.layout.bits
    made = (number | by.layout.made, by.mask)  # by the node in a VE's name
    if by.shared:  # the way of nearly all packets, so it comes first
        yield Rule(family, at.OUT, table, iif=SHARED, mark=(number, bits | by.layout.local))
    if family == 4 and alone:  # rp_filter is served at once; `_by_device` would do, and does behind rules of others
        yield Rule(family, at.BACK, MAIN, iif=uplink.device, mark=(number, bits), suppress=NEAR[family])
    yield Rule(family, at.MADE, table, iif="lo", mark=made)
    yield Rule(family, at.MADE_NOWHERE, iif="lo", mark=made, unreachable=True)
    yield Rule(family, at.BY_MARK, table, mark=(number, bits))


def _by_device(family: int, ways: Iterable[Way], facts: Facts) -> Iterator[Rule]:
    """Return what is done by the device that a packet comes in by; without a mark and by an unknown one it passes by.

    A filter of sources (rp_filter) asks for the way back of what a VE sends as if it came in where it is to go out, and
    with its mark: so by where VEs' packets leave main decides whatever the mark.
    """
    veside = sides(ways, facts.nics)
    out = {n.name for n in facts.lan} | {n.name for n in facts.nics.values() if n.role == INSIDE}
    for device in out - veside:
        yield Rule(family, at.ARRIVING, iif=device, goto=at.PAST)
    for device in veside:
        yield Rule(family, at.OUTSIDE, iif=device, unreachable=True)
