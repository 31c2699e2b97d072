# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell what rules of ours do to those who asked for nothing: what to ask, and what differs. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from vzhooks.addresses import family_of
from vzhooks.model import Element, Item, Lookup, Rule, Skeleton
from vzhooks.policy.facts import Facts
from vzhooks.policy.harden import Hardening
from vzhooks.policy.priorities import BEHIND, PASS, UNMARKED
from vzhooks.policy.roles import INSIDE
from vzhooks.policy.uplinks import Way

FAR = {4: "203.0.113.1", 6: "2001:db8::1"}
"""Beyond any gateway: addresses for documentation (RFC 5737, RFC 3849), which are asked about and never sent to."""
MOST = 64
"""So many of a kind are asked about; a node has few NICs and guests, but may have thousands of VEs."""


@dataclass(frozen=True)
class Flow:
    """Hold one packet to ask about: whose, from where to where, and by which device it comes in.

    iifs: any of these will do, since hardening has neighbours send by another NIC; none for what the node sends;
    plain: it is to or from a VE without an uplink, which `reserved` keeps from some ways.
    """

    who: str
    src: str
    dst: str
    iifs: tuple[str, ...] = ()
    plain: bool = False

    @property
    def key(self) -> str:
        """Return what tells it from any other, as noted down where --force let it be lost."""
        return f"{self.src} {self.dst}"


def begins(found: Iterable[Item], wanted: Iterable[Item], before: Hardening, after: Hardening) -> bool:
    """Tell whether a run brings something to the node that was not there: the guard, `reserved`, or hardening.

    What was there and was lost in part is only brought back, which nobody may hinder.
    """
    return bool(_kinds(wanted) - _kinds(found)) or (after.on and not before.on)


def _kinds(items: Iterable[Item]) -> set[str]:
    found = set()
    for item in items:
        if isinstance(item, Skeleton) or (isinstance(item, Rule) and item.priority in (PASS, UNMARKED)):
            found.add("guard")
        elif isinstance(item, Element) and item.set == "reserved" or isinstance(item, Rule) and item.goto == BEHIND:
            found.add("reserved")
    return found


def flows(facts: Facts, ways: Iterable[Way]) -> list[Flow]:
    """Return what to ask: for the node's addresses, other guests and VEs without uplink, in and out."""
    plain: list[str] = []
    assigned: list[str] = []
    for way in ways:
        local = [a for a in way.ve.addresses if a in facts.local]
        (plain if way.state == "unassigned" else assigned if way.state in ("ok", "backup") else []).extend(local)
    asked = [*_of_node(facts), *_of_ves(plain[:MOST], assigned, facts), *_of_guests(facts, plain, assigned)]
    return list(dict.fromkeys(f for f in asked if f.src != f.dst))


def _of_node(facts: Facts) -> Iterator[Flow]:
    lan = tuple(n.name for n in facts.lan)
    for nic in facts.lan:
        for address in nic.owns[:MOST]:
            who = f"the node's {address}"
            for there in _there(address, facts):
                yield Flow(who, address, there)
                yield Flow(f"{there} to {who}", there, address, lan)


def _of_ves(addresses: list[str], assigned: list[str], facts: Facts) -> Iterator[Flow]:
    lan = tuple(n.name for n in facts.lan)
    for address in addresses:
        who, side = f"the unassigned {address}", (facts.local[address],)
        near = [*_first(address, _lan_addresses(facts)), *_first(address, assigned), *_first(address, addresses)]
        for there in _there(address, facts):
            yield Flow(who, address, there, side, True)
            yield Flow(f"{there} to {who}", there, address, lan, True)
        yield from (Flow(who, address, there, side) for there in near)
        yield from (Flow(f"{there} to {who}", there, address, (facts.local[there],))
                    for there in _first(address, assigned))


def _of_guests(facts: Facts, plain: list[str], assigned: list[str]) -> Iterator[Flow]:
    """Return what to ask for one host of each network of guests."""
    lan = tuple(n.name for n in facts.lan)
    inside = {n.name for n in facts.nics.values() if n.role == INSIDE and n.up}
    for route in [r for r in facts.main if r.dev in inside and r.dst != "default"][:MOST]:
        host = _host(route.dst, facts.own)
        who, far = f"the guest {host} behind {route.dev}", FAR[route.family]
        ves = [*_first(host, plain), *_first(host, assigned)]
        for there in (*_there(host, facts), *_first(host, _lan_addresses(facts)), *ves):
            yield Flow(who, host, there, (route.dev,))
        yield Flow(f"the node to {who}", "", host)
        yield Flow(f"{far} to {who}", far, host, lan)
        yield from (Flow(f"{ve} to {who}", ve, host, (facts.local[ve],)) for ve in ves)


def _there(address: str, facts: Facts) -> list[str]:
    """Return where to ask about: far away, the gateways, and what rules of others name as a destination."""
    family = family_of(address)
    gateways = [g.address for g in facts.gateways if not ipaddress.ip_address(g.address).is_link_local]
    named = [_host(o.dst, facts.own) for o in facts.theirs if o.dst]
    found = [a for a in (*gateways, *named) if family_of(a) == family]
    return list(dict.fromkeys([FAR[family], *found[:MOST]]))


def _lan_addresses(facts: Facts) -> list[str]:
    return [a for nic in facts.lan for a in nic.owns]


def _first(like: str, addresses: Iterable[str]) -> list[str]:
    """Return the first other address of the same family, in a list."""
    return next(([a] for a in addresses if a != like and family_of(a) == family_of(like)), [])


def _host(network: str, own: Container[str]) -> str:
    """Return an address of a network that is none of the node's."""
    net = ipaddress.ip_network(network)
    hosts = (str(net.network_address + n) for n in (2, 1, 3, 0) if n < net.num_addresses)
    return next((h for h in hosts if h not in own), str(net.network_address))


def differences(before: Mapping[Flow, Lookup], after: Mapping[Flow, Lookup],
                reserved: Container[str] = ()) -> tuple[dict[Flow, str], dict[Flow, str]]:
    """Return what goes another way now, and what goes nowhere any more, a line each.

    reserved: devices that are kept from VEs; that a VE leaves by none of them is what was asked for.
    """
    kept = {(f.src, f.dst) for f, was in before.items() if f.plain and was.dev in reserved}
    moved: dict[Flow, str] = {}
    lost: dict[Flow, str] = {}
    for flow, was in before.items():
        now = after.get(flow, was)
        meant = flow.plain and bool({(flow.src, flow.dst), (flow.dst, flow.src)} & kept)
        if (was.dev, was.gateway, bool(was.error)) != (now.dev, now.gateway, bool(now.error)) and not meant:
            line = f"{flow.who}{'' if ' to ' in flow.who else f' to {flow.dst}'}: {_words(was)} -> {_words(now)}"
            (lost if now.error and not was.error else moved)[flow] = line
    return moved, lost


def _words(lookup: Lookup) -> str:
    via = f" via {lookup.gateway}" if lookup.gateway else ""
    return f"{lookup.dev}{via}" if lookup.dev else lookup.error or "nowhere"
