# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules that hold VEs by their addresses; `priorities` tells their order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vzhooks.addresses import family_of, host_prefix, length_of
from vzhooks.config.settings import Settings
from vzhooks.model import MAIN, Rule
from vzhooks.policy import priorities
from vzhooks.policy.facts import Facts
from vzhooks.policy.layout import SHARED
from vzhooks.policy.priorities import BEHIND, ENTER, FROM_DEVICE, FROM_VE, JOIN, NOWHERE, OVER, PASS, TO_VE, UNASSIGNED
from vzhooks.policy.roles import VE, Nics
from vzhooks.policy.tables import LESS, uplink_key
from vzhooks.policy.uplinks import Way


def of_ways(ways: Iterable[Way], facts: Facts, settings: Settings, tables: Mapping[str, int]) -> Iterable[Rule]:
    """Return the rules of all VEs."""
    assigned, held = [w for w in ways if w.state != "unassigned"], held_devices(ways)
    block = settings.unassigned == "block"
    shut = sides(ways, facts.nics) if block else set(held)
    for family in facts.families:
        if assigned or block:
            yield from _gates(family, assigned, shut)
            yield from _to_ves(family, ways, facts)
            for way in assigned:
                yield from _from_ve(family, way, tables)
            yield from (_by_device(family, d, ws, tables) for d, ws in held.items())
            yield from (Rule(family, NOWHERE, iif=d, unreachable=True) for d in shut)
        if settings.reserved:
            rest = known(ways, facts) - {a for w in assigned for a in w.ve.addresses}
            mine = [a for a in rest if family_of(a) == family]
            yield from _unassigned(family, sides(ways, facts.nics) - set(held), mine)
            yield from around(family, tables[LESS])
            yield from (_to_ve(priorities.NEAR, a) for a in set(facts.local) - facts.own if family_of(a) == family)


def _unassigned(family: int, devices: Iterable[str], addresses: Iterable[str]) -> Iterable[Rule]:
    """Return the rules of VEs without an uplink where devices are reserved, and of what the node makes in their name.

    Not of a packet that claims to be theirs and comes in elsewhere, hence lo.
    """
    for device, src in [*((d, "") for d in devices), *(("lo", host_prefix(a)) for a in addresses)]:
        yield Rule(family, UNASSIGNED, src=src, iif=device, goto=BEHIND)


def around(family: int, table: int) -> Iterable[Rule]:
    """Return what stands behind main for them: main without the reserved devices, and nothing else."""
    yield Rule(family, priorities.REST, goto=priorities.END)
    yield Rule(family, BEHIND)
    yield Rule(family, priorities.KEPT, table)
    yield Rule(family, priorities.LAST, unreachable=True)
    yield Rule(family, priorities.END)


def known(ways: Iterable[Way], facts: Facts) -> frozenset[str]:
    """Return all addresses that VEs of this node are known to have."""
    return frozenset({a for w in ways for a in w.ve.addresses} | set(facts.local)) - facts.own


def sides(ways: Iterable[Way], nics: Nics) -> frozenset[str]:
    """Return the devices behind which VEs are, also those that vzctl is about to make."""
    return frozenset({SHARED, *(n.name for n in nics.values() if n.role == VE),
                      *(d for w in ways for d in w.ve.devices)})


def held_devices(ways: Iterable[Way]) -> dict[str, list[Way]]:
    """Return VEs' own devices, each with its VE's ways; not of one that main decides about, for an address at least."""
    found: dict[str, list[Way]] = {}
    for way in ways:
        for device in way.ve.devices:
            found.setdefault(device, []).append(way)
    return {d: mine for d, mine in found.items() if all(w.state != "unassigned" for w in mine)}


def _gates(family: int, assigned: Iterable[Way], devices: Iterable[str]) -> Iterable[Rule]:
    for address in _addresses(family, assigned):
        yield Rule(family, ENTER, src=host_prefix(address), goto=JOIN)
    for device in devices:
        yield Rule(family, ENTER, iif=device, goto=JOIN)
    yield Rule(family, PASS, goto=OVER)
    yield Rule(family, JOIN)
    yield Rule(family, OVER)


def _to_ves(family: int, ways: Iterable[Way], facts: Facts) -> Iterable[Rule]:
    """Return the ways to VEs here; not to one that main reaches elsewhere, by a tunnel say."""
    for address in {*_addresses(family, ways), *(a for a in facts.local if family_of(a) == family)} - facts.own:
        if address not in facts.away:
            yield _to_ve(TO_VE, address)


def _to_ve(priority: int, address: str) -> Rule:
    """Return the rule by which main's host route leads to a VE.

    One bit less than that is suppressed: main's shorter routes must not catch a VE that is away. For that address
    alone, since the kernel takes what it remembers of an IPv6 destination, its MTU say, for a host route as well.
    """
    prefix = host_prefix(address)
    return Rule(family_of(address), priority, MAIN, dst=prefix, suppress=length_of(prefix) - 1)


def _from_ve(family: int, way: Way, tables: Mapping[str, int]) -> Iterable[Rule]:
    for address in _addresses(family, (way,)):
        table = tables[uplink_key(way.uplink.name)] if way.uplink else 0
        yield Rule(family, FROM_VE, table, src=host_prefix(address), unreachable=not table)
        if table:
            yield Rule(family, NOWHERE, src=host_prefix(address), unreachable=True)


def _by_device(family: int, device: str, ways: Iterable[Way], tables: Mapping[str, int]) -> Rule:
    """Return the rule for what a VE sends from a source that is none of its addresses.

    Of one with several uplinks it goes nowhere: only an address tells which provider would take it.
    """
    found = {tables[uplink_key(w.uplink.name)] if w.uplink and w.any_source else 0 for w in ways}
    table = min(found) if len(found) == 1 else 0
    return Rule(family, FROM_DEVICE, table, iif=device, unreachable=not table)


def _addresses(family: int, ways: Iterable[Way]) -> list[str]:
    return [a for w in ways for a in w.ve.addresses if family_of(a) == family]
