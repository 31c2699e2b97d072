# SPDX-License-Identifier: GPL-2.0-or-later
"""Lay out what a run changes: by VE and for the node itself, a line each with + - or ~ before it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from vzhooks.errors import printable
from vzhooks.model import Element, Item, Proxy, Route, Rule, Skeleton, Sysctl
from vzhooks.policy import guard
from vzhooks.policy.plan import ADD, DELETE, REPLACE, Op, address_of
from vzhooks.policy.priorities import ENTER, FROM_DEVICE, NOWHERE
from vzhooks.run.request import Report

SIGNS = {ADD: "+", DELETE: "-", REPLACE: "~"}
COLOURS = {ADD: "32", DELETE: "31", REPLACE: "33"}
NODE = ""
_OF_DEVICE = ("held", "ways", "strict", "beyond")


def render(report: Report, colour: bool = False) -> str:
    """Return the changes as text: the node's own first, then each VE's with where it moves; "" for none."""
    groups = _grouped(report)
    moves = {m.ctid: str(m) for m in report.moves}
    text = []
    for ctid in sorted(groups, key=lambda c: (c != NODE, len(c), c)):
        head = printable(moves.get(ctid, f"VE {ctid}")) if ctid else "the node"
        text += [head, *(_line(op, report.found, colour) for op in groups[ctid])]
    return "\n".join(text)


def _grouped(report: Report) -> dict[str, list[Op]]:
    """Return the changes by the VE that they serve, in their order."""
    groups: dict[str, list[Op]] = {}
    owners = _owners(report)
    for op in report.ops:
        groups.setdefault(owners.get(address_of(op.item) or _device(op.item), NODE), []).append(op)
    return groups


def _owners(report: Report) -> Mapping[str, str]:
    """Return the VE by each of its addresses and devices, as it was before where nobody has it now."""
    owners = {}
    for records in (report.known, report.records):
        for ctid, record in records.items():
            owners.update(dict.fromkeys((*record.all, *record.devices), ctid))
    for way in report.ways:
        owners.update(dict.fromkeys((*way.ve.addresses, *way.ve.devices), way.ve.ctid))
    return owners


def _device(item: Item) -> str:
    """Return the device that an item is about, where it may be a VE's own."""
    if isinstance(item, Rule) and item.priority in (ENTER, FROM_DEVICE, NOWHERE):
        return item.iif
    return item.value[0] if isinstance(item, Element) and item.set in _OF_DEVICE else NODE


def _line(op: Op, found: Iterable[Item], colour: bool) -> str:
    former = next((i for i in found if _place(i) == _place(op.item)), None) if op.verb == REPLACE else None
    text = f"{SIGNS[op.verb]} {_words(op.item)}" + (f" (was {_value(former)})" if former else "")
    return f"  \x1b[{COLOURS[op.verb]}m{printable(text)}\x1b[0m" if colour else f"  {printable(text)}"


def _place(item: Item) -> object:
    """Return what an item replaces the former one of: each of these there is once."""
    if isinstance(item, Element):
        return (item.set, item.value[:-1] if guard.is_map(item) else item.value)
    return item.key if isinstance(item, (Route, Sysctl)) else item


def _words(item: Item) -> str:
    """Return an item as ip(8), nft(8) or sysctl(8) shows it, without the mark that says it is ours."""
    if isinstance(item, Skeleton):
        return f"nft table {' and '.join(f'{family} {guard.NAME}' for family in guard.FAMILIES)}"
    if isinstance(item, Element):
        return f"nft {guard.place(item.set)} {guard.element_text(item)}"
    if isinstance(item, Sysctl):
        return f"sysctl {item}"
    kind = {Rule: "rule", Route: "route", Proxy: "neigh"}[type(item)]
    return " ".join(_unmarked(f"ip {'-6 ' if item.family == 6 else ''}{kind} {item}"))


def _unmarked(text: str) -> Iterator[str]:
    words = iter(text.split())
    for word in words:
        if word in ("proto", "protocol"):
            next(words, None)
        else:
            yield word


def _value(item: Item) -> str:
    """Return what stood there before."""
    if isinstance(item, Sysctl):
        return item.value
    return guard.element_text(item) if isinstance(item, Element) else _words(item).partition(" route ")[2]
