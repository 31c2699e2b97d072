# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell from the ip rules of an older script which uplinks VEs have today, and how to say that in our words.

Pure. Such a script makes `from ADDRESS lookup TABLE` for a VE, and a default route by some NIC in that table. What the
kernel has counts, whoever made it and by whatever script.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from vzhooks.addresses import family_of, host_prefix
from vzhooks.config.names import names_in
from vzhooks.config.settings import Settings
from vzhooks.config.vzconf import VeConfig
from vzhooks.model import MAIN, Lookup, Route, Uplink
from vzhooks.policy.facts import LOCAL, Facts
from vzhooks.policy.foreign import Other
from vzhooks.policy.roles import INSIDE, LO, VE, named
from vzhooks.policy.sources import claims, first
from vzhooks.policy.uplinks import gateway_of

KERNELS = (MAIN, LOCAL, 253)


@dataclass(frozen=True)
class Section:
    """Hold an uplink to be: its name in the ini, its device, its gateway by family."""

    name: str
    device: str
    gateways: Mapping[int, str] = field(default_factory=dict)
    known: bool = False

    def __str__(self) -> str:
        """Return it as a section of the ini."""
        keys = {4: "gateway", 6: "gateway6"}
        lines = [f"[uplink:{self.name}]", f"device = {self.device}"]
        return "\n".join([*lines, *(f"{keys[f]} = {self.gateways[f]}" for f in sorted(self.gateways))]) + "\n"


