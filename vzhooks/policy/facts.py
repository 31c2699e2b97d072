# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel says that our wishes depend on, with what each device is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from vzhooks.addresses import family_of, host_prefix
from vzhooks.config.names import names_in
from vzhooks.config.settings import Settings
from vzhooks.model import Gateway, Nic, Route
from vzhooks.policy.foreign import Other
from vzhooks.policy.health import Health
from vzhooks.policy.markers import Marker
from vzhooks.policy.roles import VE, Known, Nics, assign, is_lan, named, over

LOCAL, FIRST = 255, 1000
"""The table of the node's own addresses, and the priority that our rules begin at."""


@dataclass(frozen=True)
class Facts:
    """Hold devices with their roles, main's routes, and others' rules.

    local: device by address, of those that main has a host route for on the VEs' side; families: 4, and 6 where the
    kernel has IPv6; shared: all VEs are behind one device, as with vzctl 4; health: of the ini's uplinks, by name;
    markers: what others have in nftables to do with marks, where that was looked at.
    """

    nics: Nics
    main: tuple[Route, ...] = ()
    local: Mapping[str, str] = field(default_factory=dict)
    families: tuple[int, ...] = (4, 6)
    others: tuple[Other, ...] = ()
    shared: bool = False
    health: Mapping[str, Health] = field(default_factory=dict)
    markers: tuple[Marker, ...] = ()

    @cached_property
    def gateways(self) -> tuple[Gateway, ...]:
        """Return the gateways of main's default routes, the best first."""
        defaults = [r for r in self.main if r.is_default and r.gateway and family_of(r.gateway) == r.family]
        return tuple(Gateway(r.gateway, r.dev) for r in sorted(defaults, key=lambda r: r.metric))

    def leads(self, family: int) -> str:
        """Return the device of main's best default route, "" without any."""
        defaults = [r for r in self.main if r.is_default and r.dev and r.family == family]
        return min(defaults, key=lambda r: r.metric).dev if defaults else ""

    def has_default(self, device: str, family: int) -> bool:
        """Tell whether main has a default route by a device."""
        return any(r.is_default and r.dev == device and r.family == family for r in self.main)

    @cached_property
    def own(self) -> frozenset[str]:
        """Return all addresses of the node."""
        return frozenset(a for n in self.nics.values() for a in n.owns)

    @cached_property
    def away(self) -> frozenset[str]:
        """Return the addresses that main has a host route for by a device that no VE is behind, a tunnel say."""
        hosts = ((r.dst.partition("/")[0], r) for r in self.main if r.dev)
        return frozenset(a for a, r in hosts if r.dst == host_prefix(a) and self.local.get(a) is None
                         and not (r.dev in self.nics and self.nics[r.dev].role == VE))

    @cached_property
    def off(self) -> tuple[Route, ...]:
        """Return main's routes that lead off the node, few beside those to VEs."""
        return tuple(r for r in self.main if r.dev in self.nics and is_lan(self.nics[r.dev]))

    @property
    def misplaced(self) -> bool:
        """Tell whether the rule for table local is not the first (it is at 32765 where there are VRFs)."""
        local = [o for o in self.others if o.table == LOCAL and not (o.src or o.dst or o.iif or o.more or o.mark)]
        first = {f: min(o.priority for o in local if o.family == f) for f in {o.family for o in local}}
        return any(priority >= FIRST for priority in first.values())

    @property
    def theirs(self) -> tuple[Other, ...]:
        """Return the rules that somebody made: neither we nor the kernel."""
        return tuple(o for o in self.others if not o.kernel)

    @property
    def lan(self) -> list[Nic]:
        """Return the devices that lead off the node."""
        return [n for n in self.nics.values() if is_lan(n)]


def known_of(settings: Settings, nics: Nics, main: tuple[Route, ...], devices: Iterable[str],
             addresses: Iterable[str], uplinks: Iterable[str]) -> Known:
    """Return what tells devices apart: of vzctl's data devices and addresses, and the names that VEs' UPLINKs use."""
    devs = {u.device for u in settings.uplinks.values()} | set(settings.reserved)
    wished = () if settings.declared else [n for text in (*uplinks, settings.unassigned) for n in names_in(text)]
    return Known(frozenset(devices), frozenset(addresses), frozenset(named(d, nics) for d in devs),
                 frozenset(named(n, nics) for n in wished), settings.inside, main)


def settle(facts: Facts, known: Known) -> Facts:
    """Return the facts with the devices' roles, and the addresses that are routed on the VEs' side."""
    nics = assign(facts.nics, known)
    return replace(facts, nics=nics, local=dict(_local(facts.main, nics, facts.own)))


def _local(main: Iterable[Route], nics: Nics, own: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Return what main's host routes lead to on the VEs' side; the best route of an address decides."""
    best: dict[str, Route] = {}
    for route in main:
        address = route.dst.partition("/")[0]
        if route.dst == host_prefix(address) and address not in own and (
                address not in best or route.metric < best[address].metric):
            best[address] = route
    for address, route in best.items():
        if route.dev in nics and nics[route.dev].role == VE:
            yield address, route.dev


def in_this_node(settings: Settings, nics: Nics) -> Settings:
    """Return the settings by the devices' own names, and with all that sends by a reserved device reserved as well."""
    uplinks = {k: replace(u, device=named(u.device, nics)) for k, u in settings.uplinks.items()}
    return replace(settings, uplinks=uplinks, reserved=over((named(d, nics) for d in settings.reserved), nics))


def without_ipv6(facts: Facts, off: Iterable[str]) -> Facts:
    """Return the facts where IPv6 is switched off on these devices."""
    return replace(facts, nics={**facts.nics, **{n: replace(facts.nics[n], ipv6=False) for n in off}})
