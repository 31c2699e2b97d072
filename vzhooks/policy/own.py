# SPDX-License-Identifier: GPL-2.0-or-later
"""Give replies of the node the way by the NIC that has the address, without stealing from main. Pure.

No last resort here: the node's own traffic falls to main, so nobody is cut off from the HN. Nor a default of our
own where main's best one leaves by this very NIC: main's follows when its gateway changes. An address that a rule
of somebody else names as a source is left to that.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from vzhooks.addresses import family_of, host_prefix, length_of
from vzhooks.config.settings import Settings
from vzhooks.model import MAIN, Item, Nic, Route, Rule, Uplink
from vzhooks.policy.facts import Facts
from vzhooks.policy.foreign import Other
from vzhooks.policy.priorities import OWN_DEFAULT, OWN_LAN, OWN_MAIN, OWN_SPECIFIC
from vzhooks.policy.routes import of_device
from vzhooks.policy.tables import own_key


def items(facts: Facts, settings: Settings, tables: Mapping[str, int]) -> Iterator[Item]:
    """Return the rules of the node's own addresses, and their tables."""
    by_device = {u.device: u for u in reversed(list(settings.uplinks.values()))}
    for nic in facts.lan:
        for family in facts.families if nic.addresses else ():
            uplink = by_device.get(nic.name, Uplink(nic.name, nic.name))
            yield from _of_nic(nic, family, uplink, facts, tables[own_key(nic.name)])


def _of_nic(nic: Nic, family: int, uplink: Uplink, facts: Facts, table: int) -> Iterator[Item]:
    known = list(of_device(nic, family, uplink, facts))
    networks = [r for r in known if r.dst in nic.networks and not r.gateway]
    defaults = [r for r in known if r.dst == "default"] if facts.leads(family) != nic.name else []
    needed = {r.gateway for r in defaults}
    near = [r for r in known if r.dst in {host_prefix(g) for g in needed if g}]
    yield from (replace(r, table=table) for r in {r.key: r for r in [*networks, *near, *defaults]}.values())
    sources = [a for a in nic.owns if family_of(a) == family and not _taken(a, facts.others)]
    for src in map(host_prefix, sources):
        yield from _rules(src, networks, bool(defaults), table)


def _rules(src: str, networks: Iterable[Route], leads: bool, table: int) -> Iterator[Rule]:
    family = family_of(src)
    for net in dict.fromkeys(r.dst for r in networks):
        yield Rule(family, OWN_SPECIFIC, MAIN, src, net, suppress=length_of(net))
        yield Rule(family, OWN_LAN, table, src, net)
    if leads:
        yield Rule(family, OWN_MAIN, MAIN, src, suppress=0)
        yield Rule(family, OWN_DEFAULT, table, src)


def _taken(address: str, others: Iterable[Other]) -> str:
    """Return somebody else's rule that names the address as a source, "" for none."""
    ip = ipaddress.ip_address(address)
    return next((o.named for o in others if o.src and not o.kernel and o.family == ip.version
                 and ip in ipaddress.ip_network(o.src)), "")


def remarks(facts: Facts) -> tuple[str, ...]:
    """Return a line for each address that is left to somebody else's rule."""
    taken = [(a, _taken(a, facts.others)) for nic in facts.lan for a in nic.owns]
    return tuple(f"replies of {a} are left to another's rule: {rule}" for a, rule in taken if rule)
