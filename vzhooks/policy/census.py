# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell which VEs live and whose each address is. Pure.

Live evidence is main's host routes and mounts; our own records of VEs starting (the mount hook ran,
no route yet) and stopping override it. An address has one owner at a time: a running VE keeps its
address against a cloned config, and a late stop hook finds the new owner's name on it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from vzhooks.config.vzconf import VeConfig
from vzhooks.model import Problem, Ve
from vzhooks.policy.evidence import Asked, Event, Evidence, Reading
from vzhooks.policy.owners import settle
from vzhooks.policy.records import RUNNING, STARTING, STOPPING, Expected, Record, Records

START_GRACE_S = 10
"""How long a mount hook's record holds with neither a mount nor a lock: a failed start; at the hook it is mounted."""
STOP_GRACE_S = 120
"""How long a stop hook's record holds against evidence: vzctl unmounts within seconds."""
EXPECT_GRACE_S = 300
"""How long addresses stay expected of a vzctl that holds no lock: it runs with --skiplock, or was killed."""


@dataclass(frozen=True)
class Census:
    """Hold the VEs that live, the records that say so, and what the operator must know.

    expected: addresses that vzctl is about to give VEs, each VE with the uplink these get.
    """

    ves: tuple[Ve, ...]
    records: Records
    problems: tuple[Problem, ...]
    expected: tuple[Ve, ...] = ()


def take(configs: Mapping[str, Reading], evidence: Evidence, records: Records, now: float,
         event: Event | None = None, complete: bool = False, assign: Mapping[str, str] | None = None,
         expect: Mapping[str, Asked] | None = None, devices: Mapping[str, str] | None = None) -> Census:
    """Return who lives, judged by fresh configs where given and by our records for all others.

    complete: the configs are all there are, so a record without one is of a VE that was destroyed;
    assign: the uplink that live VEs get now, whatever their configs say; expect: what vzctl is about
    to give live VEs, or is done with; devices: what vzctl is about to make for a VE.

    A config that could not be read is a Problem in its place: that VE stays as it was recorded.
    """
    problems = [c for c in configs.values() if isinstance(c, Problem)]
    problems += [Problem(c.ctid, n) for c in configs.values() if isinstance(c, VeConfig) for n in c.notes]
    after = _Records(records, evidence)
    for config in configs.values():
        if isinstance(config, VeConfig):
            _judge(after, config, evidence, now, event)
            if not event:
                _override(after, config, records.get(config.ctid), assign or {})
    if event and event.name != "mount":
        _unmount(after, event, evidence, now)
    for ctid in [c for c in after if c not in configs and not (event and event.ctid == c)]:
        _outdated(after, ctid, evidence, now, complete)
    for ctid, device in (devices or {}).items():
        if ctid in after:
            after[ctid] = replace(after[ctid], devices=tuple(dict.fromkeys((*after[ctid].devices, device))))
    _expect(after, configs, expect or {}, evidence, now)
    _follow(after, assign or {})
    problems += settle(after, records, evidence, event)
    ves = tuple(Ve(c, r.addresses, r.uplink, r.devices) for c, r in sorted(after.items()) if r.phase != STOPPING)
    return Census(ves, after, tuple(problems), _expected(after))


class _Records(dict[str, Record]):
    """Hold records that change, and who else has an address: a look at all others for each VE is too slow for many."""

    def __init__(self, records: Records, evidence: Evidence) -> None:
        super().__init__(records)
        self._listed = _by_address(evidence.veip)
        self._recorded = _by_address({c: r.addresses for c, r in records.items()})

    def put(self, ctid: str, record: Record | None) -> None:
        """Put a record in the place of a VE's former one; None for none."""
        for address in self[ctid].addresses if ctid in self else ():
            self._recorded[address].discard(ctid)
        if record is None:
            self.pop(ctid, None)
            return
        self[ctid] = record
        for address in record.addresses:
            self._recorded.setdefault(address, set()).add(ctid)

    def is_of_another(self, address: str, ctid: str, listed: Collection[str]) -> bool:
        """Tell whether an address is another VE's: vzctl's list says so, or records and no list of this VE."""
        others = self._listed.get(address, set()) - {ctid}
        return bool(others or (address not in listed and self._recorded.get(address, set()) - {ctid}))


