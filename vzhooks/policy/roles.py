# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell which device is what, by what is known of it and never by how its name looks. Pure.

A VE's side is what vzctl's data and main's host routes to VEs name. A LAN NIC leads off the node: hardware,
a bond, a vlan or bridge over such, what the ini or a default route names. All else belongs to others: it is
never hardened, never closed, and no VE leaves by it. The one name that tells something is vzctl's own venet0,
which is a device of OpenVZ, or (vzctl 4 on other kernels: `brctl addbr venet0`) a bridge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from vzhooks.addresses import host_prefix
from vzhooks.model import Nic, Route

Nics = Mapping[str, Nic]

LO, MEMBER, VE, LAN, INSIDE, OTHER = ROLES = ("lo", "member", "ve", "lan", "inside", "other")
"""Loopback; part of a bridge or bond; VEs are behind it; it leads off the node; guests of the node are
behind it; a tunnel and whatever else."""

_VENET = re.compile(r"venet\d+")
_LEADING = ("", "bond", "team")
_STACKED = ("vlan", "macvlan", "ipvlan")
# An HN that is itself a guest has such devices for NICs, whose other end is out of sight.
_GUEST = ("veth", "macvlan", "ipvlan", "bridge")


@dataclass(frozen=True)
class Known:
    """Hold what tells devices apart besides their kind.

    devices: the node's ends of VEs' veths and addresses: those of VEs, by vzctl's data; named: devices in the ini;
    wished: names that VEs' UPLINK may take for a device's; inside: guests' devices by the ini, None for auto; main:
    its routes.
    """

    devices: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    wished: frozenset[str] = frozenset()
    inside: tuple[str, ...] | None = None
    main: tuple[Route, ...] = ()


def assign(nics: Nics, known: Known) -> dict[str, Nic]:
    """Return the devices with their roles."""
    leading = {top(n, nics) for n in known.named | known.wished.intersection(_free(nics, known))}
    leading |= {r.dev for r in known.main if r.dst == "default"}
    routed = {r.dev for r in known.main}
    roles = {n.name: _sure(n, leading, known, routed) for n in nics.values()}
    while more := [n for n, role in roles.items() if not role and _leads_off(nics[n], nics, roles)]:
        roles.update(dict.fromkeys(more, LAN))
    to_ves = {host_prefix(a) for a in known.addresses}
    ves = {r.dev for r in known.main if r.dst in to_ves}
    return {n: replace(nics[n], role=role or _last(nics[n], ves, known, routed)) for n, role in roles.items()}


def _sure(nic: Nic, leading: set[str], known: Known, routed: set[str]) -> str:
    """Return the role that follows from the device alone, "" where it takes a look at others.

    routed: devices that main has routes by.
    """
    if nic.loopback:
        return LO
    if _VENET.fullmatch(nic.name):
        return VE
    if nic.master:
        return MEMBER
    if known.inside is not None and nic.name in known.inside:
        return INSIDE
    if nic.name in leading:
        return LAN
    if nic.kind == "veth" and (nic.ve or nic.name in known.devices):
        return VE
    if nic.kind in _LEADING:
        return LAN
    if nic.kind in _STACKED + _GUEST:
        return ""
    return INSIDE if nic.tap and known.inside is None and nic.name in routed else OTHER


def _leads_off(nic: Nic, nics: Nics, roles: Mapping[str, str]) -> bool:
    """Tell whether a device lies over, beside or on one LAN with such as lead off the node."""
    if nic.kind in _STACKED and nic.link in nics:
        return _sends(nics[nic.link], nics, roles)
    if nic.kind == "veth" and nic.link in nics:  # both ends are here
        master = nics[nic.link].master
        return master in nics and roles[master] == LAN
    if any(_sends(nics[m], nics, roles) for m in nic.members):
        return True
    if nic.kind == "bridge" and not nic.members:
        return False  # an address of the node that is nowhere
    return any(set(nic.networks) & set(n.networks) for n in nics.values() if roles[n.name] == LAN)


def _sends(nic: Nic, nics: Nics, roles: Mapping[str, str]) -> bool:
    """Tell whether frames of a device, be it a member of another, reach something that is off the node."""
    if roles[nic.name] == MEMBER:
        return nic.kind in _LEADING or _leads_off(nic, nics, roles)
    return roles[nic.name] == LAN


def _last(nic: Nic, ves: set[str], known: Known, routed: set[str]) -> str:
    """Return the role of a device whose other end is out of sight; ves: devices by which main reaches VEs.

    One that main has no route by is of no concern: vzctl may be just making it.
    """
    if nic.kind == "veth" and nic.name in ves:
        return VE
    if nic.kind in _STACKED and nic.link:
        return OTHER
    return INSIDE if known.inside is None and nic.name in routed else OTHER


def _free(nics: Nics, known: Known) -> set[str]:
    """Return the devices that a VE's UPLINK may name without an ini: no guest has a route by them."""
    own = {n.name: set(n.networks) for n in nics.values()}
    behind = {r.dev for r in known.main if not r.gateway and r.dst not in own.get(r.dev, ())}
    # A bridge of guests looks like any other; that it leads off the node must show.
    return {n.name for n in nics.values() if n.kind in ("veth", "macvlan", "ipvlan") and n.name not in behind
            and n.name not in known.devices and not n.ve and not n.master}


def top(name: str, nics: Nics) -> str:
    """Return the topmost bridge or bond that a device belongs to, itself where there is none."""
    seen: set[str] = set()
    while name in nics and nics[name].master and name not in seen:
        seen.add(name)
        name = nics[name].master
    return name


def over(names: Iterable[str], nics: Nics) -> tuple[str, ...]:
    """Return devices and all that sends by them: their masters, and macvlans (whose frames leave untagged)."""
    found, more = {}, dict.fromkeys(names)
    while more:
        found.update(more)
        masters = [nics[d].master for d in more if d in nics and nics[d].master in nics]
        stacked = [n.name for n in nics.values() if n.kind in ("macvlan", "ipvlan") and n.link in more]
        more = dict.fromkeys(d for d in (*masters, *stacked) if d not in found)
    return tuple(found)


def named(name: str, nics: Nics) -> str:
    """Return the device that a name or altname stands for, the name itself where there is none (ip-link(8))."""
    if name in nics:
        return name
    return next((n.name for n in nics.values() if name in n.altnames), name)


def is_lan(nic: Nic) -> bool:
    """Tell whether the device leads off the node."""
    return nic.role == LAN


def is_ve_side(nic: Nic) -> bool:
    """Tell whether VEs are behind this device."""
    return nic.role == VE


def why_no_uplink(nic: Nic, nics: Nics) -> str | None:
    """Return why VEs cannot leave by this device, or None."""
    if nic.role == LO:
        return f"{nic.name} is the loopback"
    if nic.role == MEMBER:
        master = top(nic.name, nics)
        kind = nics[master].kind if master in nics else "master"
        return f"{nic.name} is a member of the {kind} {master}; name {master} instead"
    if nic.role == VE:
        return f"{nic.name} is the VEs' own side"
    if nic.role == INSIDE:
        return f"{nic.name} leads to guests of this node and not off it"
    if nic.role == OTHER:
        return f"{nic.name} is not known to lead off this node; where it does, name it in the ini"
    return None
