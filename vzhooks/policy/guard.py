# SPDX-License-Identifier: GPL-2.0-or-later
"""The second layer: our two nftables tables as text, and back from `nft -j`. Runs nothing.

What they hold `layout` says. A guard is told by a fingerprint in its rules' comments.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from vzhooks.errors import KernelError
from vzhooks.model import Element, Item, Skeleton
from vzhooks.policy import layout
from vzhooks.policy.layout import FAMILIES, SETS, TARGET, Layout

NAME = "vzhooks"

REASONS = {
    "reserved": "to a reserved device", "uplink": "by another device than the VE's uplink",
    "spoofed": "with a VE's address, from elsewhere", "unknown": "from an address of no VE, on a closed node",
    "arp": "who-has that another NIC answers", "ndp": "solicitations that another NIC answers",
}
"""Why packets are dropped, each with a counter of its own: its name and, in words, which packets those are."""
_COUNTERS = {"inet": ("reserved", "uplink", "spoofed", "unknown", "ndp"), "arp": ("arp",)}
Dropped = Mapping[str, "tuple[int, int]"]
"""Packets and bytes by reason."""
NOTHING: Dropped = {}
ALTERED = Skeleton("altered")


def full(skeleton: Skeleton, elements: Iterable[Element], dropped: Dropped = NOTHING) -> str:
    """Return the nft(8) input that puts both tables in place in one transaction; dropped: what was counted so far."""
    given = layout.of(skeleton)
    return remove() + "".join(_table(family, given, dropped) for family in FAMILIES) + changes(elements, ())


def remove() -> str:
    """Return the nft(8) input that removes both tables, be they there or not."""
    return "".join(f"add table {f} {NAME}\ndelete table {f} {NAME}\n" for f in FAMILIES)


def _table(family: str, given: Layout, dropped: Dropped) -> str:
    text = "".join("  counter drop_{} {{ packets {} bytes {}; }}\n".format(reason, *dropped.get(reason, (0, 0)))
                   for reason in _COUNTERS[family])
    text += "".join(f"  {_sort(kind)} {_bare(name)} {{ {kind}; }}\n" for name, kind in given.sets.items()
                    if _family(name) == family)
    comments = iter(given.comments[family])
    for (table, chain, hook), rules in given.chains.items():
        if table == family:
            head = f"    {hook}; policy accept;\n" if hook else ""
            lines = "".join(f'    {rule} comment "{next(comments)}"\n' for rule in rules)
            text += f"  chain {chain} {{\n{head}{lines}  }}\n"
    return f"table {family} {NAME} {{\n{text}}}\n"


def _sort(kind: str) -> str:
    return "map" if " : " in kind else "set"


@cache
def _kinds(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the types of a set's keys, and of what they stand for."""
    key, _, data = SETS[name].partition(" ")[2].partition(" : ")
    return tuple(key.split(" . ")), (data,) if data else ()


def _family(name: str) -> str:
    return "arp" if name.startswith("arp:") else "inet"


def _bare(name: str) -> str:
    return name.rpartition(":")[2]


def changes(add: Iterable[Element], delete: Iterable[Element], replace: Iterable[Element] = ()) -> str:
    """Return the nft(8) input that adds, deletes and replaces elements; empty for none."""
    add, again = list(add), list(replace)
    gone = "".join(f"delete element {place(e.set)} {{ {key_text(e)} }}\n" for e in again)
    return gone + "".join(f"{verb} element {place(name)} {{ {', '.join(values)} }}\n"
                          for verb, elements in (("add", add + again), ("delete", delete))
                          for name, values in _by_set(elements).items())


def is_map(element: Element) -> bool:
    """Tell whether the element has a key, of which there can be but one."""
    return _sort(SETS[element.set]) == "map"


def key_text(element: Element) -> str:
    """Return the key of a map's element as nft(8) writes it."""
    return element_text(element).partition(" : ")[0]


def place(name: str) -> str:
    """Return family, table and set as nft(8) names a set of ours."""
    return f"{_family(name)} {NAME} {_bare(name)}"


def element_text(element: Element) -> str:
    """Return one element's value as nft(8) writes it."""
    keys, data = _kinds(element.set)
    texts = [_text(kind, value) for kind, value in zip(keys + data, element.value)]
    return " : ".join([" . ".join(texts[:len(keys)]), *texts[len(keys):]])


