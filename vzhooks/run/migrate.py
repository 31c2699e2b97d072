# SPDX-License-Identifier: GPL-2.0-or-later
"""Move VEs from the ip rules of an older script to uplinks: first all of ours, then their rules go.

At every moment at least one of the two is whole, so that no packet leaves by another NIC: the rules of others are
dropped when ours hold and ini and configs say so, and not at all where any of that failed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from vzhooks.addresses import family_of
from vzhooks.config.confedit import with_uplink
from vzhooks.config.vzconf import VeConfig
from vzhooks.errors import HostError, InputError, VzhooksError
from vzhooks.kernel.apply import Watch
from vzhooks.node import files, host, ini
from vzhooks.node.host import Paths
from vzhooks.policy import legacy
from vzhooks.policy.compare import FAR
from vzhooks.policy.legacy import Plan, Seen
from vzhooks.policy.marks import Marks
from vzhooks.policy.trial import Trying
from vzhooks.run import assign, reconcile, trial
from vzhooks.run.request import Report, Request


@dataclass(frozen=True)
class Migration:
    """Hold a plan with the texts that it changes: by file what is there (None for no file) and what will be."""

    plan: Plan
    report: Report
    ini: tuple[str | None, str]
    configs: dict[str, tuple[bytes, bytes]]


def look(paths: Paths) -> Migration:
    """Return what there is to migrate; changes nothing. Raises as `reconcile.run`, SettingsError for a bad ini."""
    report = reconcile.run(paths, Request(dry_run=True))
    from vzhooks.kernel import asking
    configs = {c: r for c, r in report.configs.items() if isinstance(r, VeConfig)}
    live: dict[str, tuple[str, ...]] = {}
    for way in report.ways:
        live[way.ve.ctid] = tuple(dict.fromkeys((*live.get(way.ve.ctid, ()), *way.ve.addresses)))
    asked = [(a, FAR[family_of(a)]) for c in live for a in live[c] if a in report.facts.local]
    lookups, _ = asking.answers(asked, (), report.facts, Marks(report.found))
    tables = asking.tables(legacy.looked_up(report.facts), report.facts)
    plan = legacy.plan(Seen(report.settings, report.facts, configs, live, tables,
                            {src: found for (src, _), found in lookups.items()}))
    now = ini.text(paths)
    return Migration(plan, report, (now, _with(now or "", plan)), dict(_configs(paths, plan)))


def _with(text: str, plan: Plan) -> str:
    """Return an ini with the sections of a plan behind all that it has."""
    ended = text if not text or text.endswith("\n") else f"{text}\n"
    return text if not plan.sections else "\n".join(filter(None, (ended, *map(str, plan.sections))))


def _configs(paths: Paths, plan: Plan) -> Iterator[tuple[str, tuple[bytes, bytes]]]:
    for ctid, name in plan.uplinks.items():
        path = os.path.join(paths.conf_dir, f"{ctid}.conf")
        try:
            old = files.content(path)
        except OSError as error:
            raise HostError(f"{path}: cannot be read ({error.strerror}); mend that and try again") from None
        yield path, (old, with_uplink(old, name))


def write(paths: Paths, found: Migration, watch: Watch) -> Report:
    """Do what was found; return the last run's report.

    Raises LockBusy while vzctl is at work on one of the VEs, HostError or InputError where it cannot be done: nothing
    is changed then, or the rules of others are left.
    """
    _check(paths, found)
    plan = found.plan
    wanted = Request(assign=plan.uplinks, watch=watch, careful=True)
    with ExitStack() as stack:
        for ctid, name in plan.uplinks.items():
            config = host.read_config(paths, ctid)
            if not isinstance(config, VeConfig):
                raise InputError(config.text)
            stack.enter_context(assign.saved(paths, config, name, watch))
        with _ini(paths, found):
            made = reconcile.run(paths, wanted)
            _require(made)
    for ctid in plan.uplinks:
        assign.forget_override(paths, ctid)
    done = reconcile.run(paths, Request(watch=watch, drop=plan.drop))
    return replace(done, moved=(*made.moved, *done.moved), ops=(*made.ops, *done.ops), hardened=made.hardened)


def _check(paths: Paths, found: Migration) -> None:
    """Raise where a migration would cut somebody off, or its VEs would start without our hooks; change nothing."""
    if not host.is_installed(paths):
        raise HostError("vzhooks is not installed, so nothing would hold at the next start of a VE; "
                        "`vzhooks install` first, then give the command again")
    held = trial.pending(paths)
    if held:
        raise HostError(f"{trial.said(held)}; give the command again after that")
    plan = found.plan
    tried = Trying(0, "", paths.ini, found.ini[1])
    report = reconcile.run(paths, Request(dry_run=True, assign=plan.uplinks, careful=True, trying=tried))
    _require(report)
    bad = [w for w in report.ways if w.ve.ctid in plan.uplinks and w.state == "blocked"]
    if bad:
        raise HostError(f"VE {bad[0].ve.ctid} would be cut off: {bad[0].why}; mend that and give the command again")


def _require(report: Report) -> None:
    texts = [report.refused.splitlines()[0]] if report.refused else [f.text for f in report.failures if f.opens]
    if texts:
        raise HostError(f"{texts[0]}; the rules of others are left as they are")


@contextmanager
def _ini(paths: Paths, found: Migration) -> Iterator[None]:
    """Hold the new ini, or the former one again where the body fails."""
    before, after = found.ini
    if ini.text(paths) != before:
        raise HostError(f"{paths.ini} was written anew meanwhile, so nothing was changed; give the command again")
    if after != (before or ""):
        ini.write(paths, after)
    try:
        yield
    except VzhooksError:
        if before is not None:
            ini.write(paths, before)
        elif after:
            os.unlink(paths.ini)
        raise