def _by_address(addresses: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for ctid, mine in addresses.items():
        for address in mine:
            found.setdefault(address, set()).add(ctid)
    return found


def _judge(after: _Records, config: VeConfig, evidence: Evidence, now: float, event: Event | None) -> None:
    ctid, before = config.ctid, after.get(config.ctid)
    if event and event.ctid == ctid:
        if event.name == "mount":
            after.put(ctid, Record(STARTING, now, config.uplink, config.addresses, expected=_kept(before),
                                   devices=config.devices, root=config.root))
        return
    phase = _phase(config, after, evidence, now)
    if phase is None:
        after.put(ctid, None)
    elif before and phase == STOPPING:
        after.put(ctid, replace(before, addresses=()))
    else:
        seen = evidence.veip.get(ctid, ()) + _still_routed(before, evidence)
        addresses = tuple(dict.fromkeys(config.addresses + seen))
        since = before.since if before and before.phase == phase else now
        devices = config.devices or (before.devices if before else ())
        found = Record(phase, since, config.uplink, addresses, expected=_kept(before), devices=devices,
                       root=config.root)
        if found != before:
            after.put(ctid, found)


def _kept(before: Record | None) -> Expected | None:
    return before.expected if before else None


def _override(after: dict[str, Record], config: VeConfig, before: Record | None, assign: Mapping[str, str]) -> None:
    """Let an uplink given without --save outlast the config, until the VE stops or the config says something else."""
    record = after.get(config.ctid)
    if record is None or record.phase == STOPPING:
        return
    holds = before is not None and before.phase != STOPPING and before.base == config.uplink
    override = assign.get(config.ctid, before.override if before and holds else None)
    if override is not None and override != config.uplink:
        after[config.ctid] = replace(record, uplink=override, override=override, base=config.uplink)


def _still_routed(before: Record | None, evidence: Evidence) -> tuple[str, ...]:
    return tuple(a for a in before.all if a in evidence.routed) if before else ()


def _phase(config: VeConfig, records: _Records, evidence: Evidence, now: float) -> str | None:
    ctid, before, listed = config.ctid, records.get(config.ctid), evidence.veip.get(config.ctid, ())
    claimed = {*config.addresses, *listed, *(before.addresses if before else ())}
    routed = any(a in evidence.routed and not records.is_of_another(a, ctid, listed) for a in claimed)
    if before and before.phase == STOPPING and (now - before.since < STOP_GRACE_S or ctid in evidence.locked):
        return STOPPING
    if before and before.phase == STARTING and not routed:
        waits = ctid in evidence.mounted | evidence.locked or now - before.since < START_GRACE_S
        return STARTING if waits else None
    lives = ctid in evidence.mounted or (routed and not evidence.is_dead(ctid))
    return RUNNING if lives else None


def _unmount(after: dict[str, Record], event: Event, evidence: Evidence, now: float) -> None:
    """Forget a VE that is unmounted; one still mounted may start again without a mount hook.

    That is so after an unmount hook of somebody else failed (vzctl src/lib/env.c), and where a hook
    that waited for us comes after the VE's next start.
    """
    if event.ctid in evidence.mounted and event.name != "refused":
        return
    kept = _kept(after.pop(event.ctid, None))
    # `set --ipadd … --setmode restart` stops and starts the VE before it is done.
    if event.name == "umount" or kept:
        after[event.ctid] = Record(STOPPING, now, expected=kept)


def _outdated(after: dict[str, Record], ctid: str, evidence: Evidence, now: float, complete: bool) -> None:
    """Drop a record past its time; all others stand until their VE's config is read again."""
    record = after[ctid]
    routed = evidence.routed.intersection(record.addresses) and not evidence.is_dead(ctid)
    if ctid in evidence.locked or routed or (record.expected and not complete):
        return
    age = now - record.since
    stopped = record.phase == STOPPING and age >= STOP_GRACE_S
    failed = record.phase == STARTING and age >= START_GRACE_S
    if stopped or (complete and (failed or record.phase == RUNNING)):
        del after[ctid]


def _expect(after: dict[str, Record], judged: Collection[str], asked: Mapping[str, Asked],
            evidence: Evidence, now: float) -> None:
    """Note what vzctl is about to give VEs that live; forget what is done or past its time.

    What is routed meanwhile stays expected, with the uplink it was expected with, until vzctl is done.
    """
    taken = {c: {a for d, r in after.items() if d != c for a in r.addresses} for c in asked}
    for ctid, record in after.items():
        held = record.expected
        if ctid in asked:
            held = _asked(record, asked[ctid], taken[ctid], now)
        elif held and ctid in judged and ctid not in evidence.locked and now - held.since >= EXPECT_GRACE_S:
            held = None
        coming = held.addresses if held else ()
        kept = tuple(a for a in record.addresses if a not in coming)
        if held is not record.expected or kept != record.addresses:
            after[ctid] = replace(record, addresses=kept, expected=held)


def _asked(record: Record, asked: Asked, taken: Collection[str], now: float) -> Expected | None:
    """Return what a VE is to expect; two may ask at once, for the same addresses or for others."""
    held = record.expected
    promised = held.addresses if held else ()
    if isinstance(asked, frozenset):
        left = tuple(a for a in promised if a not in asked)
        return replace(held, addresses=left) if held and left else None
    if record.phase == STOPPING:
        return None
    uplink = asked.uplink
    if uplink is None:
        uplink = held.uplink if held and set(promised) & set(asked.addresses) else record.uplink
    own = set(record.addresses).difference(promised)
    both = tuple(a for a in dict.fromkeys(promised + asked.addresses) if a not in own and a not in taken)
    return Expected(uplink, both, now)


def _follow(after: dict[str, Record], assign: Mapping[str, str]) -> None:
    """Let a VE that moves take along what it is about to get."""
    for ctid, name in assign.items():
        record = after.get(ctid)
        if record and record.expected:
            after[ctid] = replace(record, expected=replace(record.expected, uplink=name))


def _expected(after: Mapping[str, Record]) -> tuple[Ve, ...]:
    """Return the expected addresses that no VE has: an expectation never takes one from its owner."""
    taken = {a for r in after.values() for a in r.addresses}
    ves = []
    for ctid, expected in sorted((c, r.expected) for c, r in after.items() if r.expected):
        ves.append(Ve(ctid, tuple(a for a in expected.addresses if a not in taken), expected.uplink or "",
                      after[ctid].devices))
        taken.update(expected.addresses)
    return tuple(ve for ve in ves if ve.addresses)
