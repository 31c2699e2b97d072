# SPDX-License-Identifier: GPL-2.0-or-later
"""The second layer: our nftables table as text, and back from `nft -j`. Runs nothing.

Sets hold what differs from node to node; the chain is always the same and is told by a
fingerprint in its rules' comments (the text that nft prints differs between its versions).
The forward hook sees a packet after routing, so it holds whatever the rules and tables say.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence

from vzhooks.errors import KernelError
from vzhooks.model import Element, Item, Skeleton

TABLE = "inet vzhooks"

SETS = {
    "ves4": "ipv4_addr", "ves6": "ipv6_addr",  # every live VE's address: the node's own traffic
    "sources4": "ipv4_addr", "sources6": "ipv6_addr",  # addresses that go by `exits` or not at all
    "exits4": "ipv4_addr . ifname", "exits6": "ipv6_addr . ifname",
    "lan": "ifname",  # devices that lead off the node
    "veside": "ifname",  # devices behind which VEs are, by exact name
    "closed": "ifname",  # of these, the ones where an unknown source is not carried at all
    "reserved": "ifname",  # devices no VE packet leaves by
}
VE_SETS = tuple(name for name in SETS if name[-1] in "46")

# One line for each rule of the forward chain; {f} is 4 or 6, {ip} is ip or ip6.
_ALWAYS = ("iifname @veside oifname @reserved counter drop",)
_FAMILY = (
    "{ip} saddr @ves{f} oifname @reserved counter drop",
    "{ip} saddr @sources{f} oifname != @lan {ip} daddr @ves{f} return",
    "{ip} saddr @sources{f} {ip} saddr . oifname != @exits{f} counter drop",
    "meta nfproto ipv{f} iifname @closed {ip} saddr != @ves{f} counter drop",
)
_RULES = _ALWAYS + tuple(r.format(f=f, ip=ip) for f, ip in (("4", "ip"), ("6", "ip6")) for r in _FAMILY)
_MARK = f"vzhooks {zlib.crc32(json.dumps([SETS, _RULES]).encode()):08x}"

SKELETON = Skeleton(_MARK)


def full(elements: Iterable[Element]) -> str:
    """Return the nft(8) input that puts the whole table in place in one transaction."""
    sets = "".join(f"  set {name} {{ type {type_}; }}\n" for name, type_ in SETS.items())
    rules = "".join(f'    {rule} comment "{_MARK} {n}"\n' for n, rule in enumerate(_RULES))
    chain = f"  chain forward {{\n    type filter hook forward priority -10; policy accept;\n{rules}  }}\n"
    return f"{remove()}table {TABLE} {{\n{sets}{chain}}}\n{changes(elements, ())}"


def remove() -> str:
    """Return the nft(8) input that removes the table, be it there or not."""
    return f"add table {TABLE}\ndelete table {TABLE}\n"


def changes(add: Iterable[Element], delete: Iterable[Element]) -> str:
    """Return the nft(8) input that adds and deletes elements; empty for none."""
    lines = [f"{verb} element {TABLE} {name} {{ {', '.join(values)} }}\n"
             for verb, elements in (("add", add), ("delete", delete))
             for name, values in _by_set(elements).items()]
    return "".join(lines)


def element_text(element: Element) -> str:
    """Return one element's value as nft(8) writes it."""
    types = SETS[element.set].split(" . ")
    return " . ".join(f'"{v}"' if t == "ifname" else v for t, v in zip(types, element.value))


def _by_set(elements: Iterable[Element]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for element in sorted(elements, key=lambda e: (e.set, e.value)):
        grouped.setdefault(element.set, []).append(element_text(element))
    return grouped


def parse(text: str) -> frozenset[Item]:
    """Return the Skeleton and Elements found in `nft -j list table` output.

    Raises KernelError where the output is not what nft(8) documents (libnftables-json(5)).
    """
    try:
        items: Sequence[dict[str, dict]] = json.loads(text)["nftables"]
        sets = [i["set"] for i in items if "set" in i]
        marks = [i["rule"].get("comment", "?") for i in items if "rule" in i]
        elements = [e for s in sets if s["name"] in SETS for e in _elements(s)]
        names = {s["name"] for s in sets}
    except (ValueError, KeyError, TypeError) as error:
        line = f"nft -j list table {TABLE}: cannot read its output ({error!r}); check nft's version"
        raise KernelError(line) from None
    return frozenset([Skeleton(_fingerprint(marks, names)), *elements])


def _fingerprint(marks: list[str], names: set[str]) -> str:
    whole = marks == [f"{_MARK} {n}" for n in range(len(_RULES))] and names == set(SETS)
    return _MARK if whole else "altered"


def _elements(found: dict) -> Iterable[Element]:
    for raw in found.get("elem", ()):
        yield Element(found["name"], _value(raw))


def _value(raw: object) -> tuple[str, ...]:
    if isinstance(raw, dict) and "elem" in raw:  # elements with a counter or comment
        raw = raw["elem"]["val"]
    if isinstance(raw, dict):
        return tuple(raw["concat"])
    return (str(raw),)
