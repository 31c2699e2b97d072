# SPDX-License-Identifier: GPL-2.0-or-later
"""Say what should be: settings, VEs and facts in, all items out. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from vzhooks.addresses import family_of
from vzhooks.config.settings import Settings
from vzhooks.model import PROTOCOL, Element, Item, Problem, Proxy, Skeleton, Ve
from vzhooks.policy import datapath, elements, mark_rules, marks, own, routes, rules
from vzhooks.policy.datapath import RULES, Datapath
from vzhooks.policy.facts import Facts
from vzhooks.policy.foreign import ENDS, said_of, taken_at, unheard
from vzhooks.policy.priorities import BAND, LATE
from vzhooks.policy.roles import Nics
from vzhooks.policy.sources import doubled
from vzhooks.policy.tables import LESS, own_key, uplink_key
from vzhooks.policy.uplinks import BLOCK, Chooser, Way, every, said, said_of_reserved

MISPLACED = ("the ip rule for table local does not come first (a VRF set-up moves it), so rules of vzhooks would hide "
             "this node's own addresses; move it back: ip rule add priority 0 lookup local (and with -6)")


@dataclass(frozen=True)
class Wanted:
    """Hold the state that should be; empty items where vzhooks has nothing to do.

    remarks: what is as it should be, but may be news to the operator; by: how packets find their uplinks.
    """

    items: frozenset[Item]
    ways: tuple[Way, ...]
    problems: tuple[Problem, ...]
    remarks: tuple[str, ...] = ()
    by: Datapath = RULES


def is_ours(priority: int, protocol: int) -> bool:
    """Tell whether a rule with these marks is of vzhooks."""
    return protocol == PROTOCOL and (priority in BAND or priority in LATE)


def is_closed(settings: Settings) -> bool:
    """Tell whether VEs without an uplink are held as well."""
    return bool(settings.reserved) or settings.unassigned == "block"


def table_keys(settings: Settings, facts: Facts, ves: Iterable[Ve]) -> frozenset[str]:
    """Return the keys of all tables that `wanted` may ask for."""
    chooser = Chooser(settings, facts.nics, facts.health)
    ways = [w for ve in ves for w in chooser.ways_of(ve)]
    uplinks = {uplink_key(w.uplink.name) for w in ways if w.uplink} | {uplink_key(n) for n in settings.uplinks}
    less = {LESS} if settings.reserved else set()
    return frozenset(uplinks | less | {own_key(n.name) for n in facts.lan})


def wanted(settings: Settings, facts: Facts, ves: Iterable[Ve], tables: Mapping[str, int],
           occupied: Mapping[str, str], keep: bool = False, strict: bool = False, found: Collection[Item] = (),
           whole: bool = True) -> Wanted:
    """Return all that should be in the kernel.

    tables: number by key; occupied: key -> whose routes are there; keep: the own-address rules,
    since the node's ARP is hardened; strict: VEs' own devices had a strict rp_filter before; found: what is in the
    kernel; whole: `ves` are all of the node.
    """
    ways, problems = _ways(settings, facts, ves, occupied)
    by, hindered = datapath.decide(settings, facts, ways, found, tables, whole)
    problems += hindered
    engaged = is_closed(settings) or any(w.state != "unassigned" for w in ways)
    # Where the node's ARP is not hardened, rules of its own addresses would move who answers for them.
    items: list[Item] = list(own.items(facts, settings, tables)) if keep else []
    if engaged:
        items += [by.layout.skeleton, *routes.of_ways(ways, facts, tables), *_ruling(ways, facts, settings, tables, by),
                  *_proxies(ways, facts), *elements.of_ways(ways, facts, settings, strict, keep)]
        items += routes.without_reserved(facts, settings, tables, not by.mask) if settings.reserved else []
    if facts.misplaced and items:
        problems.append(Problem("", MISPLACED, True))
        items = [i for i in items if isinstance(i, (Element, Skeleton))]
    remarks = [*(own.remarks(facts) if keep else ()), *_unheard(ways, facts, items)]
    possible = frozenset(i for i in items if getattr(i, "family", 4) in facts.families)
    return Wanted(possible, tuple(ways), (*_of_node(settings, facts.nics), *problems), tuple(remarks),
                  by if engaged else RULES)


def _ruling(ways: list[Way], facts: Facts, settings: Settings, tables: Mapping[str, int], by: Datapath) -> list[Item]:
    """Return what has packets find their uplinks."""
    if not by.mask:
        return [*rules.of_ways(ways, facts, settings, tables), *elements.paths(ways, facts)]
    return [*mark_rules.of_ways(ways, facts, settings, tables, by), *marks.elements(ways, facts, settings, by)]


def _of_node(settings: Settings, nics: Nics) -> list[Problem]:
    return [*said_of_reserved(settings, nics), *doubled(every(settings, nics), settings, nics)]


def nothing(addresses: Mapping[str, tuple[str, ...]]) -> Wanted:
    """Return the state where vzhooks is not: VEs go by main."""
    return Wanted(frozenset(), tuple(Way(Ve(c, a), "unassigned") for c, a in addresses.items()), ())


def _ways(settings: Settings, facts: Facts, ves: Iterable[Ve],
          occupied: Mapping[str, str]) -> tuple[list[Way], list[Problem]]:
    ways, problems = [], []
    chooser = Chooser(settings, facts.nics, facts.health)
    for ve in ves:
        kept, notes = _without_own(ve, facts.own)
        mine = [_unless_occupied(w, occupied) for w in chooser.ways_of(kept)]
        ways += mine
        problems += notes
        problems += [Problem(ve.ctid, said(w, mine), _refuses(w)) for w in mine if w.why and w.why != BLOCK]
    return ways, problems


def _refuses(way: Way) -> bool:
    """Tell whether a VE cannot have what it asks for, however long it waits."""
    return way.state == "blocked" and way.uplink is None and bool(way.ve.uplink)


def _unheard(ways: Iterable[Way], facts: Facts, items: Iterable[Item]) -> list[str]:
    """Return a line for each rule of somebody else that an assigned VE's packets no longer meet."""
    ends = [o for o in facts.theirs if o.action in ENDS]
    first = taken_at(items) if ends else 0
    found = [(w.ve.ctid, o) for w in ways if w.uplink for a in w.ve.addresses for o in unheard(a, ends, first)]
    return [f"VE {ctid}: {said_of(rule)}" for ctid, rule in dict.fromkeys(found)]


