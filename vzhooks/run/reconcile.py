# SPDX-License-Identifier: GPL-2.0-or-later
"""The one path by which the kernel is changed: lock, read, decide, note down, apply.

Hooks, resync, status and dry-run differ only in the Request. All that decides is read here under the lock: what is
read before it is old when it is applied. Our notes are written first, so that a crash leaves nothing in the kernel
that no note explains. Where a full disk keeps table numbers, hardening, a trial, or that there is anything of ours from
being noted, nothing is changed. All else the next run finds out again, so it is only said.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from vzhooks.config.vzconf import VeConfig
from vzhooks.errors import HostError, VzhooksError
from vzhooks.kernel import sysctl
from vzhooks.kernel.apply import apply
from vzhooks.model import Item, Problem, Proxy, Sysctl
from vzhooks.node import evidence, host, notes
from vzhooks.node.host import Paths
from vzhooks.policy import census, compare, consequences, harden, health, plan, tables, uplinks, wanting
from vzhooks.policy.consequences import Move
from vzhooks.policy.datapath import RULE
from vzhooks.policy.facts import Facts
from vzhooks.policy.foreign import Other
from vzhooks.policy.harden import Outcome
from vzhooks.policy.plan import Scope
from vzhooks.policy.trial import Trial
from vzhooks.policy.wanting import Wanted
from vzhooks.run import first, inputs, keep, obstacles, trial
from vzhooks.run.doors import Doors, Wider
from vzhooks.run.inputs import Inputs
from vzhooks.run.request import HOOK, Report, Request
from vzhooks.run.sight import Sight
from vzhooks.run.unnoted import Unnoted

if TYPE_CHECKING:
    from vzhooks.kernel.netlink import Kernel


def run(paths: Paths, request: Request, doors: Doors | None = None) -> Report:
    """Make found equal wanted for what the request names, and report; before that give back what was on trial too long.

    doors: by what to read, where somebody remembers the node. Raises LockBusy, HostError, SettingsError and KernelError
    where nothing could be decided: nothing is then changed.
    """
    doors = doors or Doors()
    with host.lock(paths.lock, request.wait_s):
        must = request.door == HOOK or request.installed
        if must and os.path.isdir(paths.conf_dir) and not host.is_installed(paths):
            raise HostError(f"{paths.conf_dir}: vzhooks is not installed any more; `vzhooks install` brings it back")
        held, back, news = trial.pending(paths), Report(), ""
        trial.refuse_second(held, request)
        if held and trial.left(held) <= 0 and not request.dry_run and not request.empty:
            try:
                back, news = _give_back(paths, held, Doors())  # which concerns all VEs
            except VzhooksError as error:
                news = trial.give_up(error)
        report = _run(paths, request, doors)
        return trial.told(paths, request, replace(report, moved=(*back.moved, *report.moved)), news)


def give_back(paths: Paths, wait_s: float = 10.0) -> tuple[Report, str] | None:
    """Give back what was on trial for too long; return what was done and the line that says so, None for nothing."""
    with host.lock(paths.lock, wait_s):
        held = trial.pending(paths)
        done = _give_back(paths, held, Doors()) if held and trial.left(held) <= 0 else (Report(), "")
        return done if done[1] else None


def _give_back(paths: Paths, held: Trial, doors: Doors) -> tuple[Report, str]:
    restored = trial.restore(paths, held)
    if held.returned:  # all but the ini, which could not be written
        if restored:
            trial.forget(paths)
        return Report(), ""
    report = _run(paths, trial.request_back(paths, held), doors)
    return report, trial.end(paths, held, report, restored)


def _run(paths: Paths, request: Request, doors: Doors) -> Report:
    try:
        return _by(paths, request, doors)
    except Wider:
        return _by(paths, request, doors.wide())


def _by(paths: Paths, request: Request, doors: Doors) -> Report:
    read = inputs.read(paths, request, host.since_boot(), doors)
    if obstacles.none_here(paths, read, request):
        report = _note_only(paths, read, request, doors)
    else:
        with doors.kernel() as kernel:
            report = _Run(paths, request, read, kernel, doors).report()
    return replace(report, warnings=read.warnings, configs=read.configs, ini=read.settings)


def _note_only(paths: Paths, read: Inputs, request: Request, doors: Doors) -> Report:
    seen = evidence.evidence({}, doors.listed(paths), evidence.lock_dirs(paths, read.vz_conf))
    count = census.take(read.configs, seen, read.known, host.since_boot(), request.event)
    if not request.dry_run:
        doors.note(paths, read.known, count.records)
    return Report(problems=count.problems, settings=read.settings)


class _Decided(NamedTuple):
    """Hold what a run decided: the report of it, what should be, published addresses that are vzctl's again."""

    report: Report
    wanted: Wanted
    handed: set[Proxy]
    hard: Outcome


