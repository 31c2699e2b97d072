# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands in our tables: copies of main's routes by their device, with their attributes. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from vzhooks.addresses import family_of, host_prefix
from vzhooks.config.settings import Settings
from vzhooks.model import LAST_RESORT, MAIN, Nic, Route, Uplink
from vzhooks.policy.facts import Facts
from vzhooks.policy.roles import INSIDE, VE
from vzhooks.policy.tables import LESS, uplink_key
from vzhooks.policy.uplinks import Way, gateway_of, used

# The kernel puts 1024 where an IPv6 route has no metric (include/uapi/linux/ipv6_route.h, IP6_RT_PRIO_USER).
METRIC = {4: 0, 6: 1024}


def of_ways(ways: Iterable[Way], facts: Facts, tables: Mapping[str, int]) -> Iterable[Route]:
    """Return the tables of the uplinks in use: their device's routes, the node's guests, unreachable last."""
    common = [*_guests(facts), *_nowhere(facts)]
    for uplink in used(ways):
        table, nic = tables[uplink_key(uplink.name)], facts.nics.get(uplink.device)
        first = [r for f in facts.families for r in of_device(nic, f, uplink, facts)] if nic else []
        for family in facts.families:
            yield Route(family, table, "default", metric=LAST_RESORT)
        yield from _distinct(first + common, table)


def of_device(nic: Nic, family: int, uplink: Uplink, facts: Facts) -> Iterator[Route]:
    """Return main's routes by a device, and the default that the uplink says."""
    if not nic.up or not nic.takes(family):
        return
    mine = [r for r in facts.main if r.dev == nic.name and r.family == family]
    nets = [r for r in mine if r.dst != "default"]
    defaults = list(_defaults(nic, family, uplink, [r for r in mine if r.dst == "default"], facts))
    yield from nets
    for gateway in dict.fromkeys(r.gateway for r in nets + defaults if r.gateway and family == 6):
        if not ipaddress.ip_address(gateway).is_link_local and not _held(gateway, nets):
            # What `onlink` is for IPv4: the kernel takes an IPv6 gateway by a route of the same table, but not
            # by that flag where main has the gateway's network by another NIC (ip6_route_check_nh_onlink).
            yield Route(family, MAIN, host_prefix(gateway), nic.name, metric=METRIC[6])
    yield from defaults


def _defaults(nic: Nic, family: int, uplink: Uplink, in_main: list[Route], facts: Facts) -> Iterator[Route]:
    said = uplink.gateway if family == 4 else uplink.gateway6
    if said == "auto":
        yield from in_main
        if any(r.is_default for r in in_main):
            return
    address = gateway_of(nic, family, said, facts.gateways)
    if address or (said == "none" and nic.pointopoint):
        yield Route(family, MAIN, "default", nic.name, address, METRIC[family])


def _held(gateway: str, nets: Iterable[Route]) -> bool:
    ip = ipaddress.ip_address(gateway)
    return any(ip in ipaddress.ip_network(r.dst) for r in nets if not r.gateway)


def _guests(facts: Facts) -> list[Route]:
    """Return main's routes to guests of the node, which VEs reach whatever their uplinks.

    Not what a NIC is the LAN of: a bridge without a port may have its address from there.
    """
    lans = {n for nic in facts.lan for n in nic.networks}
    inside = {n.name for n in facts.nics.values() if n.role == INSIDE}
    return [r for r in facts.main if r.dev in inside and r.dst != "default" and r.dst not in lans]


def _nowhere(facts: Facts) -> list[Route]:
    """Return main's routes that end here; what it throws finds no other way there, so it ends as well."""
    return [replace(r, type="" if r.type == "throw" else r.type) for r in facts.main
            if r.nowhere and r.dst != "default"]


def without_reserved(facts: Facts, settings: Settings, tables: Mapping[str, int], throws: bool = True) -> list[Route]:
    """Return main with nothing reachable by reserved devices, unreachable last; VEs here are left to main.

    throws: so that a rule behind it finds them; none is needed where that stands before it.

    What main sends by a reserved device goes nowhere, and not by the next best one.

    Their host routes must not stand in a table of ours: vzctl 4 looks for them in all tables (vps-functions,
    vzaddrouting) and then leaves main without.
    """
    table = tables[LESS]
    sides = {n.name for n in facts.nics.values() if n.role == VE}
    kept = [replace(r, dev="", gateway="", metrics=()) if r.dev in settings.reserved else r
            for r in facts.main if r.dev not in sides]
    here = [Route(family_of(a), table, host_prefix(a), type="throw", metric=METRIC[family_of(a)]) for a in facts.local
            if throws]
    last = [Route(f, table, "default", metric=LAST_RESORT) for f in facts.families]
    return [*last, *_distinct(here + kept, table)]


def _distinct(found: Iterable[Route], table: int) -> list[Route]:
    """Return the routes in this table, the first of those that the kernel takes for the same."""
    placed = [replace(r, table=table) for r in found]
    return list({r.key: r for r in reversed(placed)}.values())
