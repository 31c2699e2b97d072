# SPDX-License-Identifier: GPL-2.0-or-later
"""What one mount or umount hook takes: without the daemon, with it, and beside many VEs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Callable

from bench.found import Found, Limit, Row
from bench.ground import (
    MOUNT,
    UMOUNT,
    Given,
    beside,
    daemon,
    environ,
    in_turns,
    populate,
    say,
    settle,
    timed,
    write_configs,
)
from bench.recipes import ADD, BATCH_ADD, BATCH_DEL, DEL, put
from tests.lab import ExampleNode
from tests.site import Site

CTID, FIRST, FEW, ALONE = 9000, 10000, 10, 100
BASH, BATCH, OURS, RESIDENT = "bash", "ip -batch", "vzhooks", "vzhooks, daemon"
PAIRS = {BASH: (ADD, DEL), BATCH: (BATCH_ADD, BATCH_DEL), OURS: (MOUNT, UMOUNT), RESIDENT: (MOUNT, UMOUNT)}
START, STOP = "hook at a VE's start", "hook at a VE's stop"
HOOK_LIMIT, RESIDENT_LIMIT, MANY_LIMIT = 30.0, 2.0, 2.0


@contextmanager
def ground() -> Iterator[Site]:
    """Give a node with vzhooks, the rivals' scripts, and a VE that is ready to start."""
    with ExampleNode(rp_filter=1) as node:
        site = Site(node)
        site.install()
        write_configs(node.hn, CTID, 1)
        put(node.hn)
        yield site


def measure(given: Given) -> Found:
    """Measure beside few, beside 100 without the daemon, and beside many; the bash hook anew at each place."""
    found = Found()
    with ground() as site:
        populate(site.node.hn, FIRST, FEW)
        found.rows += _with_daemon(site, given.rounds, FEW)
        populate(site.node.hn, FIRST + FEW, ALONE - FEW)
        say(f"hooks: beside {ALONE} VEs, without the daemon")
        found.rows += rows(f"beside {beside(ALONE)}", in_turns(given.rounds, pairs(site, BASH, BATCH, OURS)))
        populate(site.node.hn, FIRST + ALONE, given.many - ALONE)
        found.rows += _with_daemon(site, given.rounds, given.many)
    found.limits = _limits(found, given.many)
    found.rows.sort(key=lambda row: row.what)
    return found


def _with_daemon(site: Site, rounds: int, ves: int) -> list[Row]:
    """Measure one after the other: to the daemon each rule of a rival is somebody's, for which it reads all anew."""
    say(f"hooks: beside {ves} VEs, with the daemon")
    taken: dict[str, list[float]] = {}
    with daemon(site) as pid:
        for who in (BASH, BATCH, RESIDENT):
            settle(pid)
            in_turns(1, pairs(site, who))  # the first one warms up
            taken.update(in_turns(rounds, pairs(site, who)))
    return rows(f"beside {beside(ves)}", taken)


def pairs(site: Site, *names: str) -> Mapping[str, Callable[[], Mapping[str, float]]]:
    """Return for each rival what runs its two hooks, and gives the milliseconds of each."""
    def once(who: str) -> Mapping[str, float]:
        return {f"{step}/{who}": timed(site.node.hn, [script], environ(str(CTID)))
                for step, script in zip((START, STOP), PAIRS[who])}
    return {who: lambda who=who: once(who) for who in names}


def rows(where: str, taken: Mapping[str, list[float]]) -> list[Row]:
    """Return what was taken as rows, in the order of the rivals."""
    return [Row("hooks", step, where, who, "ms", tuple(taken[f"{step}/{who}"]), who == BASH)
            for step in (START, STOP) for who in PAIRS if f"{step}/{who}" in taken]


def _limits(found: Found, many: int) -> list[Limit]:
    def median(ves: int, who: str) -> float:
        return found.row("hooks", START, f"beside {beside(ves)}", who).median

    few = median(FEW, RESIDENT)
    return [Limit("a mount hook without the daemon, x the bash hook", median(ALONE, OURS) / median(ALONE, BASH),
                  HOOK_LIMIT),
            Limit("a mount hook with the daemon, x the bash hook", few / median(FEW, BASH), RESIDENT_LIMIT),
            Limit(f"the same beside {beside(many)}, x beside {FEW}", median(many, RESIDENT) / few, MANY_LIMIT)]
