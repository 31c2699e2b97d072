# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell what a VE's UPLINK means on this node: for each address which device and gateway, or why none. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from vzhooks import addresses
from vzhooks.addresses import family_of
from vzhooks.config.names import NAME, names_in
from vzhooks.config.settings import BY_ADDRESS, Settings
from vzhooks.config.vzconf import shown
from vzhooks.errors import InputError
from vzhooks.model import Gateway, Nic, Problem, Uplink, Ve
from vzhooks.policy import health
from vzhooks.policy.health import FRESH, Health
from vzhooks.policy.roles import Nics, is_lan, named, why_no_uplink
from vzhooks.policy.sources import Claims, claims, first, longest, vanished

BLOCK = "unassigned = block"
Known = Mapping[str, Health]
NOTHING: Known = {}


@dataclass(frozen=True)
class Way:
    """Tell which way addresses of one VE go: by `uplink`, or cut off, and why; each of its addresses has one way.

    ve: the VE with just these of its addresses; state: ok, backup, blocked, or unassigned; name: the uplink that they
    are to have, "" for none, where `uplink` may be its backup; any_source: the VE goes it whatever source it uses,
    since it can have no other.
    """

    ve: Ve
    state: str
    uplink: Uplink | None = None
    why: str = ""
    name: str = ""
    any_source: bool = True


def resolve_all(text: str, settings: Settings, nics: Nics) -> tuple[Uplink, ...]:
    """Return the uplinks that an UPLINK names on this node, one or a list, in its order.

    Raises InputError, with the names there are, where one of them cannot be had: then none is.
    """
    names = names_in(text)
    if not all(map(NAME.fullmatch, names or (text,))):
        has = _listed(available(settings, nics))
        raise InputError(f"UPLINK={shown(text)} is no uplink's name; this node has {has}")
    return tuple(dict.fromkeys(resolve(name, settings, nics) for name in names))


def resolve(name: str, settings: Settings, nics: Nics) -> Uplink:
    """Return the uplink of that name on this node.

    Raises InputError, with the names there are, where a VE cannot have it.
    """
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


def every(settings: Settings, nics: Nics) -> tuple[Uplink, ...]:
    """Return the uplinks of this node that VEs can have, in the order of the ini, be their devices there or not."""
    found = []
    for name in available(settings, nics):
        with suppress(InputError):
            found.append(resolve(name, settings, nics))
    gone = [] if settings.declared else [d for d in vanished(settings, nics) if d not in settings.reserved]
    return (*found, *(Uplink(device, device) for device in gone))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none yet"


class Chooser:
    """Choose ways of VEs: what an UPLINK means here, and who stands in for whom, is told once for all of them.

    known: the health of uplinks, by name; of any other only the link is known.
    """

    def __init__(self, settings: Settings, nics: Nics, known: Known = NOTHING) -> None:
        self.settings, self.nics, self.known = settings, nics, known
        self._named: dict[str, tuple[Uplink, ...] | InputError] = {}
        self._claims: dict[str, Claims] = {}
        self._stands: dict[str, tuple[Uplink, bool, str]] = {}

    def ways_of(self, ve: Ve) -> tuple[Way, ...]:
        """Return the ways that a VE's addresses should go, with the reason where one is not as asked for.

        One for each uplink that an address goes by, in the order in which they are named; one for a VE without address.
        """
        if not ve.uplink and self.settings.unassigned == "main":
            return (Way(ve, "unassigned"),)
        if not ve.uplink and self.settings.unassigned == "block":
            return (Way(ve, "blocked", why=BLOCK),)
        if not ve.uplink and self.settings.unassigned == BY_ADDRESS:
            return tuple(self._by_address(ve))
        name = ve.uplink or self.settings.unassigned
        named = self._resolved(name)
        if isinstance(named, InputError):
            return (Way(ve, "blocked", why=str(named), name=name),)
        if len(named) == 1 or not ve.addresses:
            return (self._way(ve, named[0], len(named) == 1),)
        claimed = self._claimed(name, named)
        parts = _parted(ve, [first(a, claimed) or named[0] for a in ve.addresses])
        return tuple(self._way(replace(ve, addresses=parts[u]), u, False) for u in named if u in parts)

    def _resolved(self, name: str) -> tuple[Uplink, ...] | InputError:
        if name not in self._named:
            try:
                self._named[name] = resolve_all(name, self.settings, self.nics)
            except InputError as error:
                self._named[name] = error
        return self._named[name]

    def _claimed(self, name: str, uplinks: tuple[Uplink, ...]) -> Claims:
        if name not in self._claims:
            self._claims[name] = claims(uplinks, self.settings, self.nics)
        return self._claims[name]

    def _by_address(self, ve: Ve) -> Iterator[Way]:
        claimed = self._claimed(BY_ADDRESS, every(self.settings, self.nics) if BY_ADDRESS not in self._claims else ())
        parts = _parted(ve, [longest(a, claimed) for a in ve.addresses])
        for uplink in (u for u in claimed if u in parts):
            yield self._way(replace(ve, addresses=parts[uplink]), uplink, False)
        if None in parts or not parts:
            yield Way(replace(ve, addresses=parts.get(None, ())), "unassigned")

    def _way(self, ve: Ve, uplink: Uplink, any_source: bool) -> Way:
        """Return the way by an uplink, or by whoever stands in for it."""
        if uplink.name not in self._stands:
            self._stands[uplink.name] = standing_in(uplink, self.settings, self.nics, self.known)
        stands, works, why = self._stands[uplink.name]
        state = "blocked" if not works else "ok" if stands == uplink else "backup"
        return Way(ve, state, stands, why, uplink.name, any_source)


