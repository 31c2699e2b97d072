# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell which gateways of the ini cannot be, or are surely not meant, on this node's NICs. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from vzhooks.addresses import family_of
from vzhooks.config.settings import Settings
from vzhooks.model import Nic, Uplink
from vzhooks.policy.roles import Nics
from vzhooks.policy.uplinks import holds


@dataclass(frozen=True)
class Doubt:
    """Hold what is wrong with one gateway; sure: it cannot work, else it may be meant.

    key: gateway or gateway6; step: what to do.
    """

    uplink: str
    key: str
    text: str
    step: str
    sure: bool

    def __str__(self) -> str:
        """Return it as one line, for check and resync."""
        return f"[uplink:{self.uplink}] {self.key} = {self.text}; {self.step}"


def doubts(settings: Settings, nics: Nics) -> tuple[Doubt, ...]:
    """Return what is doubtful about the gateways that the ini names."""
    return tuple(d for uplink in settings.uplinks.values() for d in _doubts(uplink, nics))


def _doubts(uplink: Uplink, nics: Nics) -> Iterator[Doubt]:
    nic, owners = nics.get(uplink.device), {a: n.name for n in nics.values() for a in n.owns}
    for key, address in (("gateway", uplink.gateway), ("gateway6", uplink.gateway6)):
        if address in ("none", "auto"):
            continue
        if address in owners:
            text = f"{address}: is this node's own address, on {owners[address]}"
            yield Doubt(uplink.name, key, text, "name the router's address", True)
        elif nic and _is_afar(nic, address):
            nets = ", ".join(n for n in nic.networks if family_of(n) == family_of(address))
            yield Doubt(uplink.name, key, f"{address}: is in none of the networks of {nic.name} ({nets})",
                        "correct it, unless the router is reached there all the same", False)


def _is_afar(nic: Nic, address: str) -> bool:
    """Tell whether the NIC has networks of that family and none holds the address."""
    known = any(family_of(n) == family_of(address) for n in nic.networks)
    return known and not holds(nic, address) and not ipaddress.ip_address(address).is_link_local
