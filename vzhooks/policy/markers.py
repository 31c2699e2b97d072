# SPDX-License-Identifier: GPL-2.0-or-later
"""Judge what rules of others in nftables do with marks: which of them make it impossible to route by ours. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

ALL = 0xFFFFFFFF
FIB, FIB_MARK = "fib", "fib mark"
"""What a rule asks by that looks up sources: without marks, or with them."""


@dataclass(frozen=True)
class Marker:
    """Hold what one rule of somebody else has to do with marks.

    table: with its family; hooks: name and priority of each base chain that leads to it; asks: how it looks up sources,
    "" for one that writes: then the mark becomes (old & kept) ^ sets, but for the bits `unknown` of `sets`, which come
    from elsewhere.
    """

    table: str
    chain: str
    hooks: tuple[tuple[str, int], ...]
    kept: int = ALL
    sets: int = 0
    asks: str = ""
    unknown: int = 0


ROUTE = "route"
"""The output hook of a chain that has packets routed anew where their mark changed."""


class _Place(Enum):
    """Say where a hook is, seen from the chains in which we mark what comes in and what the node makes."""

    BEFORE = 1
    SAME = 2
    BEHIND = 3
    MADE = 4  # what the node itself sends, and does not route anew by it behind ours
    FORWARD = 5  # here and elsewhere packets have found their way
    ELSEWHERE = 6


_PLACES = {"ingress": _Place.BEFORE, "output": _Place.MADE, "forward": _Place.FORWARD}
# With br_netfilter a bridge has our chain called between its own; to ARP we give marks in its input hook.
_OTHER_PLACES = {("bridge", "prerouting"): _Place.BEHIND, ("bridge", "input"): _Place.BEHIND,
                 ("arp", "input"): _Place.BEHIND}


def why(markers: Iterable[Marker], mask: int, marking: int, making: int) -> str:
    """Return a line about the first rule beside which marks cannot be used, "" for none.

    mask: the bits that are ours; marking, making: the priorities of our chains in prerouting and output.
    """
    for marker in markers:
        harm = _harm(marker, mask, set(_places(marker, marking, making)))
        if harm:
            return f"a rule of nftables table {marker.table}, chain {marker.chain}, {harm}"
    return ""


def _places(marker: Marker, marking: int, making: int) -> Iterator[_Place]:
    family = marker.table.partition(" ")[0]
    for hook, priority in marker.hooks:
        if family in ("bridge", "arp"):
            yield _OTHER_PLACES.get((family, hook), _Place.ELSEWHERE)
        elif hook == "prerouting":
            # Which of two chains of one priority comes first is told by which was made last.
            yield _Place.BEFORE if priority < marking else _Place.SAME if priority == marking else _Place.BEHIND
        elif hook == ROUTE:
            yield _Place.MADE if priority < making else _Place.BEHIND
        else:
            yield _PLACES.get(hook, _Place.ELSEWHERE)


def _harm(marker: Marker, mask: int, places: set[_Place]) -> str:
    if marker.asks:
        blind = {_Place.BEFORE, _Place.SAME, _Place.FORWARD} | ({_Place.BEHIND} if marker.asks == FIB else set())
        return "looks up sources (fib saddr) without the marks of vzhooks" if places & blind else ""
    if places & {_Place.SAME, _Place.BEHIND} and (ALL ^ marker.kept | marker.sets) & mask:
        return "writes marks behind those of vzhooks"
    # One before ours is overwritten, and so what it means by our bits is lost.
    if places & {_Place.BEFORE, _Place.MADE} and marker.sets & ~marker.unknown & mask:
        return f"sets marks within mark_mask {mask:#010x}"
    return ""