def ways_of(ve: Ve, settings: Settings, nics: Nics, known: Known = NOTHING) -> tuple[Way, ...]:
    """Return the ways of one VE, as `Chooser.ways_of`."""
    return Chooser(settings, nics, known).ways_of(ve)


def _parted(ve: Ve, chosen: Sequence[Uplink | None]) -> dict[Uplink | None, tuple[str, ...]]:
    """Return a VE's addresses by what was chosen for each."""
    return {u: tuple(a for a, c in zip(ve.addresses, chosen) if c == u) for u in dict.fromkeys(chosen)}


def standing_in(uplink: Uplink, settings: Settings, nics: Nics,
                known: Known = NOTHING) -> tuple[Uplink, bool, str]:
    """Return the uplink that VEs of this one go by, itself or a backup; whether it works; and why not this one."""
    line = chain(uplink, settings, nics)
    found = [known.get(u.name) or link_alone(u, nics) for u in line]
    stands = health.best(found)
    works = found[stands].works
    passed = [(u, h) for u, h in zip(line[:stands] if works else line, found) if h.why]
    return line[stands], works, "; ".join(h.why if u == uplink else f"its backup {u.name}: {h.why}" for u, h in passed)


def chain(uplink: Uplink, settings: Settings, nics: Nics) -> list[Uplink]:
    """Return an uplink, its backup, that one's backup and so on, as far as VEs can have them."""
    line = [uplink]
    while line[-1].backup and line[-1].backup not in [u.name for u in line]:
        try:
            line.append(resolve(line[-1].backup, settings, nics))
        except InputError:
            break
    return line


def link_alone(uplink: Uplink, nics: Nics, before: Health = FRESH, now: float = 0.0) -> Health:
    """Return the health of an uplink that its device's link tells now."""
    return health.linked(before, why_down(uplink, nics), uplink, now)


def healths(settings: Settings, nics: Nics, before: Mapping[str, Health], now: float) -> dict[str, Health]:
    """Return the health of all uplinks that the ini names: what was noted, by what the kernel says now."""
    return {n: link_alone(u, nics, before.get(n, FRESH), now) for n, u in settings.uplinks.items()}


def used(ways: Iterable[Way]) -> list[Uplink]:
    """Return the uplinks that addresses go by, once each."""
    return list({w.uplink.name: w.uplink for w in ways if w.uplink}.values())


def who_stands(settings: Settings, nics: Nics, known: Known) -> dict[str, tuple[str, bool, str]]:
    """Return who stands in for each uplink that VEs can have: whose name, whether it works, and why it has to."""
    found = {}
    for name in settings.uplinks:
        with suppress(InputError):
            stands, works, why = standing_in(resolve(name, settings, nics), settings, nics, known)
            found[name] = (stands.name, works, why)
    return found


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
    return any(addresses.holds(n, address) for n in nic.networks)


def nearest(name: str, nics: Nics) -> str:
    """Return words that help with a device's name that there is not: the nearest there is, or all."""
    names = [n.name for n in nics.values() if is_lan(n)]
    close = difflib.get_close_matches(name, names, 1)
    return f"did you mean {close[0]}?" if close else f"this node has {_listed(names)}"


def said_of_reserved(settings: Settings, nics: Nics) -> list[Problem]:
    """Return a line for each reserved device that there is not: it protects nothing."""
    return [Problem("", f"[node] reserved = {name}: no device of this name is on this node, so it protects nothing; "
                    f"{nearest(name, nics)}") for name in settings.reserved if name not in nics]


def said(way: Way, ways: Iterable[Way]) -> str:
    """Return why a way is not as asked for, with its addresses where others of the VE go other ways."""
    apart = any(w.ve.ctid == way.ve.ctid and w != way for w in ways)
    return f"{', '.join(way.ve.addresses)}: {way.why}" if apart and way.why and way.ve.addresses else way.why
