# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell what a VE's UPLINK means on this node: which device, which gateway, or why none. Pure."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from vzhooks.config.settings import NAME, Settings
from vzhooks.config.vzconf import shown
from vzhooks.errors import InputError
from vzhooks.model import Gateway, Nic, Problem, Uplink, Ve, family_of
from vzhooks.policy.roles import Nics, is_lan, named, why_no_uplink

BLOCK = "unassigned = block"


@dataclass(frozen=True)
class Way:
    """Tell which way one VE goes: by `device`, or cut off, and why.

    state: ok, backup, blocked, or unassigned.
    """

    ve: Ve
    state: str
    uplink: Uplink | None = None
    why: str = ""


def resolve(name: str, settings: Settings, nics: Nics) -> Uplink:
    """Return the uplink of that name on this node.

    Raises InputError, with the names there are, where a VE cannot have it.
    """
    if not NAME.fullmatch(name):
        has = _listed(available(settings, nics))
        raise InputError(f"UPLINK={shown(name)} is no uplink's name; this node has {has}")
    if settings.declared:
        if name in settings.broken:
            raise InputError(settings.broken[name])
        if name not in settings.uplinks:
            raise InputError(f"uplink {name}: not in this node's ini; it has {_listed(settings.uplinks)}")
        uplink = settings.uplinks[name]
    else:
        name = named(name, nics)
        if name not in nics or not is_lan(nics[name]):
            why = why_no_uplink(nics[name], nics) if name in nics else None
            raise InputError(f"uplink {name}: {why or 'no LAN NIC of that name'}; "
                             f"this node has {_listed(available(settings, nics))}")
        uplink = Uplink(name, name)
    nic = nics.get(uplink.device)
    why = f"{uplink.device} is reserved for the node" if uplink.device in settings.reserved else None
    why = why or (why_no_uplink(nic, nics) if nic else None)
    if why:
        raise InputError(f"uplink {name}: {why}; this node has {_listed(available(settings, nics))}")
    return uplink


def available(settings: Settings, nics: Nics) -> list[str]:
    """Return the names that a VE's UPLINK can be on this node."""
    if settings.declared:
        return list(settings.uplinks)
    return [n.name for n in nics.values() if is_lan(n) and n.name not in settings.reserved]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none yet"


def way_of(ve: Ve, settings: Settings, nics: Nics) -> Way:
    """Return the way a VE should go, with the reason where it is not the one it asked for."""
    name = ve.uplink or settings.unassigned
    if name == "main" and not ve.uplink:
        return Way(ve, "unassigned")
    if name == "block" and not ve.uplink:
        return Way(ve, "blocked", why=BLOCK)
    try:
        uplink = resolve(name, settings, nics)
    except InputError as error:
        return Way(ve, "blocked", why=str(error))
    down = why_down(uplink, nics)
    if down and uplink.backup:
        try:
            backup = resolve(uplink.backup, settings, nics)
        except InputError:
            backup = uplink
        if not why_down(backup, nics):
            return Way(ve, "backup", backup, down)
    return Way(ve, "blocked" if down else "ok", uplink, down)


def why_down(uplink: Uplink, nics: Nics) -> str:
    """Return why nothing can leave by an uplink now, "" where it can."""
    nic = nics.get(uplink.device)
    if nic is None:
        return f"{uplink.device} does not exist (yet)"
    if not nic.up:
        return f"{uplink.device} is down"
    return "" if nic.carrier else f"{uplink.device} has no carrier"


def gateway_of(nic: Nic, family: int, gateway: str, known: tuple[Gateway, ...]) -> str:
    """Return the address to send by on this device, "" for none.

    `auto` is a gateway that main uses: on this very device, else one that its networks hold.
    """
    if gateway != "auto":
        return "" if gateway == "none" or not nic.takes(family) else gateway
    ours = [g for g in known if family_of(g.address) == family]
    here = [g.address for g in ours if g.dev == nic.name]
    near = [g.address for g in ours if holds(nic, g.address)]
    return next(iter(here + near), "") if nic.takes(family) else ""


def holds(nic: Nic, address: str) -> bool:
    """Tell whether an address is on one of the device's connected networks."""
    ip = ipaddress.ip_address(address)
    return any(ip in ipaddress.ip_network(n) for n in nic.networks if family_of(n) == ip.version)


def nearest(name: str, nics: Nics) -> str:
    """Return words that help with a device's name that there is not: the nearest there is, or all."""
    names = [n.name for n in nics.values() if is_lan(n)]
    close = difflib.get_close_matches(name, names, 1)
    return f"did you mean {close[0]}?" if close else f"this node has {_listed(names)}"


def said_of_reserved(settings: Settings, nics: Nics) -> list[Problem]:
    """Return a line for each reserved device that there is not: it protects nothing."""
    return [Problem("", f"[node] reserved = {name}: no device of this name is on this node, so it protects nothing; "
                    f"{nearest(name, nics)}") for name in settings.reserved if name not in nics]
