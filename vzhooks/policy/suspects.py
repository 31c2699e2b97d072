# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell what in an ini that has no error is suspicious on this node. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from vzhooks.config.settings import Settings
from vzhooks.errors import InputError
from vzhooks.policy.facts import Facts, in_this_node, known_of, settle
from vzhooks.policy.gateways import doubts
from vzhooks.policy.roles import named
from vzhooks.policy.uplinks import nearest, resolve


@dataclass(frozen=True)
class Suspicion:
    """Hold what may not be meant: where in the ini, and why."""

    section: str
    key: str
    value: str
    text: str


def suspicions(settings: Settings, raw: Facts, uplinks: Mapping[str, Iterable[str]]) -> Iterator[Suspicion]:
    """Return what is suspicious here: devices, gateways, and uplinks of VEs that the ini does not have.

    raw: what the kernel says; uplinks: the VEs by the uplink that their configs name.
    """
    facts = settle(raw, known_of(settings, raw.nics, raw.main, (), (), uplinks))
    here = in_this_node(settings, facts.nics)
    yield from _of_node(settings, facts)
    for name, uplink in settings.uplinks.items():
        section = f"uplink:{name}"
        if named(uplink.device, facts.nics) not in facts.nics:
            yield Suspicion(section, "device", uplink.device, _absent(uplink.device, facts))
            continue
        try:
            resolve(name, here, facts.nics)
        except InputError as error:
            yield Suspicion(section, "device", uplink.device, str(error))
    for doubt in doubts(here, facts.nics):
        address, _, why = doubt.text.partition(": ")
        yield Suspicion(f"uplink:{doubt.uplink}", doubt.key, address, f"{why}; {doubt.step}")
    yield from _of_ves(settings, uplinks)


def _of_node(settings: Settings, facts: Facts) -> Iterator[Suspicion]:
    for key, devices in (("reserved", settings.reserved), ("inside", settings.inside or ())):
        for device in devices:
            if named(device, facts.nics) not in facts.nics:
                yield Suspicion("node", key, device, _absent(device, facts))


def _absent(device: str, facts: Facts) -> str:
    return f"no device of this name is on this node; {nearest(device, facts.nics)}"


def _of_ves(settings: Settings, uplinks: Mapping[str, Iterable[str]]) -> Iterator[Suspicion]:
    """Return the uplinks that VEs of this node name and the ini does not have, once it has any."""
    for name, ctids in uplinks.items() if settings.declared else ():
        if name not in settings.uplinks and name not in settings.broken:
            ves = list(ctids)
            text = f"not here, but VE {', '.join(ves)} {'name' if ves[1:] else 'names'} it and would be cut off"
            yield Suspicion(f"uplink:{name}", "", "", text)
