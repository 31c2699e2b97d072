# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell which uplink is for which address: by its `sources`, else by the networks of its device. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from vzhooks.addresses import family_of, holds, length_of
from vzhooks.config.names import names_in
from vzhooks.config.settings import BY_ADDRESS, Settings
from vzhooks.model import Problem, Uplink, Ve
from vzhooks.policy.roles import Nics, is_lan

MOST = 32
"""So many networks of a device are remembered: a provider that gives new ones each day must not fill the note."""

Claims = Mapping[Uplink, Sequence[tuple[str, bool]]]
"""The networks of each uplink, and whether the ini names it."""


def networks(uplink: Uplink, settings: Settings, nics: Nics) -> tuple[str, ...]:
    """Return the networks whose addresses go by an uplink.

    Of its device also those that it had when it was last seen: while it is down or away it has lost its IPv6
    addresses, or all, and for that no address may go by another uplink. Once it has some again, what is another's
    now counts no more.
    """
    return tuple(net for net, _ in _claimed(uplink, settings, nics))


def claims(uplinks: Iterable[Uplink], settings: Settings, nics: Nics) -> Claims:
    """Return the `networks` of uplinks, in their order."""
    return {uplink: tuple(_claimed(uplink, settings, nics)) for uplink in uplinks}


def _claimed(uplink: Uplink, settings: Settings, nics: Nics) -> Iterator[tuple[str, bool]]:
    for family in (4, 6):
        named = [n for n in uplink.sources if family_of(n) == family]
        found = named or _of_device(uplink.device, family, settings, nics)
        yield from ((net, bool(named)) for net in found)


def _of_device(device: str, family: int, settings: Settings, nics: Nics) -> list[str]:
    now = [n for n in nics[device].networks if family_of(n) == family] if device in nics else []
    before = [n for n in settings.seen.get(device, ()) if family_of(n) == family and n not in now]
    elsewhere = {n for nic in nics.values() if nic.name != device for n in nic.networks} if now and before else set()
    return now + [n for n in before if n not in elsewhere]


def first(address: str, known: Claims) -> Uplink | None:
    """Return the first uplink that has a network which holds an address."""
    return next((u for u, nets in known.items() if any(holds(net, address) for net, _ in nets)), None)


def longest(address: str, known: Claims) -> Uplink | None:
    """Return the uplink with the longest network that holds an address; of equal ones that which the ini names."""
    found = [(length_of(net), named, -n, uplink) for n, (uplink, nets) in enumerate(known.items())
             for net, named in nets if holds(net, address)]
    return max(found, key=lambda held: held[:3])[3] if found else None


def doubled(uplinks: Iterable[Uplink], settings: Settings, nics: Nics) -> list[Problem]:
    """Return a line for each network that several uplinks have, where that alone decides."""
    found: dict[str, dict[str, bool]] = {}
    for uplink, nets in claims(uplinks if settings.unassigned == BY_ADDRESS else (), settings, nics).items():
        for net, named in nets:
            found.setdefault(net, {})[uplink.name] = named
    return [Problem("", f"[node] unassigned = by-address: the uplinks {' and '.join(names)} both claim {net}, so "
                    f"{next(iter(names))} has its addresses; name it in sources = of the one that is meant")
            for net, names in found.items() if len(names) > 1 and sum(names.values()) != 1]


def vanished(settings: Settings, nics: Nics) -> list[str]:
    """Return the devices that are away with all their networks: a NIC that only has another name now is not."""
    here = {net for nic in nics.values() for net in nic.networks}
    return [d for d, nets in settings.seen.items() if d not in nics and not here.intersection(nets)]


def decide(ves: Iterable[Ve], settings: Settings) -> bool:
    """Tell whether addresses decide about the way of any VE."""
    return settings.unassigned == BY_ADDRESS or any(len(names_in(ve.uplink)) > 1 for ve in ves)


def remembered(settings: Settings, nics: Nics) -> dict[str, tuple[str, ...]]:
    """Return the networks of each LAN NIC, the present ones and before them those of former runs."""
    now = {n.name: n.networks for n in nics.values() if is_lan(n) and n.networks}
    return {**settings.seen, **{d: tuple(dict.fromkeys((*nets, *settings.seen.get(d, ()))))[:MOST]
                                for d, nets in now.items()}}
