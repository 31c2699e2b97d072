# SPDX-License-Identifier: GPL-2.0-or-later
"""See the node: what the kernel says, each device with its role, and the evidence of VEs that live."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vzhooks.config.settings import Settings
from vzhooks.config.vzconf import VeConfig
from vzhooks.node import evidence, notes
from vzhooks.node.host import Paths
from vzhooks.policy import uplinks
from vzhooks.policy.evidence import Evidence
from vzhooks.policy.facts import Facts, in_this_node, known_of, settle
from vzhooks.policy.records import Record
from vzhooks.run import inputs, obstacles
from vzhooks.run.doors import Doors
from vzhooks.run.inputs import Inputs
from vzhooks.run.request import Request


class Sight:
    """Hold what was read once; raw: the kernel's facts, without roles; now: seconds since boot."""

    def __init__(self, paths: Paths, request: Request, read: Inputs, doors: Doors, raw: Facts, now: float) -> None:
        self.request, self.read, self.now = request, read, now
        self.raw = replace(raw, shared=not evidence.is_openvz9(paths))
        self.networks = notes.load_networks(paths.networks)
        listed = doors.listed(paths)
        self.evidence = evidence.evidence(inputs.roots(paths, read, listed), listed,
                                          evidence.lock_dirs(paths, read.vz_conf))
        self._configs = [c for c in read.configs.values() if isinstance(c, VeConfig)]
        ves: list[VeConfig | Record] = [*self._configs, *read.known.values()]
        self._devices = {d for c in ves for d in c.devices} | set(request.devices.values())
        self._addresses = {a for c in self._configs for a in c.addresses}
        self._addresses.update(a for had in (*(r.all for r in read.known.values()), *listed.values()) for a in had)
        self._asked: set[str] = set()
        self._last: tuple[Facts, Settings] | None = None

    def routed(self, facts: Facts) -> Evidence:
        """Return the evidence of VEs that live, with the addresses that are routed to them."""
        return replace(self.evidence, routed=frozenset(facts.local))

    def by(self, records: Iterable[Record]) -> tuple[Facts, Settings]:
        """Return the facts with each device's role, by the uplinks that configs and these records name.

        And the settings by the devices' own names, with what sends by a reserved one reserved as well.
        """
        asked = {c.uplink for c in self._configs} | {r.uplink for r in records} | set(self.request.assign.values())
        if self._last and asked == self._asked:
            return self._last
        known = known_of(self.read.settings, self.raw.nics, self.raw.main, self._devices, self._addresses, asked)
        facts = settle(self.raw, known)
        settings = replace(in_this_node(self.read.settings, facts.nics), seen=self.networks)
        health = uplinks.healths(settings, facts.nics, self.read.health, self.now)
        self._asked, self._last = asked, (obstacles.as_ipv6_is(replace(facts, health=health)), settings)
        return self._last