@dataclass(frozen=True)
class Plan:
    """Hold what to write and to drop.

    sections: to be added to the ini; uplinks: by VE, those to be written into configs where they are not yet; drop: the
    rules that are needed no more; notes: what else an operator must know, a line each.
    """

    sections: tuple[Section, ...] = ()
    uplinks: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[Other, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Tell whether there is nothing to do."""
        return not (self.sections or self.uplinks or self.drop)


@dataclass(frozen=True)
class Seen:
    """Hold what is looked at.

    settings: by this node's devices; live: addresses of the VEs that live; tables: routes by number; lookups: by
    address, where the kernel sends a packet of it that goes far away.
    """

    settings: Settings
    facts: Facts
    configs: Mapping[str, VeConfig]
    live: Mapping[str, tuple[str, ...]]
    tables: Mapping[int, tuple[Route, ...]]
    lookups: Mapping[str, Lookup] = field(default_factory=dict)


class _No(Exception):
    """Say why a VE is left as it is."""


def looked_up(facts: Facts) -> list[int]:
    """Return the tables that rules of others look up, which a plan needs to know."""
    return sorted({o.table for o in facts.theirs if o.table} - set(KERNELS))


def plan(seen: Seen) -> Plan:
    """Return what moves VEs that live from rules of others to uplinks."""
    return _Planner(seen).plan()


class _Planner:
    """Hold what was found so far."""

    def __init__(self, seen: Seen) -> None:
        self.seen, self.facts = seen, seen.facts
        self.uplinks: dict[str, str] = {}
        self.sections = [_section(u.name, seen) for u in seen.settings.uplinks.values()]
        self.notes: list[str] = []
        self.drop: list[Other] = []

    def plan(self) -> Plan:
        for ctid in sorted(self.seen.live, key=lambda c: (len(c), c)):
            rules = [o for a in self.seen.live[ctid] for o in _of(a, self.facts.theirs)]
            kept = list(self.sections)
            if rules:
                try:
                    self._move(ctid, rules)
                except _No as error:
                    self.sections = kept
                    self.notes.append(f"VE {ctid} is left as it is: {error}")
        self.notes += _of_stopped(self.seen)
        new = [s for s in self.sections if not s.known]
        added = [*new, *self._declared()] if new else []
        return Plan(tuple(added), self.uplinks, tuple(self.drop), tuple(dict.fromkeys(self.notes)))

    def _move(self, ctid: str, rules: list[Other]) -> None:
        """Give a VE the uplink that its rules amount to; raises _No."""
        ways = {a: d for a in self.seen.live[ctid] if (d := self._default(a))}
        if not ways:
            raise _No(f"no table that its rules look up has a default route ({rules[0].named})")
        self._check_kernel(ways)
        sections = [self._section(d, self._gateways(r for r in ways.values() if r.dev == d))
                    for d in dict.fromkeys(r.dev for r in ways.values())]
        config = self.seen.configs.get(ctid)
        if config is None:
            raise _No("its config cannot be read")
        by = {a: self._by(a, sections) for a in self.seen.live[ctid]}
        if any(by[a] != r.dev for a, r in ways.items()):
            raise _No(f"its addresses leave by {' and '.join(s.device for s in sections)}, whose networks do not tell "
                      "them apart; give it uplinks with sources by hand")
        self._check_former(config, sections)
        if not set(names_in(config.uplink)) >= {s.name for s in sections}:
            self.uplinks[ctid] = ",".join(s.name for s in sections)
        self._note(ctid, ways, by)
        self.drop += [o for o in dict.fromkeys(rules) if _is_plain(o) and _is_host(o)]

    def _by(self, address: str, sections: list[Section]) -> str:
        """Return by which device an address goes that has these uplinks."""
        made = [self.seen.settings.uplinks.get(s.name) or Uplink(s.name, s.device) for s in sections]
        return (first(address, claims(made, self.seen.settings, self.facts.nics)) or made[0]).device

    def _default(self, address: str) -> Route | None:
        """Return the route by which an address leaves the node today by a rule of somebody else; raises _No."""
        for rule in _of(address, self.facts.theirs):
            if not _is_plain(rule) or rule.table in KERNELS:
                raise _No(f"{rule.named} is no plain `from ADDRESS lookup TABLE`; look at it by hand")
            found = [r for r in self.seen.tables.get(rule.table, ()) if r.dst == "default" and r.family == rule.family]
            best = [r for r in found if r.metric == min(f.metric for f in found)]
            if len(best) > 1:
                raise _No(f"the default route of table {rule.table} has several hops; name one in the ini")
            if best and best[0].dev:
                return best[0]
        return None

    def _gateways(self, defaults: Iterable[Route]) -> dict[int, str]:
        """Return the gateway by family; raises _No where there is none, or more than one."""
        found: dict[int, str] = {}
        for route in defaults:
            nic = self.facts.nics.get(route.dev)
            if nic is None or nic.role in (LO, VE, INSIDE):
                raise _No(f"table {route.table} leads by {route.dev}, which does not lead off this node")
            if not route.gateway and not nic.pointopoint:
                raise _No(f"the default route of table {route.table} by {route.dev} names no gateway")
            if found.setdefault(route.family, route.gateway or "none") != (route.gateway or "none"):
                raise _No(f"its addresses leave by two gateways on {route.dev}; give it uplinks by hand")
        return found

    def _section(self, device: str, gateways: dict[int, str]) -> Section:
        """Return the uplink of this device and these gateways: one there is, else a new one."""
        for n, section in enumerate(self.sections):
            fits = all(section.gateways.get(f, g) == g for f, g in gateways.items())
            if section.device == device and fits:
                if not section.known:
                    self.sections[n] = replace(section, gateways={**section.gateways, **gateways})
                return self.sections[n]
        taken = {s.name for s in self.sections} | set(self.seen.settings.broken)
        names = (device if n == 1 else f"{device}-{n}" for n in range(1, len(taken) + 3))
        new = Section(next(n for n in names if n not in taken), device, gateways)
        self.sections.append(new)
        return new

    def _check_kernel(self, ways: Mapping[str, Route]) -> None:
        """Raise _No where the kernel itself sends an address another way than its rule seems to say."""
        for address, route in ways.items():
            now = self.seen.lookups.get(address, Lookup()).dev
            if now and now != route.dev:
                raise _No(f"the kernel sends {address} by {now}, though a rule leads by {route.dev}; look at its rules")

    def _check_former(self, config: VeConfig, sections: list[Section]) -> None:
        """Raise _No where the config names another device than the rules lead by."""
        known = {s.name: s.device for s in self.sections}
        former = {known.get(n) or named(n, self.facts.nics) for n in names_in(config.uplink)}
        devices = [s.device for s in sections]
        if former and not former >= set(devices):
            raise _No(f"its config says UPLINK=\"{config.uplink}\", and its rules lead by {' and '.join(devices)}")

    def _note(self, ctid: str, ways: Mapping[str, Route], by: Mapping[str, str]) -> None:
        """Say what becomes another with the uplink."""
        for address, device in by.items():
            if address not in ways and self.facts.leads(family_of(address)) != device:
                self.notes.append(f"VE {ctid}: {address} goes by main today, and by {device} then")
        for table in sorted({r.table for r in ways.values()}):
            for route in self.seen.tables[table]:
                nic = self.facts.nics.get(route.dev)
                if route.dst != "default" and nic and nic.role not in (VE, INSIDE) and route.dev not in by.values():
                    self.notes.append(f"VE {ctid}: table {table} also leads to {route.dst} by {route.dev}, an uplink "
                                      "does not")
        for rule in {o for a in ways for o in _of(a, self.facts.theirs) if not _is_host(o)}:
            self.notes.append(f"{rule.named} is for more than one VE and stays; when nothing needs it: "
                              f"`ip {'-6 ' if rule.family == 6 else ''}rule del {rule.named}`")

    def _declared(self) -> list[Section]:
        """Return sections of the names that serve without any today: once there is one, only such count."""
        if self.seen.settings.declared:
            return []
        wished = [n for c in self.seen.configs.values() for n in names_in(c.uplink)] + [self.seen.settings.unassigned]
        taken = {s.name for s in self.sections}
        names = dict.fromkeys(n for n in wished if n not in taken and named(n, self.facts.nics) in self.facts.nics)
        return [Section(n, named(n, self.facts.nics)) for n in names]


def _section(name: str, seen: Seen) -> Section:
    """Return an uplink that the ini has, with the gateways that it has by now."""
    uplink = seen.settings.uplinks[name]
    nic = seen.facts.nics.get(uplink.device)
    said = {4: uplink.gateway, 6: uplink.gateway6}
    found = {f: g if g == "none" or nic is None else gateway_of(nic, f, g, seen.facts.gateways)
             for f, g in said.items()}
    return Section(name, uplink.device, {f: g for f, g in found.items() if g}, known=True)


def _of(address: str, rules: Iterable[Other]) -> list[Other]:
    """Return the rules that name an address as a source, or a network of it, in the kernel's order."""
    ip = ipaddress.ip_address(address)
    found = [o for o in rules if o.src and o.family == ip.version and ip in ipaddress.ip_network(o.src)]
    return sorted(found, key=lambda o: o.priority)


def _is_plain(rule: Other) -> bool:
    return bool(rule.table) and replace(rule, src="", protocol=0) == Other(rule.family, rule.priority, rule.action,
                                                                           rule.table)


def _is_host(rule: Other) -> bool:
    return rule.src == host_prefix(rule.src.partition("/")[0])


def _of_stopped(seen: Seen) -> Iterator[str]:
    """Return the VEs that have such a rule and do not run: what they need is not told by the kernel alone."""
    for ctid, config in seen.configs.items():
        rules = [o for a in config.addresses for o in _of(a, seen.facts.theirs) if _is_host(o)]
        if ctid not in seen.live and rules:
            yield f"VE {ctid} does not run, and {rules[0].named} is left; start it and give the command again"
