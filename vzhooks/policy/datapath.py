# SPDX-License-Identifier: GPL-2.0-or-later
"""Decide how packets find their uplink: by a rule for each VE address, or by a map of marks and a rule an uplink. Pure.

A mark is some bits of a packet's fwmark, those of `mark_mask`; `layout.Layout` tells what they mean.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from vzhooks.config.settings import Settings
from vzhooks.model import Item, Problem, Rule
from vzhooks.policy import layout, markers
from vzhooks.policy.facts import Facts
from vzhooks.policy.layout import Layout
from vzhooks.policy.priorities import BY_MARK
from vzhooks.policy.tables import uplink_key
from vzhooks.policy.uplinks import Way, every

RULE, MAP, AUTO = "rule", "map", "auto"
MANY, FEW = 10, 6
"""From so many addresses on `auto` takes the map, and below so few the rules again: by what `python -m bench` shows."""
OUTGROWN = 64
"""From so many on rules cost a packet much."""


@dataclass(frozen=True)
class Datapath:
    """Hold the datapath of a node; mask: the bits that marks may use, 0 for rules.

    numbers: mark by uplink; shared: all VEs are behind venet0.
    """

    mask: int = 0
    numbers: Mapping[str, int] = field(default_factory=dict)
    shared: bool = False

    @cached_property
    def layout(self) -> Layout:
        """Return the sets and chains of the guard."""
        bare = layout.layout(self.mask)
        marks = {*self.numbers.values(), bare.closed, bare.passes} if self.mask else set()
        return layout.layout(self.mask, tuple(sorted(marks)), self.shared)

    def mark(self, way: Way | None) -> int:
        """Return the mark of packets of a way; None for those that main decides about."""
        bare = self.layout
        return bare.passes if way is None else self.numbers[way.uplink.name] if way.uplink else bare.closed


RULES = Datapath()


def spread(number: int, mask: int) -> int:
    """Return a number's bits in the places that a mask has, the lowest first."""
    found = 0
    while number:
        low = mask & -mask
        found |= low if number & 1 else 0
        number, mask = number >> 1, mask ^ low
    return found


def capacity(mask: int) -> int:
    """Return how many uplinks a mask has marks for."""
    return max(0, (1 << bin(mask).count("1") - 2) - 4) if bin(mask).count("1") > 2 else 0


def decide(settings: Settings, facts: Facts, ways: Iterable[Way], found: Iterable[Item], tables: Mapping[str, int],
           whole: bool) -> tuple[Datapath, list[Problem]]:
    """Return the datapath that a node should have, and what stands in the way of the one asked for.

    found: what is in the kernel; whole: all VEs of the node are among the ways, else a map or rules stay what they are.
    """
    bits = layout.layout(settings.mark_mask).bits
    marked = {r.table: r.mark[0] for r in found if isinstance(r, Rule) and r.priority == BY_MARK
              and r.mark and r.mark[1] == bits}
    if settings.datapath == RULE or not _many(settings, ways, bool(marked), whole):
        return RULES, []
    names = {u.name for u in every(settings, facts.nics)} | {w.uplink.name for w in ways if w.uplink}
    why = hindrance(settings, facts, names)
    if why:
        return RULES, [Problem("", f"[node] datapath = map: {why}; rules are used")] if settings.datapath == MAP else []
    known = {n: marked[tables[uplink_key(n)]] for n in names if tables.get(uplink_key(n)) in marked}
    return Datapath(settings.mark_mask, _numbers(names, known, settings.mark_mask), facts.shared), []


def _many(settings: Settings, ways: Iterable[Way], is_map: bool, whole: bool) -> bool:
    if not whole:
        return is_map
    if settings.datapath == MAP:
        return True
    held = sum(len(w.ve.addresses) for w in ways if w.state != "unassigned")
    return held >= (FEW if is_map else MANY)


def hindrance(settings: Settings, facts: Facts, names: Iterable[str]) -> str:
    """Return why marks cannot be used on this node, "" where they can."""
    mask = settings.mark_mask
    theirs = next((o for o in facts.others if o.mark and not (o.inverted and not o.mark[0] & mask)), None)
    if theirs:
        return f"another's rule goes by marks as well ({theirs.named}), which src_valid_mark = 1 would change"
    count = len(set(names))
    if count > capacity(mask):
        return f"mark_mask {mask:#010x} has marks for {capacity(mask)} uplinks, and there are {count}"
    return markers.why(facts.markers, mask, layout.MARKING, layout.MAKING)


def _numbers(names: Iterable[str], known: Mapping[str, int], mask: int) -> dict[str, int]:
    """Return a mark for each uplink: the one that its rule has, else by its name."""
    bits, count, given = layout.layout(mask).bits, capacity(mask), dict(known)
    for name in sorted(set(names) - set(given)):
        start = zlib.crc32(name.encode())
        marks = (spread((start + step) % count + 1, bits) for step in range(count))
        given[name] = next(m for m in marks if m not in given.values())
    return given
