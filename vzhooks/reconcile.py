# SPDX-License-Identifier: GPL-2.0-or-later
"""The one path by which the kernel is changed: lock, read, decide, note down, apply.

Hooks, resync, status and dry-run differ only in the Request. Our notes are written before the first
change, so that a crash at any step leaves nothing in the kernel that no note explains.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from vzhooks import census, harden, host, nft, plan, policy, records, sysctl, tables
from vzhooks.apply import Failure, Watch, apply
from vzhooks.census import Asked, Event, Reading, may_have_uplink
from vzhooks.errors import HostError, InputError, KernelError
from vzhooks.harden import Outcome
from vzhooks.host import Paths
from vzhooks.model import Element, Problem, Proxy, Rule, Sysctl
from vzhooks.plan import DELETE, Op, Scope
from vzhooks.policy import Facts, Wanted
from vzhooks.records import Records
from vzhooks.settings import Settings
from vzhooks.uplinks import Way, with_masters
from vzhooks.vzconf import VeConfig, of_ve


@dataclass(frozen=True)
class Request:
    """Say what a run is about: some VEs (None for the node), a hook's event, and whether to change.

    assign: uplinks that live VEs get whatever their configs say; expect: addresses that vzctl is
    about to give them, or is done with; harden: "on" or "off" where the operator asks for it,
    force: even where it leaves addresses unanswered; empty: the wanted state is nothing, as for
    uninstall; wait_s: for the lock; watch: is told of the changes as they are made.
    """

    ctids: frozenset[str] | None = None
    event: Event | None = None
    conffile: str = ""
    dry_run: bool = False
    assign: Mapping[str, str] = field(default_factory=dict)
    expect: Mapping[str, Asked] = field(default_factory=dict)
    harden: str = ""
    force: bool = False
    empty: bool = False
    wait_s: float = 10.0
    watch: Watch = field(default_factory=Watch, compare=False)

    @property
    def named(self) -> frozenset[str] | None:
        """Return the VEs that the run is about, None for the whole node."""
        return frozenset({self.event.ctid}) if self.event else self.ctids


@dataclass(frozen=True)
class Report:
    """Tell what a run found: ops made (or to make), ways of the VEs, problems, and what failed.

    moved: (address, device) of what neighbours must hear about; known, records: our notes on VEs as
    they were and as they should be; configs: those read; now: seconds since boot, as in the notes.
    """

    ops: tuple[Op, ...] = ()
    ways: tuple[Way, ...] = ()
    problems: tuple[Problem, ...] = ()
    failures: tuple[Failure, ...] = ()
    tables: Mapping[str, int] = field(default_factory=dict)
    moved: tuple[tuple[str, str], ...] = ()
    facts: Facts = field(default_factory=lambda: Facts({}))
    known: Records = field(default_factory=dict)
    records: Records = field(default_factory=dict)
    configs: Mapping[str, Reading] = field(default_factory=dict)
    now: float = 0.0


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


def require_support() -> None:
    """Raise HostError or KernelError, one line, where this kernel or its tools cannot do what we need."""
    from vzhooks.kernel import Kernel
    with Kernel() as kernel:
        kernel.rules()
    nft.check()


def _configs(paths: Paths, request: Request) -> dict[str, Reading]:
    ctids = request.named
    if request.empty:
        return {}  # whatever they say
    if ctids is None:
        return host.read_configs(paths)
    # Without our notes (the first hook after boot, or they were lost) all VEs are judged by evidence.
    found: dict[str, Reading] = {} if os.path.exists(paths.ves) else host.read_configs(paths)
    for ctid in ctids:
        try:
            found[ctid] = host.read_config(paths, ctid, request.conffile)
        except FileNotFoundError:
            if request.event is None and ctid not in request.expect:  # which outlives a VE that is destroyed
                raise InputError(f"{ctid}: no such VE on this node; `vzlist -a` shows those there are") from None
    return found


def _now() -> float:
    """Return the seconds since boot: our notes on VEs live as long, and no clock that is set moves them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _untouched(settings: Settings, known: Records, configs: Mapping[str, Reading], request: Request) -> bool:
    """Tell whether the kernel need not be asked: a hook, and no VE here has an uplink."""
    if request.event is None or settings.reserved or settings.unassigned != "main":
        return False
    assigned = [r for r in known.values() if r.uplink]
    return not assigned and not any(may_have_uplink(c) for c in configs.values())


