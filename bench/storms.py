# SPDX-License-Identifier: GPL-2.0-or-later
"""What 200 hooks at once take, and 200 VEs that start at once on a node that has none yet."""

from __future__ import annotations

import json
from contextlib import ExitStack

from bench.found import Found, Limit, Row
from bench.ground import LONGEST_S, MOUNT, UMOUNT, Given, at_once, ctids, daemon, populate, say, settle, write_configs
from bench.recipes import ADD, BATCH_ADD, BATCH_DEL, DEL, START, STOP, put
from bench.resyncs import clear
from tests.lab import ExampleNode
from tests.resident import until
from tests.site import Site

FIRST, FEW, STORM, AT_ONCE, FEWER = 10000, 10, 20000, 200, 50
BASH, BATCH, OURS, RESIDENT = "bash", "ip -batch", "vzhooks", "vzhooks, daemon"
PAIRS = {BASH: (ADD, DEL), BATCH: (BATCH_ADD, BATCH_DEL), RESIDENT: (MOUNT, UMOUNT), OURS: (MOUNT, UMOUNT)}
MOUNTS, UMOUNTS, STARTS = "mount hooks at once", "umount hooks at once", "VEs start at once"
AT_ONCE_LIMIT = 2.0
"""x the bash hooks, with the daemon."""
Taken = "dict[tuple[str, int, str], list[float]]"
"""Milliseconds by what was done, of how many VEs, and who did it."""


def measure(given: Given) -> Found:
    """Measure each rival some times; without the daemon fewer, and once, since all wait for one lock."""
    rounds, taken = max(given.rounds // 4, 2), {}
    with ExampleNode(rp_filter=1) as node:
        site = Site(node)
        site.install()
        put(node.hn)
        node.hn.write("/etc/vz/vz.conf", "")
        write_configs(node.hn, STORM, AT_ONCE, mounted=False)
        populate(node.hn, FIRST, FEW)
        for who in (BASH, BATCH, RESIDENT):
            _whole(site, who, rounds, taken)
        for who in (BASH, OURS):
            say(f"storms: {who}, {FEWER} at once")
            taken[MOUNTS, FEWER, who] = [at_once(node.hn, [PAIRS[who][0]], ctids(STORM, FEWER))]
    found = Found([Row("storms", what, f"{ves} VEs", who, "ms", tuple(figures), who == BASH)
                   for (what, ves, who), figures in sorted(taken.items(), key=_order)])
    bash, ours = (found.row("storms", MOUNTS, f"{AT_ONCE} VEs", who).median for who in (BASH, RESIDENT))
    found.limits = [Limit(f"{AT_ONCE} mount hooks at once with the daemon, x the bash hooks", ours / bash,
                          AT_ONCE_LIMIT)]
    return found


def _order(item: tuple[tuple[str, int, str], list[float]]) -> tuple[int, int, int]:
    (what, ves, who), _ = item
    return (MOUNTS, UMOUNTS, STARTS).index(what), -ves, list(PAIRS).index(who)


def _whole(site: Site, who: str, rounds: int, taken: Taken) -> None:
    """Let one rival's hooks run at once again and again, and whole starts from nothing."""
    say(f"storms: {who}, {AT_ONCE} at once")
    with ExitStack() as stack:
        pid = stack.enter_context(daemon(site)) if who == RESIDENT else None
        for _ in range(rounds):
            for what, took in zip((MOUNTS, UMOUNTS, STARTS), _round(site, who, pid)):
                taken.setdefault((what, AT_ONCE, who), []).append(took)


def _round(site: Site, who: str, pid: int | None) -> tuple[float, float, float]:
    """Do it once, and leave all as it was; pid: of the daemon, which has to be done with it each time."""
    (add, delete), hn, ids = PAIRS[who], site.node.hn, ctids(STORM, AT_ONCE)
    settle(pid)
    mounts, umounts = at_once(hn, [add], ids), at_once(hn, [delete], ids)
    clear(site)
    settle(pid)
    starts = at_once(hn, [START, add], ids)
    if pid:
        until(lambda: _states(site) == {"ok"}, LONGEST_S)  # what follows from a route comes after it
    at_once(hn, [STOP, delete], ids)
    return mounts, umounts, starts


def _states(site: Site) -> set[str]:
    """Return how `vzhooks status` has those who started."""
    ves = json.loads(site.vzhooks("status", "--json", rc=None).stdout)["ves"]
    states = {ve["ve"]: ve["state"] for ve in ves}
    return {states.get(ctid, "not there") for ctid in ctids(STORM, AT_ONCE)}
