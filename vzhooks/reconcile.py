# SPDX-License-Identifier: GPL-2.0-or-later
"""The one path by which the kernel is changed: lock, read, decide, note down, apply.

Hooks, resync, status and dry-run differ only in the Request. Our notes are written before the first
change, so that a crash at any step leaves nothing in the kernel that no note explains.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby

from vzhooks import census, guard, host, nft, plan, policy, records, tables
from vzhooks.census import Event, Reading
from vzhooks.errors import InputError, VzhooksError
from vzhooks.host import Paths
from vzhooks.model import Element, Problem, Route, Rule, Skeleton
from vzhooks.plan import ADD, DELETE, Op, Scope
from vzhooks.policy import Facts, Wanted, Way
from vzhooks.records import Records
from vzhooks.settings import Settings
from vzhooks.vzconf import VeConfig


@dataclass(frozen=True)
class Request:
    """Say what a run is about: some VEs (None for the node), a hook's event, and whether to change.

    empty: the wanted state is nothing, as for uninstall; wait_s: for the lock.
    """

    ctids: frozenset[str] | None = None
    event: Event | None = None
    conffile: str = ""
    dry_run: bool = False
    empty: bool = False
    wait_s: float = 10.0

    @property
    def named(self) -> frozenset[str] | None:
        """Return the VEs that the run is about, None for the whole node."""
        return frozenset({self.event.ctid}) if self.event else self.ctids


@dataclass(frozen=True)
class Failure:
    """Tell which op failed and why; `opens` where the VE's way may not be closed without it."""

    text: str
    opens: bool


@dataclass(frozen=True)
class Report:
    """Tell what a run found: ops made (or to make), ways of the VEs, problems, and what failed."""

    ops: tuple[Op, ...] = ()
    ways: tuple[Way, ...] = ()
    problems: tuple[Problem, ...] = ()
    failures: tuple[Failure, ...] = ()
    tables: Mapping[str, int] = field(default_factory=dict)


def run(paths: Paths, settings: Settings, request: Request) -> Report:
    """Make found equal wanted for what the request names, and report.

    Raises LockBusy, HostError and KernelError where nothing could be decided: nothing is then changed.
    """
    with host.lock(paths.lock, request.wait_s):
        known = records.load_ves(paths.ves)
        configs = _configs(paths, request)
        if _untouched(settings, known, configs, request):
            return _note_only(paths, known, configs, request)
        from vzhooks.kernel import Kernel  # costs 150 ms, which a VE without uplink need not pay
        with Kernel() as kernel:
            return _Run(paths, settings, request, known, configs, kernel).report()


def _configs(paths: Paths, request: Request) -> dict[str, Reading]:
    ctids = request.named
    if ctids is None:
        return host.read_configs(paths)
    found: dict[str, Reading] = {}
    for ctid in ctids:
        try:
            found[ctid] = host.read_config(paths, ctid, request.conffile)
        except FileNotFoundError:
            if request.event is None:
                raise InputError(f"{ctid}: no such VE on this node; `vzlist -a` shows those there are") from None
    return found


def _untouched(settings: Settings, known: Records, configs: Mapping[str, Reading], request: Request) -> bool:
    """Tell whether the kernel need not be asked: a hook, and no VE here has an uplink."""
    if request.event is None or settings.reserved or settings.unassigned != "main":
        return False
    assigned = [r for r in known.values() if r.uplink]
    return not assigned and all(isinstance(c, VeConfig) and not c.uplink for c in configs.values())


def _note_only(paths: Paths, known: Records, configs: Mapping[str, Reading], request: Request) -> Report:
    count = census.take(configs, host.evidence(paths, {}, frozenset()), known, time.time(), request.event)
    _save(paths, known, count.records, request)
    return Report(problems=count.problems)


def _save(paths: Paths, before: Records, after: Records, request: Request) -> None:
    if not request.dry_run and dict(before) != dict(after):
        records.save_ves(paths.ves, after)


