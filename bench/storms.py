# SPDX-License-Identifier: GPL-2.0-or-later
"""What 200 hooks at once take, and 200 VEs that start at once on a node that has none yet."""

from __future__ import annotations

import json

from bench.found import Found, Limit, Row
from bench.ground import MOUNT, UMOUNT, Given, at_once, ctids, daemon, populate, say, settle, write_configs
from bench.recipes import ADD, BATCH_ADD, BATCH_DEL, DEL, START, STOP, put
from bench.resyncs import clear
from tests.lab import ExampleNode
from tests.site import Site

FIRST, FEW, STORM, AT_ONCE = 10000, 10, 20000, 200
BASH, BATCH, OURS, RESIDENT = "bash", "ip -batch", "vzhooks", "vzhooks, daemon"
PAIRS = {BASH: (ADD, DEL), BATCH: (BATCH_ADD, BATCH_DEL), RESIDENT: (MOUNT, UMOUNT), OURS: (MOUNT, UMOUNT)}
MOUNTS, UMOUNTS = f"{AT_ONCE} mount hooks at once, all done", f"{AT_ONCE} umount hooks at once, all done"
STARTS = f"{AT_ONCE} VEs start at once, all have their way"
AT_ONCE_LIMIT = 2.0
"""x the bash hooks, with the daemon."""


def measure(given: Given) -> Found:
    """Measure each rival some times; the daemon's part apart, since rules of others keep it busy."""
    rounds, taken = max(given.rounds // 4, 2), {}
    with ExampleNode(rp_filter=1) as node:
        site = Site(node)
        site.install()
        put(node.hn)
        node.hn.write("/etc/vz/vz.conf", "")
        write_configs(node.hn, STORM, AT_ONCE, mounted=False)
        populate(node.hn, FIRST, FEW)
        for who in PAIRS:
            say(f"storms: {who}")
            taken[who] = _storms(site, who, rounds if who != OURS else 1)
    rows = [Row("storms", what, "", who, "ms", tuple(taken[who][what]), who == BASH)
            for what in (MOUNTS, UMOUNTS, STARTS) for who in PAIRS if taken[who][what]]
    found = Found(rows)
    bash, ours = (found.row("storms", MOUNTS, "", who).median for who in (BASH, RESIDENT))
    found.limits = [Limit(f"{AT_ONCE} mount hooks at once with the daemon, x the bash hooks", ours / bash,
                          AT_ONCE_LIMIT)]
    return found


def _storms(site: Site, who: str, rounds: int) -> dict[str, list[float]]:
    """Let one rival's hooks run at once again and again, then whole starts from nothing."""
    taken: dict[str, list[float]] = {MOUNTS: [], UMOUNTS: [], STARTS: []}
    if who != RESIDENT:
        for _ in range(rounds):
            _round(site, who, taken)
        return taken
    with daemon(site) as pid:
        for _ in range(rounds):
            _round(site, who, taken, pid)
    return taken


def _round(site: Site, who: str, taken: dict[str, list[float]], pid: int | None = None) -> None:
    """Do it once; with all back as it was, but for the slowest rival, which is the last."""
    (add, delete), hn, ids = PAIRS[who], site.node.hn, ctids(STORM, AT_ONCE)
    settle(pid)
    taken[MOUNTS].append(at_once(hn, [add], ids))
    if who != OURS:
        taken[UMOUNTS].append(at_once(hn, [delete], ids))
    clear(site)
    settle(pid)
    taken[STARTS].append(at_once(hn, [START, add], ids))
    if who in (OURS, RESIDENT):
        _all_right(site)
    if who != OURS:
        at_once(hn, [STOP, delete], ids)


def _all_right(site: Site) -> None:
    """Make sure that those who started are as they should be, each by its own uplink."""
    ves = json.loads(site.vzhooks("status", "--json", rc=None).stdout)["ves"]
    states = {ve["ve"]: ve["state"] for ve in ves}
    if {states.get(ctid) for ctid in ctids(STORM, AT_ONCE)} - {"ok", "lan-only"}:
        raise SystemExit(f"bench: not all of {AT_ONCE} VEs that started are right: {sorted(set(states.values()))}")
