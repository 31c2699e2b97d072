# SPDX-License-Identifier: GPL-2.0-or-later
"""What it takes to bring 100 VEs to where they should be, from nothing, and to see that they are there."""

from __future__ import annotations

from collections.abc import Sequence

from bench import networkd
from bench.found import Found, Limit, Row
from bench.ground import (
    MOUNT,
    UMOUNT,
    VZHOOKS,
    Given,
    address,
    ctids,
    environ,
    in_turns,
    populate,
    timed,
    write_configs,
)
from bench.recipes import ALL, BATCH_ALL, TABLE, put
from tests.lab import ExampleNode
from tests.site import Site

FIRST, VES, CTID = 10000, 100, 9000
NOTHING, SYNC = f"{VES} VEs from nothing", f"{VES} VEs, nothing to change"
BASH, BATCH, NETWORKD = "bash", "ip -batch", "networkd, its start"
OURS, HOOK = "vzhooks resync", "vzhooks, one mount hook"
WHO = BASH, BATCH, NETWORKD, OURS, HOOK
IN_SYNC_LIMIT = 1.05  # no slower than a mount hook, within the noise of a run


def measure(given: Given) -> Found:
    """Let the rivals do the same in turns; where all is in place `ip -batch` has nothing that it could do."""
    with ExampleNode(rp_filter=1) as node:
        site = Site(node)
        site.install()
        put(node.hn)
        write_configs(node.hn, CTID, 1)
        populate(node.hn, FIRST, VES)
        words = {BASH: [ALL, *ctids(FIRST, VES)], BATCH: [BATCH_ALL, *ctids(FIRST, VES)], OURS: [*VZHOOKS, "resync"]}
        new = in_turns(max(given.rounds // 4, 3), {
            who: lambda who=who: {who: _from_nothing(site, words[who])} for who in words})
        clear(site)
        for who in (BASH, OURS):
            timed(node.hn, words[who])
        same = in_turns(given.rounds, {BASH: lambda: {BASH: timed(node.hn, words[BASH])},
                                       OURS: lambda: {OURS: timed(node.hn, words[OURS])}, HOOK: lambda: _hook(site)})
    if networkd.is_here():
        new[NETWORKD] = _of_networkd(max(given.rounds // 4, 3))
    rows = [Row("resyncs", what, "", who, "ms", tuple(taken[who]), who == BASH)
            for what, taken in ((NOTHING, new), (SYNC, same)) for who in WHO if who in taken]
    found = Found(rows)
    hook, sync = (found.row("resyncs", SYNC, "", who).median for who in (HOOK, OURS))
    found.limits = [Limit(f"resync of {VES} VEs in sync, x a mount hook", sync / hook, IN_SYNC_LIMIT)]
    return found


def _from_nothing(site: Site, words: Sequence[str]) -> float:
    clear(site)
    return timed(site.node.hn, words)


def _hook(site: Site) -> dict[str, float]:
    took = timed(site.node.hn, [MOUNT], environ(str(CTID)))
    timed(site.node.hn, [UMOUNT], environ(str(CTID)))
    return {HOOK: took}


def _of_networkd(rounds: int) -> list[float]:
    """Let networkd start again and again, with nothing of it left from before."""
    with ExampleNode(rp_filter=1) as node:
        networkd.prepare(node.hn, [address(n) for n in range(FIRST, FIRST + VES)])
        taken = []
        for _ in range(rounds):
            with networkd.running(node.hn, 2 * VES) as took:
                taken.append(took)
            clear(Site(node))
        return taken


def clear(site: Site) -> None:
    """Take away all that anybody made: rules, tables, nftables."""
    site.flush("rules")
    site.flush("nft")
    for table in ("1003", "all proto 118"):
        site.node.hn.run(["ip", "route", "flush", "table", *table.split()])
    site.node.hn.run(["nft", TABLE])