def _note_only(paths: Paths, known: Records, configs: Mapping[str, Reading], request: Request) -> Report:
    count = census.take(configs, host.evidence(paths, {}, frozenset()), known, _now(), request.event)
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
        self.known, self.configs, self.kernel, self.now = known, configs, kernel, _now()

    def report(self) -> Report:
        """Decide and, unless dry, carry out."""
        facts = self.kernel.facts()
        self.settings = with_masters(self.settings, facts.nics)
        rules, strangers = self.kernel.rules()
        others = self._in_the_way(strangers)
        found = rules | self.kernel.routes() | nft.found()
        count = self._census(facts)
        numbers, occupied = self._tables(facts, count, found)
        hard, current = self._harden(facts, count)
        wanted = self._wanted(facts, count, numbers, occupied, hard)
        theirs, kept = self._vzctls(facts), self.kernel.proxies(wanted.items)
        handed = {p for p in kept if p in theirs and p not in wanted.items}
        found |= kept - handed
        found |= {Sysctl(s.key, current[s.key]) for s in hard.wanted}
        # The first use, and the end of the last, concern all VEs of the node.
        scope = self._scope(count) if found and wanted.items else plan.ALL
        ops = plan.diff(wanted.items | hard.wanted, found, scope)
        problems = (*count.problems, *wanted.problems, *hard.problems, *others)
        found_so = Report(ops, wanted.ways, problems, tables=numbers, facts=facts, known=self.known,
                          records=count.records, configs=self.configs, now=self.now)
        if self.request.dry_run:
            return found_so
        self.request.watch.begin(len(ops))
        self._save_node(numbers, hard)
        if not self.request.empty:
            _save(self.paths, self.known, count.records, self.request)
        failures = tuple(apply(ops, self.kernel, self.request.watch))
        if self.request.empty:
            self.kernel.disown(handed)
        return replace(found_so, failures=failures, moved=_moved(ops, facts))

    def _vzctls(self, facts: Facts) -> frozenset[Proxy]:
        """Return what vzctl publishes itself: it stays when we need it no more, even where we made it first."""
        devices = host.node_value(self.paths, "NEIGHBOUR_DEVS")
        listed = devices[len("list:"):].split() if devices.startswith("list:") else None
        return policy.published(facts, listed)

    def _in_the_way(self, strangers: tuple[str, ...]) -> list[Problem]:
        """Return what others have among our priorities; raises KernelError for a first assigned VE."""
        event, band = self.request.event, f"{policy.BAND[0]}-{policy.BAND[-1]}"
        first = not any(r.uplink for c, r in self.known.items() if not (event and event.ctid == c))
        others = [Problem("", f"another's rule stands within the priorities {band} of vzhooks: {s}; "
                          "give that rule another priority", first) for s in strangers]
        assigned = any(may_have_uplink(c) for c in self.configs.values())
        if others and first and assigned and event and event.name == "mount":
            raise KernelError(others[0].text)
        return others

    def _census(self, facts: Facts) -> census.Census:
        usual = host.node_value(self.paths, "VE_ROOT")
        roots = {c.ctid: c.root or of_ve(usual, c.ctid) for c in self.configs.values()
                 if isinstance(c, VeConfig) and (c.root or usual)}
        seen = host.evidence(self.paths, roots, facts.local)
        complete = self.request.named is None
        return census.take(self.configs, seen, self.known, self.now, self.request.event, complete,
                           self.request.assign, self.request.expect)

    def _tables(self, facts: Facts, count: census.Census, found: frozenset) -> tuple[dict[str, int], dict[str, str]]:
        ours = {getattr(i, "table", 0) for i in found}
        pinned = {tables.uplink_key(u.name): u.table for u in self.settings.uplinks.values() if u.table}
        recorded = records.load_tables(self.paths.tables)
        self._recorded = recorded

        @cache
        def taken(number: int) -> str:
            return "" if number in ours else self.kernel.stranger(number)
        free = {k: n for k, n in recorded.items() if not taken(n)}
        keys = policy.table_keys(self.settings, facts.nics, count.ves + count.expected)
        numbers = tables.allocate(keys, free, pinned, lambda n: bool(taken(n)))
        occupied = {key: taken(number) for key, number in pinned.items()}
        return numbers, {key: why for key, why in occupied.items() if why}

    def _harden(self, facts: Facts, count: census.Census) -> tuple[Outcome, dict[str, str]]:
        self._before = before = records.load_hardening(self.paths.harden)
        assigned = any(ve.uplink or self.settings.unassigned not in ("main", "block") for ve in count.ves)
        current = sysctl.read({*harden.keys(facts.nics), *before.former, harden.STRICT_ALL})
        auto = assigned and self.settings.arp == "auto"
        return harden.decide(before, self.request.harden, auto, self.request.force, facts.nics, current), current

    def _wanted(self, facts: Facts, count: census.Census, numbers: Mapping[str, int],
                occupied: Mapping[str, str], hard: Outcome) -> Wanted:
        if self.request.empty:
            return Wanted(frozenset(), (), ())
        keep = hard.hardening.mode == harden.ON
        return policy.wanted(self.settings, facts, count.ves + count.expected, numbers, occupied, keep)

    def _scope(self, count: census.Census) -> Scope:
        """Limit the run to the VEs named, by their old and new addresses."""
        ctids = self.request.named
        if ctids is None:
            return plan.ALL
        mine = {a for c in ctids for r in (self.known, count.records) if c in r for a in r[c].all}
        configs = (self.configs.get(c) for c in ctids)
        mine |= {a for c in configs if isinstance(c, VeConfig) for a in c.addresses}
        others = {a for c, r in count.records.items() if c not in ctids for a in r.all}
        return Scope(frozenset(mine - others))

    def _save_node(self, numbers: Mapping[str, int], hard: Outcome) -> None:
        if self.request.empty:  # what is noted explains all until it is gone, and a full disk must not keep it
            return _persist(self.paths.sysctl_d, "")
        kept = {**self._recorded, **numbers}
        if kept != self._recorded:
            records.save_tables(self.paths.tables, kept)
            if os.path.exists(self.paths.rt_tables):
                _persist(self.paths.rt_tables, tables.table_names(kept))
        if hard.hardening != self._before:
            records.save_hardening(self.paths.harden, hard.hardening)
        if hard.hardening.mode == harden.ON:
            ours = [s for s in hard.wanted if s.key in hard.hardening.former]
            _persist(self.paths.sysctl_d, harden.drop_in(ours))
        elif self._before.mode == harden.ON:
            _persist(self.paths.sysctl_d, "")


def _persist(path: str, text: str) -> None:
    """Let a file of ours hold this text, or be gone."""
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        raise HostError(f"{path}: cannot be read ({error}); remove it and run `vzhooks harden`") from None
    if text:
        records.replace(path, text, 0o644)
    elif os.path.exists(path):
        os.unlink(path)


def _moved(ops: tuple[Op, ...], facts: Facts) -> tuple[tuple[str, str], ...]:
    """Return what neighbours must hear about: routed VE addresses, and the HN's own that changed ways."""
    added = [op.item for op in ops if op.verb != DELETE]
    exits = [i.value for i in added if isinstance(i, Element) and i.set.startswith("exits")]
    ways = {i.src.partition("/")[0] for i in added if isinstance(i, Rule) and i.priority == policy.OWN_LAN}
    hard = {i.key.split("/")[3] for i in added if isinstance(i, Sysctl)}
    own = [(a, n.name) for n in facts.nics.values() for a in n.owns if a in ways or n.name in hard]
    return tuple((a, d) for a, d in exits if a in facts.local) + tuple(own)
