# SPDX-License-Identifier: GPL-2.0-or-later
"""Say what should be: settings, VEs and NIC facts in, rules, routes and guard elements out. Pure.

The order of our priorities (each leaves room for an administrator's own rules between):
1000 to a local VE, by the host route that main has for it and by nothing shorter
1010 from an assigned VE to its uplink's table, whose last resort is unreachable
1020, 1030 under `reserved` or `unassigned = block`: known unassigned VEs to main, all else closed
1040-1070 from the HN's own addresses: main where it is more specific, else the NIC that has them
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vzhooks import guard
from vzhooks.model import (
    LAST_RESORT,
    MAIN,
    Element,
    Gateway,
    Item,
    Nic,
    Problem,
    Proxy,
    Route,
    Rule,
    Uplink,
    Ve,
    family_of,
    host_prefix,
    length_of,
)
from vzhooks.roles import Nics, is_lan, is_surely_ve_side, is_ve_side
from vzhooks.settings import Settings
from vzhooks.tables import own_key, uplink_key
from vzhooks.uplinks import BLOCK, Way, available, gateway_of, holds, way_of

TO_VE, FROM_VE, UNASSIGNED, CLOSED = 1000, 1010, 1020, 1030
OWN_SPECIFIC, OWN_LAN, OWN_MAIN, OWN_DEFAULT = 1040, 1050, 1060, 1070
BAND = range(1000, 1100)


@dataclass(frozen=True)
class Facts:
    """Hold what the kernel says that our wishes depend on.

    gateways: main's default routes; local: addresses that main has a host route for on the VEs' side;
    families: 4, and 6 where the kernel has IPv6.
    """

    nics: Nics
    gateways: tuple[Gateway, ...] = ()
    local: frozenset[str] = frozenset()
    families: tuple[int, ...] = (4, 6)


@dataclass(frozen=True)
class Wanted:
    """Hold the state that should be; empty items where vzhooks has nothing to do."""

    items: frozenset[Item]
    ways: tuple[Way, ...]
    problems: tuple[Problem, ...]


def table_keys(settings: Settings, nics: Nics, ves: Iterable[Ve]) -> frozenset[str]:
    """Return the keys of all tables that `wanted` may ask for."""
    names = {ve.uplink or settings.unassigned for ve in ves}.intersection(available(settings, nics))
    uplinks = {uplink_key(n) for n in names | set(settings.uplinks)}
    return frozenset(uplinks | {own_key(n.name) for n in nics.values() if is_lan(n, nics)})


def wanted(settings: Settings, facts: Facts, ves: Iterable[Ve], tables: Mapping[str, int],
           occupied: Mapping[str, str], keep: bool = False) -> Wanted:
    """Return all that should be in the kernel.

    tables: number by key; occupied: key -> whose routes are there; keep: the own-address rules also
    with no assigned VE, since the node's ARP is hardened.
    """
    own = {a for n in facts.nics.values() for a in n.owns}
    ways, problems = [], []
    for ve in ves:
        kept, notes = _without_own(ve, own)
        way = _unless_occupied(way_of(kept, settings, facts.nics), occupied)
        ways.append(way)
        refuses = way.state == "blocked" and way.uplink is None and bool(ve.uplink)
        problems += notes
        problems += [Problem(ve.ctid, way.why, refuses)] if way.why and way.why != BLOCK else []
    closed = bool(settings.reserved) or settings.unassigned == "block"
    engaged = closed or any(w.state != "unassigned" for w in ways)
    items: list[Item] = [*_own(facts, settings, tables)] if engaged or keep else []
    if engaged:
        items += [*_tables(ways, facts, tables), *_ve_rules(ways, facts, tables, closed), *_proxies(ways, facts),
                  *_closed_rules(facts.nics, closed), *_guard(ways, facts, settings, closed)]
    possible = frozenset(i for i in items if getattr(i, "family", 4) in facts.families)
    return Wanted(possible, tuple(ways), tuple(problems))


def _without_own(ve: Ve, own: Iterable[str]) -> tuple[Ve, list[Problem]]:
    stolen = [a for a in ve.addresses if a in own]
    if not stolen:
        return ve, []
    text = f"address {', '.join(stolen)} is this node's own; give the VE another one"
    left = tuple(a for a in ve.addresses if a not in stolen)
    return Ve(ve.ctid, left, ve.uplink), [Problem(ve.ctid, text, bool(ve.uplink))]


def _unless_occupied(way: Way, occupied: Mapping[str, str]) -> Way:
    if way.uplink and uplink_key(way.uplink.name) in occupied:
        why = f"uplink {way.uplink.name}: {occupied[uplink_key(way.uplink.name)]}"
        return Way(way.ve, "blocked", why=why)
    return way


def _tables(ways: Iterable[Way], facts: Facts, tables: Mapping[str, int]) -> Iterable[Route]:
    for uplink in {w.uplink.name: w.uplink for w in ways if w.uplink}.values():
        table = tables[uplink_key(uplink.name)]
        nic = facts.nics.get(uplink.device)
        for family, gateway in ((4, uplink.gateway), (6, uplink.gateway6)):
            yield Route(family, table, "default", metric=LAST_RESORT)
            if nic and nic.up:
                yield from _routes(nic, family, table, gateway, facts.gateways)


def _routes(nic: Nic, family: int, table: int, gateway: str, known: tuple[Gateway, ...]) -> Iterable[Route]:
    # IPv6 has no metric 0: the kernel puts IP6_RT_PRIO_USER (include/uapi/linux/ipv6_route.h).
    metric = 1024 if family == 6 else 0
    for network in nic.networks:
        if family_of(network) == family:
            yield Route(family, table, network, nic.name, metric=metric)
    address = gateway_of(nic, family, gateway, known)
    if family == 6 and address and not holds(nic, address) and not ipaddress.ip_address(address).is_link_local:
        # What `onlink` is for IPv4: the kernel takes an IPv6 gateway by a route of the same table, but not
        # by that flag where main has the gateway's network by another NIC (ip6_route_check_nh_onlink).
        yield Route(family, table, host_prefix(address), nic.name, metric=metric)
    if address or (gateway == "none" and nic.pointopoint):
        yield Route(family, table, "default", nic.name, address, metric)


def _ve_rules(ways: Iterable[Way], facts: Facts, tables: Mapping[str, int], closed: bool) -> Iterable[Rule]:
    for address in _local(ways, facts):
        family, prefix = family_of(address), host_prefix(address)
        # One bit less than a host route: main's shorter routes must not catch a VE that is away.
        yield Rule(family, TO_VE, MAIN, dst=prefix, suppress=length_of(prefix) - 1)
    for way in ways:
        for address in way.ve.addresses:
            family, prefix = family_of(address), host_prefix(address)
            if way.uplink:
                yield Rule(family, FROM_VE, tables[uplink_key(way.uplink.name)], src=prefix)
            elif way.state == "blocked":
                yield Rule(family, FROM_VE, src=prefix, unreachable=True)
            elif closed:
                yield Rule(family, UNASSIGNED, MAIN, src=prefix)


def _proxies(ways: Iterable[Way], facts: Facts) -> Iterable[Proxy]:
    """Publish on its uplink what vzctl has routed; vzctl itself does not where that NIC has no address.

    Not before there is a route: vzctl asks the LAN at start whether somebody has the address.
    """
    for way in ways:
        nic = facts.nics.get(way.uplink.device) if way.uplink else None
        for address in way.ve.addresses if nic and nic.up else ():
            if nic and address in facts.local:
                yield Proxy(family_of(address), address, nic.name)


def published(facts: Facts, listed: Iterable[str] | None = None) -> frozenset[Proxy]:
    """Return what vzctl publishes: live addresses, on each NIC that is up and has an address, or on those listed.

    vzctl 4 (vps-functions, vzgetnetdev) does so before it makes the route, OpenVZ 9 (vz-functions)
    after it, when our own may be there already.
    """
    nics = [n for n in facts.nics.values() if n.up and n.addresses and is_lan(n, facts.nics)]
    return frozenset(Proxy(family_of(a), a, n.name) for n in nics for a in facts.local
                     if listed is None or n.name in listed)


def _local(ways: Iterable[Way], facts: Facts) -> frozenset[str]:
    own = {a for n in facts.nics.values() for a in n.owns}
    return facts.local.union(a for w in ways for a in w.ve.addresses) - own


def _closed_rules(nics: Nics, closed: bool) -> Iterable[Rule]:
    for nic in nics.values():
        # Not for a bridge's port: what comes by it is routed as the bridge's.
        if closed and is_surely_ve_side(nic):
            yield Rule(4, CLOSED, iif=nic.name, unreachable=True)
            yield Rule(6, CLOSED, iif=nic.name, unreachable=True)


def _own(facts: Facts, settings: Settings, tables: Mapping[str, int]) -> Iterable[Item]:
    by_device = {u.device: u for u in reversed(list(settings.uplinks.values()))}
    for nic in facts.nics.values():
        if is_lan(nic, facts.nics) and nic.addresses:
            yield from _own_nic(nic, by_device.get(nic.name, Uplink(nic.name, nic.name)), facts.gateways,
                                tables[own_key(nic.name)])


def _own_nic(nic: Nic, uplink: Uplink, known: tuple[Gateway, ...], table: int) -> Iterable[Item]:
    """Give replies of the HN the way by the NIC that has the address, without stealing from main.

    No last resort here: the node's own traffic falls to main, so nobody is cut off from the HN. Nor a
    default of our own where main's leaves by this very NIC: main's follows when its gateway changes.
    """
    for family, gateway in ((4, uplink.gateway), (6, uplink.gateway6)):
        leads = any(g.dev == nic.name and family_of(g.address) == family for g in known)
        gateway = "none" if leads else gateway
        routes = list(_routes(nic, family, table, gateway, known)) if nic.up else []
        yield from routes
        networks = [n for n in nic.networks if family_of(n) == family]
        for src in (host_prefix(a) for a in nic.owns if family_of(a) == family):
            for network in networks:
                yield Rule(family, OWN_SPECIFIC, MAIN, src, network, suppress=length_of(network))
                yield Rule(family, OWN_LAN, table, src, network)
            if not leads:
                yield Rule(family, OWN_MAIN, MAIN, src, suppress=0)
                yield Rule(family, OWN_DEFAULT, table, src)


def _guard(ways: Iterable[Way], facts: Facts, settings: Settings, closed: bool) -> Iterable[Item]:
    yield guard.SKELETON
    names: dict[str, Iterable[str]] = {
        "lan": {n.name for n in facts.nics.values() if is_lan(n, facts.nics)}
               | {w.uplink.device for w in ways if w.uplink} | set(settings.reserved),
        "veside": [n.name for n in facts.nics.values() if is_ve_side(n) and not n.name.startswith(guard.VES_DEVICES)],
        "reserved": settings.reserved,
    }
    names["closed"] = names["veside"] if closed else ()
    names["closing"] = ("ipv4", "ipv6") if closed else ()
    names["arp:lan"] = names["lan"]
    for kind, members in names.items():
        for name in members:
            yield Element(kind, (name,))
    for address in _local(ways, facts):
        yield Element(f"ves{family_of(address)}", (address,))
    for way in ways:
        for address in way.ve.addresses if way.state != "unassigned" else ():
            family = family_of(address)
            asked = "arp:asked4" if family == 4 else "asked6"
            yield Element(f"sources{family}", (address,))
            yield Element(asked, (address,))
            if way.uplink:
                yield Element(f"exits{family}", (address, way.uplink.device))
                yield Element(asked.replace("asked", "answers"), (address, way.uplink.device))
