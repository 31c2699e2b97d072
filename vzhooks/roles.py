# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell which device is what: a LAN NIC, a VE's side, a member of something. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from vzhooks.model import Nic

Nics = Mapping[str, Nic]

_CONTAINER = re.compile(r"(docker|virbr|lxc|lxd|cni|podman|cali|tap|vnet|fwbr|fwpr|fwln|br-[0-9a-f]{12}$)")
_CONTAINER_VETH = ("ve-", "vb-", "cilium_")
"""Begin the host's ends of systemd-nspawn (systemd.network(5), 80-container-ve.network) and of Cilium."""
_LAN_KINDS = ("", "bond", "team", "vlan")
# An HN that is itself a guest has veth, macvlan or ipvlan devices for NICs.
_GUEST_KINDS = ("veth", "macvlan", "ipvlan")


def is_ve_side(nic: Nic) -> bool:
    """Tell whether VEs are behind this device: venet0, or a veth that vzctl made, whatever name it was given."""
    return bool(re.fullmatch(r"venet\d+", nic.name)) or (
        nic.kind == "veth" and (nic.ve or nic.name.startswith("veth")))


def _is_of_others(nic: Nic) -> bool:
    """Tell whether containers of another kind are behind this device."""
    return bool(_CONTAINER.match(nic.name)) or (nic.kind == "veth" and nic.name.startswith(_CONTAINER_VETH))


def is_surely_ve_side(nic: Nic) -> bool:
    """Tell a VE's device from a veth of another kind of container, whose packets are not ours to stop."""
    named = re.fullmatch(r"venet\d+|veth\d+\.\d+", nic.name)  # vzctl 4
    return is_ve_side(nic) and not nic.master and (nic.ve or bool(named))


def is_lan(nic: Nic, nics: Nics) -> bool:
    """Tell whether the device leads to a LAN: physical, bond, vlan, or a bridge over such a one."""
    if nic.loopback or nic.master or is_ve_side(nic) or _is_of_others(nic):
        return False
    if nic.kind == "bridge":
        return any(_carries_lan(nics[m]) for m in nic.members if m in nics)
    return nic.kind in _LAN_KINDS or nic.kind in _GUEST_KINDS


def _carries_lan(nic: Nic) -> bool:
    return not is_ve_side(nic) and not _is_of_others(nic) and nic.kind in _LAN_KINDS + _GUEST_KINDS


def why_no_uplink(nic: Nic, nics: Nics) -> str | None:
    """Return why VEs cannot leave by this device, or None."""
    if nic.loopback:
        return f"{nic.name} is the loopback"
    if nic.master:
        kind = nics[nic.master].kind if nic.master in nics else "master"
        return f"{nic.name} is a member of the {kind or 'master'} {nic.master}; name {nic.master} instead"
    if is_ve_side(nic):
        return f"{nic.name} is the VEs' own side"
    if _is_of_others(nic):
        return f"{nic.name} belongs to containers of another kind"
    return None
