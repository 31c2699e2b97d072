# SPDX-License-Identifier: GPL-2.0-or-later
"""Say what the daemon asks on the wire to tell whether an uplink works: who has to answer, on which device. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from vzhooks.addresses import family_of
from vzhooks.config.settings import Settings
from vzhooks.errors import InputError
from vzhooks.model import Nic, Uplink
from vzhooks.policy.facts import Facts
from vzhooks.policy.health import LINK
from vzhooks.policy.uplinks import gateway_of, holds, resolve, why_down

GATEWAY = "gateway"


@dataclass(frozen=True)
class Ask:
    """Hold one question: `hop`, a neighbour, is asked for itself, or a ping goes by it to `address`.

    hop: "" on a device without neighbours; source: an address of the device, "" where it has none; what: is asked,
    in words.
    """

    address: str
    hop: str
    source: str
    ping: bool
    what: str


@dataclass(frozen=True)
class Target:
    """Hold what is asked of one uplink, every `interval` seconds: each question has to be answered."""

    uplink: str
    device: str
    asks: tuple[Ask, ...]
    interval: float


def targets(settings: Settings, facts: Facts) -> dict[str, Target]:
    """Return what to ask, by uplink; nothing of one that has no link, or nobody to ask."""
    found = {}
    for name in settings.uplinks:
        with suppress(InputError):
            uplink = resolve(name, settings, facts.nics)
            if uplink.probe != LINK and not why_down(uplink, facts.nics):
                asks = tuple(asks_of(uplink, facts))
                found.update({name: Target(name, uplink.device, asks, uplink.probe_interval)} if asks else {})
    return found


def asks_of(uplink: Uplink, facts: Facts) -> Iterator[Ask]:
    """Return the questions by which an uplink's probe is answered."""
    nic = facts.nics[uplink.device]
    said = {4: uplink.gateway, 6: uplink.gateway6}
    gateways = {f: gateway_of(nic, f, said[f], facts.gateways) for f in facts.families}
    if uplink.probe == GATEWAY:
        for family, gateway in gateways.items() if not nic.pointopoint else ():
            if gateway:
                yield Ask(gateway, gateway, _source(nic, family, gateway), False, f"gateway {gateway}")
        return
    address, family = uplink.probe, family_of(uplink.probe)
    hop = "" if nic.pointopoint else address if holds(nic, address) else gateways.get(family, "") or address
    source = _source(nic, family, hop or address)
    if source:
        yield Ask(address, hop, source, True, address)
    elif hop:  # nobody could answer a ping from nowhere, but a neighbour is asked in nobody's name
        what = address if hop == address else f"gateway {hop}, asked for {address} since {nic.name} has no address,"
        yield Ask(hop, hop, "", False, what)


def _source(nic: Nic, family: int, hop: str) -> str:
    """Return the device's own address to ask from: one of the hop's network before others."""
    own = [a for a in nic.addresses if family_of(a) == family]
    near = [a for a in own if holds(Nic(nic.name, nic.index, addresses=(a,)), hop)]
    return next((a.partition("/")[0] for a in near + own), "")


def silent(target: Target, asks: tuple[Ask, ...]) -> str:
    """Return in words who did not answer on an uplink."""
    verb = "does" if len(asks) == 1 else "do"
    return f"{' and '.join(a.what for a in asks)} {verb} not answer on {target.device}"
