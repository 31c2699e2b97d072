# SPDX-License-Identifier: GPL-2.0-or-later
"""Say in words what a run does to VEs that live. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from vzhooks.addresses import family_of
from vzhooks.model import Element, Item, Route, Rule, Skeleton, Sysctl
from vzhooks.policy.facts import Facts
from vzhooks.policy.plan import DELETE, Op
from vzhooks.policy.priorities import FROM_VE, OWN_LAN, UNMARKED
from vzhooks.policy.records import RUNNING, Records
from vzhooks.policy.roles import Nics
from vzhooks.policy.uplinks import Way

CUT, MAIN = "cut off", "main"
EXITS = ("exits4", "exits6")


@dataclass(frozen=True)
class Move:
    """Tell by what a live VE leaves before a run and after it, and why.

    addresses: those that it is about, where others of the VE go on as they were.
    """

    ctid: str
    before: str
    after: str
    why: str = ""
    addresses: tuple[str, ...] = ()

    @property
    def loses(self) -> bool:
        """Tell whether the VE had a way and has none any more."""
        return self.after == CUT and self.before != CUT

    def __str__(self) -> str:
        part = f"{', '.join(self.addresses)}: " if self.addresses else ""
        return f"VE {self.ctid}: {part}{self.before} -> {self.after}" + (f": {self.why}" if self.why else "")


def moves(ways: Iterable[Way], found: Set[Item], known: Records, nics: Nics,
          local: Container[str] = ()) -> Iterator[Move]:
    """Return what becomes of the VEs that lived before; nothing for one that goes on as it was.

    local: the addresses that are routed here. Who goes by a device that is gone has lost his way already, and so has
    who went by a backup that has no link either.
    """
    before, by_ve = _found(found), dict[str, list[Way]]()
    rest = CUT if _is_closed(found) else MAIN
    for way in ways:
        by_ve.setdefault(way.ve.ctid, []).append(way)
    for ctid, mine in by_ve.items():
        record, addresses = known.get(ctid), [a for w in mine for a in w.ve.addresses]
        if record and (record.phase == RUNNING or any(a in local for a in addresses)):
            # What it had not before has moved by nothing, but where nothing is known of it at all.
            had = [a for a in addresses if a in before or a in record.all] or addresses
            yield from _of_ve(ctid, mine, {a: before.get(a, rest) for a in had}, nics)


def _of_ve(ctid: str, ways: Iterable[Way], before: Mapping[str, str], nics: Nics) -> Iterator[Move]:
    found: dict[tuple[str, str, str], list[str]] = {}
    for way, address in ((w, a) for w in ways for a in w.ve.addresses if a in before):
        was, now = before[address], _wanted(way, nics)
        was = was if was in (CUT, MAIN) or _leads(was, way, nics) else CUT
        if was != now:
            found.setdefault((was, now, way.why if now == CUT else ""), []).append(address)
    for (was, now, why), addresses in found.items():
        yield Move(ctid, was, now, why, tuple(addresses) if len(addresses) < len(before) else ())


def _leads(device: str, way: Way, nics: Nics) -> bool:
    """Tell whether a VE that keeps an uplink, up or not, has a way by this device until now."""
    nic = nics.get(device)
    return nic is not None and (not way.uplink or (nic.up and nic.carrier))


def _wanted(way: Way, nics: Nics) -> str:
    if way.uplink:
        return way.uplink.device if way.uplink.device in nics else CUT
    return CUT if way.state == "blocked" else MAIN


def _found(found: Set[Item]) -> dict[str, str]:
    """Return by what each address leaves now: the guard tells, and the rules where there is no guard."""
    if any(isinstance(i, Skeleton) for i in found):
        held = {i.value[0]: CUT for i in found if isinstance(i, Element) and i.set in ("known4", "known6")
                and i.value[1].startswith("assigned")}
        return {**held, **_exits(found)}
    defaults = {i.table: i.dev for i in found if isinstance(i, Route) and i.dst == "default" and i.dev}
    return {i.src.partition("/")[0]: defaults.get(i.table, CUT) for i in found
            if isinstance(i, Rule) and i.priority == FROM_VE}


def _is_closed(found: Set[Item]) -> bool:
    """Tell whether nothing leaves at all: rules by marks, and nothing that sets them."""
    return (any(isinstance(i, Rule) and i.priority == UNMARKED for i in found)
            and not any(isinstance(i, Skeleton) and i.mask for i in found))


def moved(found: Set[Item], wanted: Set[Item], ops: Iterable[Op], facts: Facts) -> tuple[tuple[str, str], ...]:
    """Return what neighbours must hear about, as (address, device).

    Routed VE addresses, those that fall to main again too, and the node's own that changed ways.
    """
    ops = list(ops)
    if not ops:
        return ()
    before, after = _exits(found), _exits(wanted)
    places = {a: d for a, d in after.items() if before.get(a) != d}
    places.update({a: dev for a in set(before) - set(after) if (dev := main_device(a, facts))})
    ways = {op.item.src.partition("/")[0] for op in ops if op.verb != DELETE and isinstance(op.item, Rule)
            and op.item.priority == OWN_LAN}
    hard = {op.item.key.split("/")[3] for op in ops if isinstance(op.item, Sysctl)}
    own = [(a, n.name) for n in facts.nics.values() for a in n.owns if a in ways or n.name in hard]
    # What a strict rp_filter takes by main's NIC alone again is told from there.
    soft = {op.item.key.split("/")[3] for op in ops if isinstance(op.item, Sysctl)
            and op.item.key.endswith("/rp_filter") and op.item.value != "2"}
    own = [(a, main_device(a, facts) or d) if d in soft and ":" not in a else (a, d) for a, d in own]
    return tuple((a, d) for a, d in places.items() if a in facts.local) + tuple(own)


def _exits(items: Set[Item]) -> dict[str, str]:
    return {i.value[0]: i.value[1] for i in items if isinstance(i, Element) and i.set in EXITS}


def main_device(address: str, facts: Facts) -> str:
    """Return the LAN NIC by which main reaches the LAN of an address, else by which it leaves the node."""
    ip = ipaddress.ip_address(address)
    near = [r for r in facts.off if r.family == family_of(address)
            and (r.dst == "default" or ip in ipaddress.ip_network(r.dst))]
    near.sort(key=lambda r: (-(0 if r.dst == "default" else int(r.dst.rpartition("/")[2])), r.metric))
    return near[0].dev if near else ""