def _text(kind: str, value: str) -> str:
    if kind == TARGET:
        return f"0x{int(ipaddress.IPv6Address(value)):032x}"
    return f'"{value}"' if kind in ("ifname", "iifname") else f"goto {value}" if kind == "verdict" else value


def _by_set(elements: Iterable[Element]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for element in sorted(elements, key=lambda e: (e.set, e.value)):
        grouped.setdefault(element.set, []).append(element_text(element))
    return grouped


def parse(listings: Mapping[str, str]) -> frozenset[Item]:
    """Return the Skeleton and Elements found in `nft -j list table` output, by family.

    A family without a listing has no table of ours. Raises KernelError where the output is not what
    libnftables-json(5) says.
    """
    if not listings:
        return frozenset()
    tables, elements = {}, []
    for family, text in listings.items():
        try:
            tables[family] = found = _Table(family, json.loads(text)["nftables"])
            elements += [e for name, raw in found.sets.items() if name in SETS for e in _elements(name, raw)]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            line = f"nft -j list table {family} {NAME}: cannot read its output ({error!r}); check nft's version"
            raise KernelError(line) from None
    return frozenset([skeleton_of(tables), *elements])


class _Table:
    """Hold what a listing says of one table."""

    def __init__(self, family: str, items: list[Mapping]) -> None:
        self.family = family
        self.sets = {key_of(family, i[k]["name"]): i[k] for i in items for k in ("set", "map") if k in i}
        self.live = not any("flags" in i["table"] for i in items if "table" in i)
        self.chains = {(c["name"], _hook(c)) for c in (i["chain"] for i in items if "chain" in i)}
        self.comments = [str(i["rule"].get("comment", "?")) for i in items if "rule" in i]

    def is_of(self, given: Layout) -> bool:
        """Tell whether it is what a layout says."""
        chains = {(name, hook and f"{hook} policy accept") for f, name, hook in given.chains if f == self.family}
        sets = {n for n in given.sets if _family(n) == self.family}
        return (self.live and self.chains == chains and set(self.sets) == sets
                and self.comments == given.comments[self.family])


def _hook(chain: Mapping) -> str:
    if "hook" not in chain:
        return ""
    return f"type {chain.get('type')} hook {chain['hook']} priority {chain.get('prio')} policy {chain.get('policy')}"


def skeleton_of(tables: Mapping[str, _Table]) -> Skeleton:
    """Return what the tables found are told by."""
    names = [name for table in tables.values() for name, _ in table.chains]
    marking = next((m for m in map(re.compile("(marks|shared)_([0-9a-f]{8})").fullmatch, names) if m), None)
    marks = {int(m[1], 16) for m in map(re.compile("way_([0-9a-f]{8})").fullmatch, names) if m}
    given = layout.layout()
    if marking:
        given = layout.layout(int(marking[2], 16), tuple(sorted(marks)), marking[1] == "shared")
    whole = set(tables) == set(FAMILIES) and all(table.is_of(given) for table in tables.values())
    return given.skeleton if whole else ALTERED


def counted(listings: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return what the guard dropped, by reason, as `nft -j list counters` has it; raises KernelError as `parse`."""
    try:
        found = [i["counter"] for text in listings for i in json.loads(text)["nftables"] if "counter" in i]
        named = {c["name"].partition("drop_")[2]: (int(c["packets"]), int(c["bytes"])) for c in found}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KernelError(f"nft -j list counters: cannot read its output ({error!r}); check nft's version") from None
    return {reason: named[reason] for reason in REASONS if reason in named}


def key_of(family: str, name: str) -> str:
    """Return how we name a set that nft(8) names by family and name."""
    return f"arp:{name}" if family == "arp" else name


def _elements(name: str, found: Mapping) -> Iterable[Element]:
    keys, data = _kinds(name)
    for raw in found.get("elem", ()):
        key, rest = (raw[0], raw[1:]) if data else (raw, [])
        if isinstance(key, dict) and "elem" in key:  # an element with a counter or comment
            key = key["elem"]["val"]
        values = [*(key["concat"] if isinstance(key, dict) else [key]), *rest]
        yield Element(name, tuple(_value(kind, value) for kind, value in zip(keys + data, values)))


def _value(kind: str, raw: Any) -> str:
    if kind == "verdict":
        return str(raw["goto"]["target"])
    return str(ipaddress.IPv6Address(int(str(raw), 0))) if kind == TARGET else str(raw)
