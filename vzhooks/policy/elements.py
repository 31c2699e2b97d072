# SPDX-License-Identifier: GPL-2.0-or-later
"""What the guard's sets hold: who may leave by what. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

from vzhooks.addresses import family_of
from vzhooks.config.settings import Settings
from vzhooks.model import Element
from vzhooks.policy import harden
from vzhooks.policy.facts import Facts
from vzhooks.policy.layout import SHARED
from vzhooks.policy.roles import INSIDE, LAN, VE
from vzhooks.policy.rules import held_devices, known, sides
from vzhooks.policy.uplinks import Way

NOBODY = "0.0.0.0"
"""The sender of a question in nobody's name (RFC 5227, 1.1)."""


def of_ways(ways: Iterable[Way], facts: Facts, settings: Settings, strict: bool,
            hardened: bool) -> Iterator[Element]:
    """Return all elements of the guard's sets, those that mark apart."""
    ways, homes = list(ways), homes_of(ways, facts)
    yield from _devices(ways, facts, settings)
    yield from _held(ways, strict)
    yield from _askers(ways, facts, hardened)
    yield from _known(ways, facts, homes)
    for address, devices in homes.items():
        for name in devices:
            yield Element(f"homes{family_of(address)}", (address, name))
    for way in ways:
        for address in way.ve.addresses if way.state != "unassigned" else ():
            yield from _source(address, way)


def _known(ways: Iterable[Way], facts: Facts, homes: Container[str]) -> Iterator[Element]:
    """Return how each address is held: as assigned to an uplink or not, and by where it comes in once that is known."""
    assigned = {a for w in ways if w.state != "unassigned" for a in w.ve.addresses}
    for address in known(ways, facts):
        how = "assigned" if address in assigned else "unassigned"
        family, here = family_of(address), "_here" if address in homes else ""
        yield Element(f"known{family}", (address, f"{how}{here}{family}"))


def _devices(ways: list[Way], facts: Facts, settings: Settings) -> Iterator[Element]:
    veside = sides(ways, facts.nics)
    inside = {n.name for n in facts.nics.values() if n.role == INSIDE}
    lan = {n.name for n in facts.lan} | {w.uplink.device for w in ways if w.uplink} | set(settings.reserved)
    names = {"veside": veside, "near": (veside | inside | {"lo"}) - set(settings.reserved), "lan": lan,
             "arp:lan": lan, "reserved": settings.reserved,
             "closed": veside if settings.unassigned == "block" else ()}
    for kind, members in names.items():
        for name in members:
            yield Element(kind, (name,))
    for nic in facts.nics.values():
        if nic.kind == "bridge" and nic.role != VE:
            yield Element("bridged", (nic.name, nic.name))
        if nic.kind == "bridge" and nic.role == LAN and nic.mac:
            yield Element("macs", (nic.name, nic.mac))


def _held(ways: Iterable[Way], strict: bool) -> Iterator[Element]:
    ways = list(ways)
    held = held_devices(ways)
    for device in {d for w in ways for d in w.ve.devices if d not in held} if strict else ():
        yield Element("strict", (device,))
    for device, mine in held.items():
        yield Element("held", (device,))
        for uplink in (w.uplink for w in mine if w.uplink):
            yield Element("ways", (device, uplink.device))


def homes_of(ways: Iterable[Way], facts: Facts) -> dict[str, set[str]]:
    """Return by which devices a VE's address may come in: by its own, by that of its route, by the one all share.

    Not of a VE whose device is not known yet, nor of one that main reaches elsewhere.
    """
    homes: dict[str, set[str]] = {a: {dev} for a, dev in facts.local.items()}
    for way in ways:
        for address in set(way.ve.addresses) - facts.away:
            homes.setdefault(address, set()).update(way.ve.devices or ({SHARED} if facts.shared else ()))
    return {a: devices for a, devices in homes.items() if devices and a not in facts.own}


def _askers(ways: Iterable[Way], facts: Facts, hardened: bool) -> Iterator[Element]:
    """Return in whose name an uplink asks that has no address; the kernel would take another NIC's address.

    So does one that shares its LAN with NICs whose ARP is not hardened: neighbours would learn its own address there,
    where a strict rp_filter takes nothing for it, since main sends replies by another NIC.
    """
    soft = harden.soft(facts.nics, hardened)
    senders: dict[str, set[str]] = {}
    for way in ways:
        nic = facts.nics.get(way.uplink.device) if way.uplink else None
        if nic and (nic.name in soft or not [a for a in nic.owns if family_of(a) == 4]):
            routed = {a for a in way.ve.addresses if family_of(a) == 4 and a in facts.local}
            senders.setdefault(nic.name, set()).update(routed)
    for name, addresses in senders.items():
        yield Element("arp:askers", (name, min(addresses, default=NOBODY)))


def _source(address: str, way: Way) -> Iterator[Element]:
    family = family_of(address)
    asked = "arp:asked4" if family == 4 else "asked6"
    yield Element(asked, (address,))
    if way.uplink:
        yield Element(f"exits{family}", (address, way.uplink.device))
        yield Element(asked.replace("asked", "answers"), (address, way.uplink.device))


def paths(ways: Iterable[Way], facts: Facts) -> Iterator[Element]:
    """Return the way in and out of each address that has one, which is looked for first in rule mode."""
    ways = list(ways)
    homes = homes_of(ways, facts)
    leading = ((a, w.uplink.device) for w in ways if w.uplink for a in w.ve.addresses)
    for address, device in leading:
        for name in homes.get(address, ()):
            yield Element(f"paths{family_of(address)}", (address, name, device))
