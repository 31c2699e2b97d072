# SPDX-License-Identifier: GPL-2.0-or-later
"""See the node: what the kernel says, each device with its role, and the evidence of VEs that live."""

from __future__ import annotations

from dataclasses import replace

from vzhooks.config.settings import Settings
from vzhooks.config.vzconf import VeConfig
from vzhooks.node import evidence, notes
from vzhooks.node.host import Paths
from vzhooks.policy import uplinks
from vzhooks.policy.evidence import Evidence
from vzhooks.policy.facts import Facts, in_this_node, known_of, settle
from vzhooks.policy.records import Records
from vzhooks.policy.roles import Known
from vzhooks.run import inputs, obstacles
from vzhooks.run.doors import Doors
from vzhooks.run.inputs import Inputs
from vzhooks.run.request import Request


class Sight:
    """Hold what was read once, and tell by it and by our notes what each device is.

    Our notes are looked at twice, since either needs the other: who lives shows in the routes by VEs' devices, and
    which devices are VEs' shows in the notes on those that live. The second look is the one that the next run begins
    with, so that nothing is left for that one to change.

    raw: the kernel's facts, without roles; now: seconds since boot.
    """

    def __init__(self, paths: Paths, request: Request, read: Inputs, doors: Doors, raw: Facts, now: float) -> None:
        self.request, self.read, self.now = request, read, now
        self.raw = replace(raw, shared=not evidence.is_openvz9(paths))
        self.networks = notes.load_networks(paths.networks)
        listed = doors.listed(paths)
        self.evidence = evidence.evidence(inputs.roots(paths, read, listed), listed,
                                          evidence.lock_dirs(paths, read.vz_conf))
        configs = [c for c in read.configs.values() if isinstance(c, VeConfig)]
        self._devices = {d for c in configs for d in c.devices} | set(request.devices.values())
        self._addresses = {a for had in (*(c.addresses for c in configs), *listed.values()) for a in had}
        self._uplinks = {c.uplink for c in configs} | set(request.assign.values())
        self._records: Records = {}
        self._known: Known | None = None
        self._seen: tuple[Facts, Settings] | None = None

    def evidence_by(self, facts: Facts) -> Evidence:
        """Return the evidence of VEs that live, with the addresses that these facts show routed to them."""
        return replace(self.evidence, routed=frozenset(facts.local))

    def facts_by(self, records: Records) -> tuple[Facts, Settings]:
        """Return the facts with each device's role, by what configs, vzctl's lists and these records name.

        And the settings by the devices' own names, with what sends by a reserved one reserved as well.
        """
        if self._seen and records == self._records:  # of ten thousand VEs seldom one has changed
            return self._seen
        known = self._known_by(records)
        if self._seen is None or known != self._known:
            self._seen = self._settled(known)
        self._records, self._known = records, known
        return self._seen

    def _known_by(self, records: Records) -> Known:
        """Return what tells devices apart."""
        devices = self._devices.union(*(r.devices for r in records.values()))
        addresses = self._addresses.union(*(r.all for r in records.values()))
        uplinks = self._uplinks.union(r.uplink for r in records.values())
        return known_of(self.read.settings, self.raw.nics, self.raw.main, devices, addresses, uplinks)

    def _settled(self, known: Known) -> tuple[Facts, Settings]:
        facts = settle(self.raw, known)
        settings = replace(in_this_node(self.read.settings, facts.nics), seen=self.networks)
        health = uplinks.healths(settings, facts.nics, self.read.health, self.now)
        return obstacles.as_ipv6_is(replace(facts, health=health)), settings