def _without_own(ve: Ve, own_addresses: Iterable[str]) -> tuple[Ve, list[Problem]]:
    stolen = [a for a in ve.addresses if a in own_addresses]
    if not stolen:
        return ve, []
    text = f"address {', '.join(stolen)} is this node's own; give the VE another one"
    left = tuple(a for a in ve.addresses if a not in stolen)
    return replace(ve, addresses=left), [Problem(ve.ctid, text, bool(ve.uplink), stolen[0])]


def _unless_occupied(way: Way, occupied: Mapping[str, str]) -> Way:
    if way.uplink and uplink_key(way.uplink.name) in occupied:
        why = f"uplink {way.uplink.name}: {occupied[uplink_key(way.uplink.name)]}"
        return replace(way, state="blocked", uplink=None, why=why)
    return way


def _proxies(ways: Iterable[Way], facts: Facts) -> Iterable[Proxy]:
    """Publish on its uplink what vzctl has routed; vzctl itself does not where that NIC has no address.

    Not before there is a route: vzctl asks the LAN at start whether somebody has the address.
    """
    for way in ways:
        nic = facts.nics.get(way.uplink.device) if way.uplink else None
        for address in way.ve.addresses if nic and nic.up else ():
            if nic and address in facts.local and nic.takes(family_of(address)):
                yield Proxy(family_of(address), address, nic.name)


def published(facts: Facts, listed: Iterable[str] | None = None) -> frozenset[Proxy]:
    """Return what vzctl publishes: live addresses, on each NIC that is up and has an address, or on those listed.

    vzctl 4 (vps-functions, vzgetnetdev) does so before it makes the route, OpenVZ 9 (vz-functions)
    after it, when our own may be there already.
    """
    nics = [n for n in facts.lan if n.up and n.addresses]
    return frozenset(Proxy(family_of(a), a, n.name) for n in nics for a in facts.local
                     if listed is None or n.name in listed)
