# SPDX-License-Identifier: GPL-2.0-or-later
"""The one path by which the kernel is changed: lock, read, decide, note down, apply.

Hooks, resync, status and dry-run differ only in the Request. All that decides, the ini and our notes above all, is
read here under the lock: what is read before it is old when it is applied. Our notes are written before the first
change, so that a crash at any step leaves nothing in the kernel that no note explains.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from vzhooks.config.vzconf import VeConfig
from vzhooks.errors import HostError, KernelError
from vzhooks.kernel import nft, sysctl
from vzhooks.kernel.apply import apply
from vzhooks.model import Item, Problem, Proxy, Rule, Skeleton, Sysctl
from vzhooks.node import evidence, host, notes
from vzhooks.node.host import Paths
from vzhooks.policy import census, compare, consequences, harden, health, plan, sources, tables, uplinks, wanting
from vzhooks.policy.consequences import Move
from vzhooks.policy.evidence import Evidence, may_have_uplink
from vzhooks.policy.facts import Facts, in_this_node, known_of, settle, without_ipv6
from vzhooks.policy.foreign import Other
from vzhooks.policy.harden import Outcome
from vzhooks.policy.plan import Scope
from vzhooks.policy.priorities import BAND, PASS, UNASSIGNED
from vzhooks.policy.records import Record
from vzhooks.policy.wanting import Wanted
from vzhooks.run import inputs, keep
from vzhooks.run.doors import Doors
from vzhooks.run.inputs import Inputs
from vzhooks.run.request import COMMAND, HOOK, Report, Request

if TYPE_CHECKING:
    from vzhooks.kernel.netlink import Kernel


def run(paths: Paths, request: Request, doors: Doors | None = None) -> Report:
    """Make found equal wanted for what the request names, and report.

    doors: by what to read, where somebody remembers the node. Raises LockBusy, HostError, SettingsError and KernelError
    where nothing could be decided: nothing is then changed.
    """
    doors = doors or Doors()
    with host.lock(paths.lock, request.wait_s):
        if request.door == HOOK and os.path.isdir(paths.conf_dir) and not host.is_installed(paths):
            raise HostError(f"{paths.conf_dir}: vzhooks is not installed any more; `vzhooks install` brings it back")
        read = inputs.read(paths, request, _now(), doors)
        if _untouched(read, request):
            report = _note_only(paths, read, request, doors)
        else:
            with doors.kernel() as kernel:
                report = _Run(paths, request, read, kernel, doors).report()
        return replace(report, warnings=read.warnings, configs=read.configs, ini=read.settings)


def forget_override(paths: Paths, ctid: str) -> None:
    """Note that a VE's config says now what `set` gave it, so that later edits of the config count."""
    with host.lock(paths.lock, 10.0):
        known = notes.load_ves(paths.ves)
        if ctid in known and known[ctid].override is not None:
            notes.save_ves(paths.ves, {**known, ctid: replace(known[ctid], override=None, base="")})


def require_support() -> None:
    """Raise HostError or KernelError, one line, where this kernel or its tools cannot do what we need."""
    from vzhooks.kernel.netlink import Kernel
    with Kernel() as kernel:
        kernel.rules()
    nft.check()