class _Run:
    """Hold one run's inputs; every step is one method, in the order of `report`."""

    def __init__(self, paths: Paths, settings: Settings, request: Request, known: Records,
                 configs: Mapping[str, Reading], kernel) -> None:
        self.paths, self.settings, self.request = paths, settings, request
        self.known, self.configs, self.kernel = known, configs, kernel

    def report(self) -> Report:
        """Decide and, unless dry, carry out."""
        facts = self.kernel.facts()
        rules, strangers = self.kernel.rules()
        found = rules | self.kernel.routes() | nft.found()
        count = self._census(facts)
        numbers, occupied = self._tables(facts, count, found)
        wanted = self._wanted(facts, count, numbers, occupied)
        # The first use, and the end of the last, concern all VEs of the node.
        scope = self._scope(count) if found and wanted.items else plan.ALL
        ops = plan.diff(wanted.items, found, scope)
        problems = (*count.problems, *wanted.problems, *_in_the_way(strangers, bool(rules)))
        if self.request.dry_run:
            return Report(ops, wanted.ways, problems, tables=numbers)
        _save(self.paths, self.known, count.records, self.request)
        self._save_tables(numbers)
        return Report(ops, wanted.ways, problems, tuple(apply(ops, self.kernel)), numbers)

    def _census(self, facts: Facts) -> census.Census:
        roots = {c.ctid: c.root for c in self.configs.values() if isinstance(c, VeConfig) and c.root}
        seen = host.evidence(self.paths, roots, facts.local)
        complete = self.request.named is None
        return census.take(self.configs, seen, self.known, time.time(), self.request.event, complete)

    def _tables(self, facts: Facts, count: census.Census, found: frozenset) -> tuple[dict[str, int], dict[str, str]]:
        ours = {getattr(i, "table", 0) for i in found}
        pinned = {tables.uplink_key(u.name): u.table for u in self.settings.uplinks.values() if u.table}
        recorded = records.load_tables(self.paths.tables)
        self._recorded = recorded

        def taken(number: int) -> str:
            return "" if number in ours else self.kernel.stranger(number)
        free = {k: n for k, n in recorded.items() if not taken(n)}
        keys = policy.table_keys(self.settings, facts.nics, count.ves)
        numbers = tables.allocate(keys, free, pinned, lambda n: bool(taken(n)))
        occupied = {key: taken(number) for key, number in pinned.items()}
        return numbers, {key: why for key, why in occupied.items() if why}

    def _wanted(self, facts: Facts, count: census.Census, numbers: Mapping[str, int],
                occupied: Mapping[str, str]) -> Wanted:
        if self.request.empty:
            return Wanted(frozenset(), (), ())
        return policy.wanted(self.settings, facts, count.ves, numbers, occupied)

    def _scope(self, count: census.Census) -> Scope:
        """Limit the run to the VEs named, by their old and new addresses."""
        ctids = self.request.named
        if ctids is None:
            return plan.ALL
        mine = {a for c in ctids for r in (self.known, count.records) if c in r for a in r[c].addresses}
        mine |= {a for c in self.configs.values() if isinstance(c, VeConfig) for a in c.addresses}
        others = {a for c, r in count.records.items() if c not in ctids for a in r.addresses}
        return Scope(frozenset(mine - others))

    def _save_tables(self, numbers: Mapping[str, int]) -> None:
        kept = {**self._recorded, **numbers}
        if kept != self._recorded:
            records.save_tables(self.paths.tables, kept)


def _in_the_way(strangers: tuple[str, ...], ours: bool) -> list[Problem]:
    """Return what others have among our priorities; at first use that is a reason not to begin."""
    band = f"{policy.BAND[0]}-{policy.BAND[-1]}"
    return [Problem("", f"another's rule stands within the priorities {band} of vzhooks: {s}; "
                    "give that rule another priority", not ours) for s in strangers]


def apply(ops: tuple[Op, ...], kernel) -> list[Failure]:
    """Carry out ops in order, going on after one that fails; return what failed.

    Neighbouring changes of the guard go in one transaction.
    """
    failures = []
    for is_guard, together in groupby(ops, key=lambda op: isinstance(op.item, (Skeleton, Element))):
        group = tuple(together)
        for step in (group,) if is_guard else ((op,) for op in group):
            try:
                nft.load(guard_text(step)) if is_guard else kernel.apply(*step)
            except VzhooksError as error:
                failures.append(Failure(str(error), _opens(step[0])))
    return failures


def _opens(op: Op) -> bool:
    """Tell whether a failed op weakens a layer; a route by a device that just went down only cuts off."""
    return op.verb != DELETE and not (isinstance(op.item, Route) and op.item.dev)


def guard_text(ops: tuple[Op, ...]) -> str:
    """Return the nft(8) transaction for ops that concern the guard alone."""
    add = [op.item for op in ops if op.verb == ADD and isinstance(op.item, Element)]
    delete = [op.item for op in ops if op.verb == DELETE and isinstance(op.item, Element)]
    skeletons = [op for op in ops if isinstance(op.item, Skeleton)]
    if not skeletons:
        return guard.changes(add, delete)
    return guard.remove() if skeletons[0].verb == DELETE else guard.full(add)


def shell(op: Op) -> str:
    """Return an op as the ip(8) or nft(8) command it equals."""
    if isinstance(op.item, Skeleton):
        verb = "delete" if op.verb == DELETE else "add"
        return "nft " + " \\; ".join(f"{verb} table {family} {guard.NAME}" for family in guard.FAMILIES)
    if isinstance(op.item, Element):
        return f"nft {op.verb} element {guard.place(op.item.set)} '{{ {guard.element_text(op.item)} }}'"
    assert isinstance(op.item, (Rule, Route))
    kind = "rule" if isinstance(op.item, Rule) else "route"
    verb = "del" if op.verb == DELETE else op.verb
    return f"ip {'-6 ' if op.item.family == 6 else ''}{kind} {verb} {op.item}"
