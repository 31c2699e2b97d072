# SPDX-License-Identifier: GPL-2.0-or-later
"""What the sets hold that mark packets in map mode, and which mark a packet gets by them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vzhooks.addresses import family_of
from vzhooks.config.settings import Settings
from vzhooks.model import Element, Item, Skeleton
from vzhooks.policy import guard, layout
from vzhooks.policy.datapath import Datapath
from vzhooks.policy.elements import homes_of
from vzhooks.policy.facts import Facts
from vzhooks.policy.rules import held_devices, known, sides
from vzhooks.policy.uplinks import Way, used


def elements(ways: Iterable[Way], facts: Facts, settings: Settings, by: Datapath) -> Iterator[Element]:
    """Return which mark packets get: by a VE's address, else by the device that they come in by."""
    ways = list(ways)
    plain = by.mark(None)
    found = {a: by.mark(w) for w in ways if w.state != "unassigned" for a in w.ve.addresses}
    for address, devices in () if by.shared else homes_of(ways, facts).items():
        for name in devices:
            yield Element(f"ways{family_of(address)}", (address, name, layout.mark_chain(found.get(address, plain))))
    for address in known(ways, facts):
        family, mark = family_of(address), found.get(address, plain)
        if address in found or settings.reserved:
            yield Element(f"made{family}", (address, layout.mark_chain(mark)))
        if address not in facts.away:
            yield Element(f"here{family}", (address,))
    yield from _of_devices(ways, facts, settings, by)


def _of_devices(ways: Iterable[Way], facts: Facts, settings: Settings, by: Datapath) -> Iterator[Element]:
    ways = list(ways)
    other = layout.mark_chain(by.layout.closed if settings.unassigned == "block" else by.layout.passes)
    held = {device: _any_source(mine, by) for device, mine in held_devices(ways).items()}
    for device in sides(ways, facts.nics):
        yield Element("beyond", (device, held.get(device, other)))
    names = {u.device: u.name for u in sorted(used(ways), key=lambda u: u.name)}
    for device, name in names.items():  # any of several by one device leads back there
        chain = layout.return_chain(by.numbers[name])
        yield Element("returns", (device, chain))
        yield Element("arp:returns", (device, chain))


def _any_source(ways: Iterable[Way], by: Datapath) -> str:
    """Return the chain for what a VE sends from a source that is none of its addresses, as `rules` does."""
    marks = {by.mark(w) if w.any_source else by.layout.closed for w in ways}
    return layout.mark_chain(marks.pop() if len(marks) == 1 else by.layout.closed)


class Marks:
    """Tell which mark a packet gets by what is in the sets."""

    def __init__(self, items: Iterable[Item]) -> None:
        items = list(items)
        self._layout = layout.of(next((i for i in items if isinstance(i, Skeleton)), Skeleton("")))
        self._sets: dict[str, dict[tuple[str, ...], str]] = {}
        for i in items if self._layout.mask else ():
            if isinstance(i, Element) and i.set in (*layout.MARK_SETS, "exits4", "exits6", "veside"):
                key = i.value[:-1] if guard.is_map(i) else i.value
                self._sets.setdefault(i.set, {})[key] = i.value[-1]

    def of(self, src: str, dst: str, iif: str) -> int:
        """Return the mark of a packet from `src` to `dst` that comes in by `iif`, "" or lo for what the node sends."""
        family, made = family_of(src), iif in ("", "lo")
        name = "made" if made or (self._layout.shared and iif == layout.SHARED) else "ways"
        chain = self._get(f"{name}{family}", src, *([iif] if name == "ways" else []))
        if not chain and not made:
            if not self._get("veside", iif):
                return self._to_ve(dst, iif)
            stray = self._get(f"here{family}", src) and not self._layout.shared
            chain = layout.mark_chain(self._layout.closed) if stray else self._get("beyond", iif)
        mark, here = int(chain.rpartition("_")[2], 16) if chain else 0, bool(self._get(f"here{family_of(dst)}", dst))
        if here == made or not mark:
            return mark
        return mark | (self._layout.made if made else self._layout.local)

    def _to_ve(self, dst: str, iif: str) -> int:
        """Return the mark of a packet that somebody else sends."""
        chain = self._get("returns", iif) if self._get(f"exits{family_of(dst)}", dst, iif) else ""
        return int(chain.rpartition("_")[2], 16) | self._layout.made if chain else self._layout.seen

    def _get(self, name: str, *key: str) -> str:
        return self._sets.get(name, {}).get(key, "")