def _now() -> float:
    """Return the seconds since boot: our notes on VEs live as long, and no clock that is set moves them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _untouched(read: Inputs, request: Request) -> bool:
    """Tell whether the kernel need not be asked: a hook, and no VE here has an uplink; or one of no VE yet."""
    if request.event is None:
        return False
    if request.event.name == "mount" and request.event.ctid not in read.configs:
        return True  # create and register mount before the config has its name (libvzctl lib/create.c)
    if read.settings.reserved or read.settings.unassigned != "main":
        return False
    return not any(r.uplink for r in read.known.values()) and not any(map(may_have_uplink, read.configs.values()))


def _note_only(paths: Paths, read: Inputs, request: Request, doors: Doors) -> Report:
    seen = evidence.evidence({}, doors.listed(paths), evidence.lock_dirs(paths, read.vz_conf))
    count = census.take(read.configs, seen, read.known, _now(), request.event)
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
        self.now = _now()
        self.settings, self.known, self.configs = read.settings, read.known, read.configs

    def report(self) -> Report:
        """Decide and, unless dry or refused, note down and carry out."""
        decided = self._decide()
        report = replace(decided.report, refused=self._refusal(decided.report))
        if self.request.dry_run or report.refused:
            return report
        self.request.watch.begin(len(report.ops))
        keep.save_node(self.paths, {**self._recorded, **report.tables}, self._before, decided.hard, self.request.empty)
        if not self.request.empty:
            keep.save_networks(self.paths, report.ways, report.settings, report.facts.nics)
            self.doors.note(self.paths, self.known, report.records)
            keep.save_standing(self.paths, self.read.standing, report.standing)
        return self._carry_out(report, decided.wanted, decided.handed, decided.hard)

    def _decide(self) -> _Decided:
        """Read the kernel, and say what should be and the changes."""
        rules, others = self.kernel.rules()
        facts, seen = self._facts(others)
        in_the_way = self._in_the_way(others)
        found = rules | self.kernel.routes() | self.kernel.guard()
        count = census.take(self.configs, seen, self.known, self.now, self.request.event, self.request.named is None,
                            self.request.assign, self.request.expect, self.request.devices)
        numbers, occupied = self._tables(facts, count, found)
        hard, current = self._harden(facts, count)
        wanted = self._wanted(facts, count, numbers, occupied, hard)
        theirs, kept = self._vzctls(facts), self.kernel.proxies(wanted.items)
        handed = {p for p in kept if p in theirs and p not in wanted.items}
        found |= (kept - handed) | {Sysctl(s.key, current[s.key]) for s in hard.wanted}
        standing, changed = health.stood(uplinks.who_stands(self.settings, facts.nics, facts.health),
                                         self.read.standing, self.now)
        scope = plan.ALL if changed else self._scope(count, found, wanted)  # a switch concerns all VEs of an uplink
        ops = self.doors.due(plan.diff(wanted.items | hard.wanted, found, scope))
        problems = (*count.problems, *wanted.problems, *hard.problems, *in_the_way)
        report = Report(ops, wanted.ways, problems, moves=self._moves(wanted, found, facts), tables=numbers,
                        facts=facts, known=self.known, records=count.records, found=found, settings=self.settings,
                        remarks=wanted.remarks, now=self.now, standing=standing, changed=changed,
                        probed=frozenset(self.read.health))
        return _Decided(report, wanted, handed, hard)

    def _carry_out(self, report: Report, wanted: Wanted, handed: set[Proxy], hard: Outcome) -> Report:
        """Apply; a first change on a node is taken back where somebody who asked for nothing goes nowhere by it."""
        from vzhooks.kernel import asking  # as Kernel, only where the kernel is asked
        first = not _shape(report.found) and not self.request.empty
        closed = wanting.is_closed(report.settings)
        flows = compare.flows(report.facts, report.ways, closed) if first else []
        before = asking.compare(self.kernel, flows, report.facts.nics)
        failures = tuple(apply(report.ops, self.kernel, self.request.watch))
        changed, lost = compare.differences(before, asking.compare(self.kernel, flows, report.facts.nics))
        if lost and not self.request.force:
            return self._take_back(report, lost)
        if self.request.empty:
            self.kernel.disown(handed)
        return replace(report, failures=failures, remarks=(*report.remarks, *changed, *lost),
                       hardened=hard.hardening.on and not self._before.on,
                       moved=consequences.moved(report.found, wanted.items, report.ops, report.facts))

    def _take_back(self, report: Report, lost: list[str]) -> Report:
        """Bring back what was found before, and say who would lose his way."""
        set_now = sysctl.read(op.item.key for op in report.ops if isinstance(op.item, Sysctl))
        now = self.kernel.rules()[0] | self.kernel.routes() | self.kernel.guard()
        now |= {Sysctl(k, v) for k, v in set_now.items()}
        kept = {i for i in report.found if not isinstance(i, (Proxy, Sysctl)) or getattr(i, "key", "") in set_now}
        apply(plan.diff(frozenset(kept), now), self.kernel, self.request.watch)
        keep.forget_hardening(self.paths, self._before)
        refused = f"this would cut off {'; '.join(lost)}"
        return replace(report, refused=refused, problems=(*report.problems, Problem("", refused, True)))

    def _facts(self, others: tuple[Other, ...]) -> tuple[Facts, Evidence]:
        """Return what the kernel says, each device with its role, and the evidence of VEs that live."""
        raw = self.kernel.facts()
        listed = self.doors.listed(self.paths)
        seen = evidence.evidence(inputs.roots(self.paths, self.read, listed), listed,
                                 evidence.lock_dirs(self.paths, self.read.vz_conf))
        configs = [c for c in self.configs.values() if isinstance(c, VeConfig)]
        ves: list[VeConfig | Record] = [*configs, *self.known.values()]
        devices = {d for c in ves for d in c.devices} | set(self.request.devices.values())
        addresses = {a for c in configs for a in c.addresses} | {a for r in self.known.values() for a in r.all}
        addresses |= {a for found in listed.values() for a in found}
        asked = {c.uplink for c in ves} | set(self.request.assign.values())
        known = known_of(self.settings, raw.nics, raw.main, devices, addresses, asked)
        facts = settle(replace(raw, others=others, shared=not evidence.is_openvz9(self.paths)), known)
        seen_before = notes.load_networks(self.paths.networks)
        self.settings = replace(in_this_node(self.settings, facts.nics), seen=seen_before)
        known_health = uplinks.healths(self.settings, facts.nics, self.read.health, self.now)
        return _as_ipv6_is(replace(facts, health=known_health)), replace(seen, routed=frozenset(facts.local))

    def _vzctls(self, facts: Facts) -> frozenset[Proxy]:
        """Return what vzctl publishes itself: it stays when we need it no more, even where we made it first."""
        devices = self.read.vz_conf.get("NEIGHBOUR_DEVS", "")
        listed = devices[len("list:"):].split() if devices.startswith("list:") else None
        return wanting.published(facts, listed)

    def _in_the_way(self, others: tuple[Other, ...]) -> list[Problem]:
        """Return what others have among our priorities; raises KernelError for a first assigned VE."""
        event, band = self.request.event, f"{BAND[0]}-{BAND[-1]}"
        first = not any(r.uplink for c, r in self.known.items() if not (event and event.ctid == c))
        found = [Problem("", f"another's rule stands within the priorities {band} of vzhooks: {o.named}; "
                         "give that rule another priority", first)
                 for o in others if o.priority in BAND and not o.kernel]  # the kernel's own for VRFs is at 1000
        assigned = any(may_have_uplink(c) for c in self.configs.values())
        if found and first and assigned and event and event.name == "mount":
            raise KernelError(found[0].text)
        return found

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
        ways = (w for ve in count.ves for w in uplinks.ways_of(ve, self.settings, facts.nics))
        assigned = any(w.state != "unassigned" and w.why != uplinks.BLOCK for w in ways)
        current = sysctl.read(harden.read_keys(facts.nics, before))
        auto = assigned and self.settings.arp == "auto" and not facts.misplaced
        return harden.decide(before, self.request.harden, auto, self.request.force, facts.nics, current), current

    def _wanted(self, facts: Facts, count: census.Census, numbers: Mapping[str, int],
                occupied: Mapping[str, str], hard: Outcome) -> Wanted:
        if self.request.empty:
            return wanting.nothing({c: r.addresses for c, r in self.known.items()})
        return wanting.wanted(self.settings, facts, count.ves + count.expected, numbers, occupied, hard.hardening.on,
                             hard.hardening.strict)

    def _scope(self, count: census.Census, found: frozenset[Item], wanted: Wanted) -> Scope:
        """Limit the run to the VEs named, by their old and new addresses.

        The first use, and the end of the last, concern all VEs of the node.
        """
        ctids = self.request.named
        if ctids is None or _shape(found) != _shape(wanted.items) or not _shape(found):
            return plan.ALL
        mine = {a for c in ctids for r in (self.known, count.records) if c in r for a in r[c].all}
        configs = (self.configs.get(c) for c in ctids)
        mine |= {a for c in configs if isinstance(c, VeConfig) for a in c.addresses}
        others = {a for c, r in count.records.items() if c not in ctids for a in r.all}
        return Scope(frozenset(mine - others))

    def _moves(self, wanted: Wanted, found: frozenset[Item], facts: Facts) -> tuple[Move, ...]:
        named = self.request.named
        return tuple(consequences.moves((w for w in wanted.ways if named is None or w.ve.ctid in named), found,
                                        self.known, facts.nics, facts.local))

    def _refusal(self, report: Report) -> str:
        """Return why a careful run changes nothing: what was typed wrong must not cut off who runs."""
        if not self.request.careful or self.request.force:
            return ""
        losers = [str(m) for m in report.moves if m.loses]
        if self.request.door != COMMAND:
            return "\n".join(losers)
        every = uplinks.every(report.settings, report.facts.nics)
        broken = [*report.settings.broken.values(),
                  *(p.text for p in sources.doubled(every, report.settings, report.facts.nics))]
        return "\n".join([*broken, *losers])


def _shape(items: Iterable[Item]) -> frozenset[object]:
    """Return which of what concerns all VEs is there: the guard, the rule to pass by, and that of `reserved`."""
    found: set[object] = set()
    for item in items:
        if isinstance(item, Skeleton):
            found.add(item)
        elif isinstance(item, Rule) and (item.priority == PASS or (item.priority == UNASSIGNED and item.iif)):
            found.add((item.family, item.priority))
    return frozenset(found)


def _as_ipv6_is(facts: Facts) -> Facts:
    """Return the facts with what only /proc tells: where IPv6 is switched off."""
    keys = {f"net/ipv6/conf/{n.name}/disable_ipv6": n.name for n in facts.lan} if 6 in facts.families else {}
    return without_ipv6(facts, {keys[k] for k, value in sysctl.read(keys).items() if value != "0"})
