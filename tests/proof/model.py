# SPDX-License-Identifier: GPL-2.0-or-later
"""What vzhooks promises, as a model: which frames may leave which NIC, and who answers for whom.

Written from the promises alone; it imports nothing of vzhooks and knows neither rules nor tables. It is told what an
administrator, vzctl and the hardware did, and judges what was seen on the wire. Where the promise leaves a choice (an
edit that no run has carried out yet), each of the choices is right.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from tests.proof.values import (
    ANYWHERE,
    NFT,
    NO_INI,
    NOWHERE,
    OK,
    REFUSED,
    RULES,
    RUNNING,
    STOPPED,
    Fact,
    Ini,
    Nic,
    Ve,
    Way,
    fits,
)


@dataclass
class Model:
    """Hold a node, and judge it.

    own_device: each VE has a device of its own (OpenVZ 9); good: the ini that hooks fall back to; lost: layers of
    which somebody flushed a part; dirty: something changed that no run has carried out; shaken: links have changed;
    strange: names that NICs got since; applied: the ini of the last run for all; full: nothing can be noted down.
    """

    nics: dict[str, Nic]
    own_device: bool
    clients: tuple[str, ...]
    beyonds: tuple[str, ...]
    leads: str = "eth0"
    ves: dict[str, Ve] = field(default_factory=dict)
    ini: Ini = NO_INI
    good: Ini | None = None
    applied: Ini = NO_INI
    installed: bool = True
    lost: set[str] = field(default_factory=set)
    dirty: bool = False
    shaken: bool = False
    strange: set[str] = field(default_factory=set)
    gateway: bool = True
    full: bool = False

    # -- what counts ------------------------------------------------------------------------

    def effective(self) -> Ini | None:
        """Return what a hook goes by: the last good copy for what is wrong; None where nothing can be decided."""
        if not self.ini.usable:
            return self.good
        if not self.ini.broken or self.good is None:
            return self.ini
        mended = {n: self.good.uplinks[n] for n in self.ini.broken if n in self.good.uplinks}
        return replace(self.ini, uplinks={**self.ini.uplinks, **mended}, broken=self.ini.broken - set(mended))

    def resolve(self, name: str, ini: Ini) -> Way | None:
        """Return the way that an uplink's name means now, None where there is no such uplink."""
        if not name and ini.unassigned in ("main", "block"):
            return Way(main=True, reserved=ini.reserved) if ini.unassigned == "main" else NOWHERE
        name = name or ini.unassigned
        if ini.uplinks:
            if name in ini.broken or name not in ini.uplinks or ini.uplinks[name][0] in ini.reserved:
                return None
            device, backup = ini.uplinks[name]
            spare = ini.uplinks.get(backup, ("", ""))[0]
            works = self._works(device) or not self._works(spare) or spare in ini.reserved
            return Way(device if works else spare)
        return Way(name) if name in self.nics and name not in ini.reserved else None

    def _works(self, device: str) -> bool:
        return device in self.nics and self.nics[device].works

    def wanted(self, ve: Ve) -> frozenset[Way]:
        """Return the ways that are right for a VE once a run has seen all there is now."""
        inis = [ini for ini in (self.effective(), self.ini if self.ini.usable else None) if ini]
        found = {self.resolve(name, ini) or NOWHERE for ini in inis for name in ve.names | ve.due}
        if not inis and "" in ve.names | ve.due:
            found.add(Way(main=True))  # nobody knows better, and who asks for nothing is not hindered
        return frozenset(found if ve.sure and found else {*found, NOWHERE})

    def verdict(self, ctid: str) -> set[str]:
        """Return how a start may end: a VE that asks for nothing is never hindered."""
        ve, ini = self.ves[ctid], self.effective()
        if not self.installed or not ve.uplink:
            return {OK}
        if ini is None:
            return {REFUSED}
        if not ve.sure or self.full or (self.dirty and self.loses()):
            return {OK, REFUSED}  # or it would be a first change that cuts others off
        return {OK} if self.resolve(ve.uplink, ini) or not ini.refuse else {REFUSED}

    def troubles(self, ending: Collection[str] = ()) -> bool:
        """Tell whether a resync has a reason not to end with 0: an error in the ini, or a VE that is cut off.

        ending: VEs that are gone, of which something stays for some seconds.
        """
        if not self.ini.usable or self.ini.broken:
            return True
        live = {ctid: ve for ctid, ve in self.ves.items() if ve.phase != STOPPED or ctid in ending}
        return any(not ve.sure or not self._goes(name) for ctid, ve in live.items()
                   for name in ve.names | (ve.last if ctid in ending else set()))

    def loses(self) -> bool:
        """Tell whether a VE would go less far by what is due: a resync asks before it does that."""
        live = [ve for ve in self.ves.values() if ve.phase != STOPPED]
        return any(min(way.reach for way in self.wanted(ve)) < max(way.reach for way in ve.ways) for ve in live)

    def _goes(self, name: str) -> bool:
        way = self.resolve(name, self.ini)
        blocked = not name and self.ini.unassigned == "block"
        return blocked or (way is not None and (way.main or self._works(way.device)))

    # -- what happened ----------------------------------------------------------------------

    def loaded(self) -> None:
        """A run read the ini, and keeps a copy of a good one."""
        if not self.ini.there:
            self.good = None
        elif self.ini.usable and not self.ini.broken:
            self.good = self.ini

    def changed(self) -> None:
        """Something changed; until a run has carried it out for all, a VE goes the old way or the new one."""
        self.dirty = True
        for ve in self.ves.values():
            ve.ways = ve.ways | self.wanted(ve) if ve.phase != STOPPED else frozenset()

    def started(self, ctid: str, phase: str = RUNNING) -> None:
        """A VE was mounted, or started with the addresses of its config; other VEs may have got what was due."""
        ve = self.ves[ctid]
        self.loaded()
        self.changed_others()
        ve.phase, ve.override, ve.loose, ve.due = phase, None, set(), set()
        ve.live = set(ve.addresses) if phase == RUNNING else set()
        unnoted = self.full and not ve.uplink  # it is not hindered, and nothing holds it until it can be noted
        ve.ways = self.wanted(ve) | ({Way(main=True)} if unnoted else frozenset())

    def changed_others(self) -> None:
        """A run for one VE may carry out for others what is due."""
        dirty = self.dirty
        self.changed()
        self.dirty = dirty

    def stopped(self, ctid: str) -> None:
        """A VE is gone, in whatever way."""
        self.loaded()
        ve = self.ves[ctid]
        ve.last = ve.names if ve.phase != STOPPED else ve.last
        ve.phase, ve.override, ve.live, ve.loose, ve.ways = STOPPED, None, set(), set(), frozenset()

    def synced(self) -> None:
        """A run for the whole node was carried out."""
        self.loaded()
        self.dirty, self.lost, self.strange, self.applied = False, set(), set(), self.effective() or self.applied
        for ve in self.ves.values():
            if ve.base != ve.uplink:
                ve.override = None
            ve.edited, ve.due = False, set()
            ve.ways, ve.loose = (self.wanted(ve) if ve.phase != STOPPED else frozenset()), set()

    def edit(self, ctid: str, uplink: str, sure: bool = True) -> None:
        """Somebody wrote another UPLINK into a VE's config."""
        ve = self.ves[ctid]
        ve.edited, ve.due = ve.override is not None, ve.due | ve.names
        ve.uplink, ve.sure = uplink, sure
        self.changed()

    def installed_again(self) -> None:
        """Vzhooks is there again: what it knew is gone, and VEs go by main until a run has seen them."""
        self.installed, self.good, self.dirty = True, None, True
        for ve in self.ves.values():
            ve.override = None
            ve.ways = ve.ways | {Way(main=True)} if ve.phase != STOPPED else frozenset()

    def moved(self, ctid: str, name: str, saved: bool) -> None:
        """`set` gave a VE another uplink."""
        ve = self.ves[ctid]
        if saved:
            ve.uplink, ve.override, ve.sure = name, None, True
        elif ve.phase != STOPPED:
            ve.override, ve.base, ve.edited = name, ve.uplink, False
        if ve.phase != STOPPED:
            ve.due = set()
            ve.ways = self.wanted(ve)

    # -- what may be seen -------------------------------------------------------------------

    def owner(self, address: str) -> Ve | None:
        """Return the VE that has an address."""
        return next((ve for ve in self.ves.values() if address in ve.live), None)

    def may_leave(self, address: str, nic: str) -> bool:
        """Tell whether a frame from a VE's address may leave by a NIC; the two layers are not lost both."""
        ve = self.owner(address)
        if ve is None or not self.installed or self.lost == {RULES, NFT}:
            return True
        ways = set(ve.ways)
        if address in ve.loose and not self.own_device:
            for ini in (self.applied, self.effective() or self.applied):
                ways.add(NOWHERE if ini.unassigned == "block" else Way(main=True, reserved=ini.reserved))
        return any(way.lets(nic) for way in ways)

    def may_answer(self, address: str, nic: str) -> bool:
        """Tell whether a NIC may answer for a VE's address: its uplink alone, while nobody takes the guard away."""
        ve = self.owner(address)
        if ve is None or not self.installed or NFT in self.lost or address in ve.loose:
            return True
        named = not self.dirty and nic in self.ini.devices
        if nic in self.strange or (nic in self.nics and not self.nics[nic].addresses and not named):
            return True  # nothing tells that it leads off the node
        return any(way.lets(nic) or way.main for way in ve.ways)

    def needed(self) -> Iterator[Fact]:
        """Yield what must be seen now: nothing that works may stop, where nothing is broken and nothing is due."""
        if self.dirty or self.lost or not self.installed:
            return
        live = [(a, ve) for ve in self.ves.values() for a in sorted(ve.live)]
        for address, ve in live:
            yield from self._of_ve(address, ve)
            yield from (("reply", other, address) for other, its in live if its is not ve and fits(other, address))
            yield from (("reply", own, address) for nic in self.nics.values() if nic.works
                        for own in nic.addresses if fits(own, address))
        for name, nic in self.nics.items():
            for own in nic.addresses if nic.works else ():
                yield ("answer", own, name)
                yield from (("out", own, client, name) for client in self.clients if fits(client, own))

    def _of_ve(self, address: str, ve: Ve) -> Iterator[Fact]:
        way = next(iter(ve.ways)) if len(ve.ways) == 1 else NOWHERE
        whole = self.nics.get(way.device, Nic()) if not way.main else None
        if way == NOWHERE or (whole and not (whole.works and any(fits(a, address) for a in whole.addresses))):
            return
        if way.main and (way.reserved or self.shaken):
            return  # main may lead by the reserved NIC; and what vzctl published on a NIC that went is gone with it
        nic = ANYWHERE if way.main else way.device
        yield ("answer", address, nic)
        for far in (*self.clients, *(self.beyonds if self.gateway else ())):
            if fits(far, address):
                yield ("out", address, far, nic)
                yield ("reply", far, address)


def wrong(models: Iterable[Model], left: Iterable[tuple[str, str]]) -> list[str]:
    """Return what left by a NIC that no state of its time allows: (source, NIC) each."""
    found, models = set(), list(models)
    for source, nic in left:
        judges = [m for m in models if m.owner(source)]
        if judges and not any(m.may_leave(source, nic) for m in judges):
            found.add(f"{source} left by {nic}")
    return sorted(found)
