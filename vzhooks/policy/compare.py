# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell what a first change on a node does to those who asked for nothing: what to ask, and what differs. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from vzhooks.model import Lookup, family_of
from vzhooks.policy.facts import Facts
from vzhooks.policy.roles import INSIDE
from vzhooks.policy.uplinks import Way

FAR = {4: "203.0.113.1", 6: "2001:db8::1"}
"""Beyond any gateway: addresses for documentation (RFC 5737, RFC 3849), which are asked about and never sent to."""
MOST = 64
"""So many of a kind are asked about; a node has few NICs and guests, but may have thousands of VEs."""


@dataclass(frozen=True)
class Flow:
    """Hold one packet to ask about: whose, from where to where, and by which device it comes in ("": our own)."""

    who: str
    src: str
    dst: str
    iif: str = ""


def flows(facts: Facts, ways: Iterable[Way], closed: bool) -> list[Flow]:
    """Return what to ask: for the node's addresses, other guests and unassigned VEs, in and out.

    closed: the ini itself keeps VEs without an uplink from some ways, or from all.
    """
    plain = [a for w in ways if w.state == "unassigned" for a in w.ve.addresses if a in facts.local][:MOST]
    plain = [] if closed else plain
    return [*_of_node(facts), *_of_ves(plain, facts), *_of_guests(facts, plain)]


def _of_node(facts: Facts) -> Iterator[Flow]:
    for nic in facts.lan:
        for address in nic.owns:
            family = family_of(address)
            yield Flow(f"the node's {address}", address, FAR[family])
            for gateway in {g.address for g in facts.gateways if family_of(g.address) == family}:
                if not ipaddress.ip_address(gateway).is_link_local:
                    yield Flow(f"the node's {address}", address, gateway)


def _of_ves(addresses: Iterable[str], facts: Facts) -> Iterator[Flow]:
    for address in addresses:
        yield Flow(f"the unassigned {address}", address, FAR[family_of(address)], facts.local[address])


def _of_guests(facts: Facts, ves: list[str]) -> Iterator[Flow]:
    """Return what to ask for one host of each network of guests: away, and to an unassigned VE."""
    inside = {n.name for n in facts.nics.values() if n.role == INSIDE and n.up}
    for route in [r for r in facts.main if r.dev in inside and r.dst != "default"][:MOST]:
        net = ipaddress.ip_network(route.dst)
        host = next((str(net.network_address + n) for n in (2, 1, 0) if n < net.num_addresses
                     and str(net.network_address + n) not in facts.own), str(net.network_address))
        family = family_of(host)
        yield Flow(f"the guest {host} behind {route.dev}", host, FAR[family], route.dev)
        yield from (Flow(f"the guest {host} behind {route.dev}", host, ve, route.dev) for ve in ves[:1]
                    if family_of(ve) == family)


def differences(before: Mapping[Flow, Lookup], after: Mapping[Flow, Lookup]) -> tuple[list[str], list[str]]:
    """Return what goes another way now, and what goes nowhere any more, a line each."""
    moved: list[str] = []
    lost: list[str] = []
    for flow, was in before.items():
        now = after.get(flow, was)
        if (was.dev, was.gateway, bool(was.error)) != (now.dev, now.gateway, bool(now.error)):
            line = f"{flow.who} to {flow.dst}: {_words(was)} -> {_words(now)}"
            (lost if now.error and not was.error else moved).append(line)
    return moved, lost


def _words(lookup: Lookup) -> str:
    via = f" via {lookup.gateway}" if lookup.gateway else ""
    return f"{lookup.dev}{via}" if lookup.dev else lookup.error or "nowhere"