class _Run:
    """Hold one run's inputs; every step is one method, in the order of `report`."""

    def __init__(self, paths: Paths, request: Request, read: Inputs, kernel: Kernel, doors: Doors) -> None:
        self.paths, self.request, self.read, self.kernel, self.doors = paths, request, read, kernel, doors
        self.now, self.settings, self.known, self.configs = host.since_boot(), read.settings, read.known, read.configs
        self.unnoted = Unnoted()

    def report(self) -> Report:
        """Decide and, unless dry or refused, note down and carry out."""
        decided = self._decide()
        report = replace(decided.report, refused=obstacles.refusal(self.request, decided.report))
        if self.request.dry_run or report.refused:
            return report
        self.request.watch.begin(len(report.ops))
        trial.begin(self.paths, self.request, self.read.tried, report, self._before)
        keep.save_node(self.paths, {**self._recorded, **report.tables}, self._before, decided.hard, self.request.empty)
        keep.save_engaged(self.paths, plan.engages(report.found) or plan.engages(decided.wanted.items))
        if not self.request.empty:
            self._note(report)
        done = self._carry_out(report, decided.wanted, decided.handed, decided.hard)
        if not plan.engages(decided.wanted.items) and not done.failures and not done.refused:
            keep.save_engaged(self.paths, False)
        return self.unnoted.told(done)

    def _note(self, report: Report) -> None:
        """Write down what became of VEs, and which networks NICs have: the next run finds that out again.

        It does not where an operator or vzctl was promised something, and a VE that starts with an uplink can still be
        refused: this raises HostError then.
        """
        event = self.request.event
        starts = event and event.name == "mount" and any(w.name for w in report.ways if w.ve.ctid == event.ctid)
        with self.unnoted.carried():
            keep.save_networks(self.paths, report.ways, report.settings, report.facts.nics)
        with self.unnoted.carried():
            self.doors.note(self.paths, self.known, report.records)
        if self.unnoted.errors and (starts or self.request.assign or self.request.expect):
            raise self.unnoted.errors[0]
        keep.save_standing(self.paths, self.read.standing, report.standing)

    def _decide(self) -> _Decided:
        """Read the kernel, and say what should be and the changes."""
        rules, others = self.kernel.rules()
        sight = Sight(self.paths, self.request, self.read, self.doors, self._raw(others), self.now)
        seen = sight.evidence_by(sight.facts_by(self.known)[0])
        in_the_way = obstacles.in_the_way(self.request, self.read, others)
        found = rules | self.kernel.routes() | self.kernel.guard()
        count = census.take(self.configs, seen, self.known, self.now, self.request.event, self.request.named is None,
                            self.request.assign, self.request.expect, self.request.devices)
        facts, self.settings = sight.facts_by(count.records)  # of now: what nobody names any more may be none
        numbers, occupied = self._tables(facts, count, found)
        hard, current = self._harden(facts, count)
        wanted = self._wanted(facts, count, numbers, occupied, hard, found)
        hard = harden.with_marks(hard, self._before, bool(wanted.by.mask), current)
        kept = self.kernel.proxies(wanted.items)
        handed = {p for p in kept & obstacles.of_vzctl(self.read, facts) if p not in wanted.items}
        found |= (kept - handed) | {Sysctl(s.key, current[s.key]) for s in hard.wanted}
        stands = uplinks.who_stands(self.settings, facts.nics, facts.health)
        standing, changed = health.stood(stands, self.read.standing, self.now)
        self.doors.leave(self.settings, wanted.by, frozenset(facts.local), changed)
        standing, changed = (standing, changed) if self.doors.is_whole() else (dict(self.read.standing), ())
        scope = plan.ALL if changed else self._scope(count, found, wanted)  # a switch concerns all VEs of an uplink
        ops = self.doors.due(plan.diff(wanted.items | hard.wanted, found, scope))
        problems = (*count.problems, *wanted.problems, *hard.problems, *in_the_way)
        report = Report(ops, wanted.ways, problems, tables=numbers, facts=facts, known=self.known,
                        records=count.records, found=found, settings=self.settings, remarks=wanted.remarks,
                        now=self.now, standing=standing, changed=changed, probed=frozenset(self.read.health),
                        moves=self._moves(wanted, found, facts) if ops else ())
        return _Decided(report, wanted, handed, hard)

    def _raw(self, others: tuple[Other, ...]) -> Facts:
        """Return the kernel's facts, with the rules of others that are left by this run."""
        left = tuple(o for o in others if o not in self.request.drop)
        by_marks = self.settings.datapath != RULE and self.doors.is_whole()
        return replace(self.kernel.facts(), others=left, markers=self.kernel.markers() if by_marks else ())

    def _carry_out(self, report: Report, wanted: Wanted, handed: set[Proxy], hard: Outcome) -> Report:
        """Apply; a first change on a node is taken back where somebody who asked for nothing goes nowhere by it."""
        asked = report.ops and not self.request.empty
        begins = asked and compare.begins(report.found, wanted.items, self._before, hard.hardening)
        before = first.look(self.kernel, report) if begins else {}
        failures = tuple(apply(report.ops, self.kernel, self.request.watch))
        changed, refused = first.differs(self.kernel, report, before, self.paths, self.request.force, wanted.items)
        if refused:
            return self._take_back(report, refused)
        self.kernel.disown(handed if self.request.empty else ())
        with self.unnoted.carried():
            keep.settle_undo(self.paths, hard, whole=not failures and not self.request.empty)
        dropped, kept = obstacles.drop(self.kernel, () if failures else self.request.drop)
        return replace(report, failures=failures + kept, dropped=dropped, remarks=(*report.remarks, *changed),
                       hardened=hard.hardening.on and not self._before.on,
                       moved=consequences.moved(report.found, wanted.items, report.ops, report.facts))

    def _take_back(self, report: Report, refused: str) -> Report:
        """Bring back what was found before, in the kernel and in our notes."""
        set_now = sysctl.read(op.item.key for op in report.ops if isinstance(op.item, Sysctl))
        now = self.kernel.rules()[0] | self.kernel.routes() | self.kernel.guard()
        now |= {Sysctl(k, v) for k, v in set_now.items()}
        now |= {op.item for op in report.ops if isinstance(op.item, Proxy) and op.verb == plan.ADD}
        kept = {i for i in report.found if not isinstance(i, (Proxy, Sysctl)) or getattr(i, "key", "") in set_now}
        apply(plan.diff(frozenset(kept), now), self.kernel, self.request.watch)
        with self.unnoted.carried():
            keep.forget_hardening(self.paths, self._before)
        with self.unnoted.carried():
            self.doors.note(self.paths, report.records, self.known)
        if self.request.trying:
            trial.forget(self.paths)
        return replace(report, refused=refused, problems=(*report.problems, Problem("", refused, True)))

    def _tables(self, facts: Facts, count: census.Census, found: frozenset) -> tuple[dict[str, int], dict[str, str]]:
        ours = {getattr(i, "table", 0) for i in found}
        looked = {o.table: o for o in facts.others if o.table}
        pinned = {tables.uplink_key(u.name): u.table for u in self.settings.uplinks.values() if u.table}
        self._recorded = recorded = notes.load_tables(self.paths.tables)

        @cache
        def taken(number: int) -> str:
            if number in looked:
                return f"table {number} is looked up by another's rule ({looked[number].named}); choose a free table"
            return "" if number in ours else self.kernel.stranger(number)
        free = {k: n for k, n in recorded.items() if not taken(n)}
        keys = wanting.table_keys(self.settings, facts, count.ves + count.expected)
        numbers = tables.allocate(keys, free, pinned, lambda n: bool(taken(n)))
        occupied = {key: taken(number) for key, number in pinned.items()}
        return numbers, {key: why for key, why in occupied.items() if why}

    def _harden(self, facts: Facts, count: census.Census) -> tuple[Outcome, dict[str, str]]:
        self._before = before = notes.load_hardening(self.paths.harden)
        chooser = uplinks.Chooser(self.settings, facts.nics)
        ways = (w for ve in count.ves for w in chooser.ways_of(ve))
        assigned = any(w.state != "unassigned" and w.why != uplinks.BLOCK for w in ways)
        current = sysctl.read(harden.read_keys(facts.nics, before))
        auto = assigned and self.settings.arp == "auto" and not facts.misplaced
        force = self.request.force and bool(self.request.harden)
        return harden.decide(before, self.request.harden, auto, force, facts.nics, current), current

    def _wanted(self, facts: Facts, count: census.Census, numbers: Mapping[str, int],
                occupied: Mapping[str, str], hard: Outcome, found: frozenset[Item]) -> Wanted:
        if self.request.empty:
            return wanting.nothing({c: r.addresses for c, r in self.known.items()})
        return wanting.wanted(self.settings, facts, count.ves + count.expected, numbers, occupied, hard.hardening.on,
                             hard.hardening.strict, found, self.doors.is_whole())

    def _scope(self, count: census.Census, found: frozenset[Item], wanted: Wanted) -> Scope:
        """Limit the run to the VEs named, by their old and new addresses.

        The first use, and the end of the last, concern all VEs of the node.
        """
        ctids = self.request.named
        if ctids is None or plan.shape(found) != plan.shape(wanted.items) or not plan.engages(found):
            return self.doors.all()
        mine = {a for c in ctids for r in (self.known, count.records) if c in r for a in r[c].all}
        configs = (self.configs.get(c) for c in ctids)
        mine |= {a for c in configs if isinstance(c, VeConfig) for a in c.addresses}
        others = {a for c, r in count.records.items() if c not in ctids for a in r.all}
        return Scope(frozenset(mine - others))

    def _moves(self, wanted: Wanted, found: frozenset[Item], facts: Facts) -> tuple[Move, ...]:
        ways = [w for w in wanted.ways if self.request.named is None or w.ve.ctid in self.request.named]
        return tuple(consequences.moves(ways, found, self.known, facts.nics, facts.local))
