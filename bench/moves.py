# SPDX-License-Identifier: GPL-2.0-or-later
"""What a running VE loses when it moves to another uplink, and what of it leaves by a NIC of neither."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from bench.flow import Flow
from bench.found import Found, Limit, Row
from bench.ground import VZHOOKS, Given, daemon, in_turns, timed
from tests.lab import ExampleNode
from tests.lab.node import CLIENT, NICS
from tests.lab.tap import Tap
from tests.site import VE101, Site

CTID, TABLES = "101", {"eth3": "1003", "eth4": "1004"}
SIDES = {"eth3": "eth4", "eth4": "eth3"}
BASH, BATCH, OURS, RESIDENT = "bash", "ip -batch", "vzhooks set", "vzhooks set, daemon"
OUT, IN, ASTRAY, TOOK = "lost from it", "lost to it", "left by eth0", "time"
UNITS = {OUT: "packets", IN: "packets", ASTRAY: "packets", TOOK: "ms"}
LOST_LIMIT, ASTRAY_LIMIT = 2.0, 0.0
RECIPE = f"""#!/bin/bash
set -e
ip rule del from {VE101} priority 1010
ip rule add from {VE101} lookup $1 priority 1010
"""
BATCH_RECIPE = f"""#!/bin/bash
set -e
ip -batch - <<END
rule del from {VE101} priority 1010
rule add from {VE101} lookup $1 priority 1010
END
"""


class Mover:
    """Hold a node with the one VE, and how it is moved there."""

    def __init__(self, site: Site, who: str) -> None:
        self.site, self.who, self.nic = site, who, "eth3"

    def words(self, nic: str) -> Sequence[str]:
        """Return the command that moves the VE to a NIC."""
        if self.who in (BASH, BATCH):
            return ["/etc/bench.move" if self.who == BASH else "/etc/bench.batch-move", TABLES[nic]]
        return [*VZHOOKS, "set", CTID, "--uplink", nic]

    def move(self) -> Mapping[str, float]:
        """Move it while packets go both ways, 2,000 a second each; return what was lost, and the milliseconds."""
        node, to = self.site.node, SIDES[self.nic]
        ve = node.ve(CTID).box
        with Tap(node.hn, *NICS) as tap, Flow(ve, node.client, VE101, CLIENT) as out, \
                Flow(node.client, ve, CLIENT, VE101) as back:
            timed(node.hn, ["sleep", "0.1"])
            took = timed(node.hn, self.words(to))
            timed(node.hn, ["sleep", "0.3"])
        self.nic = to
        astray = tap.count(nic="eth0", outgoing=True, src=VE101, proto="udp")
        found = {OUT: out.lost, IN: back.lost, ASTRAY: astray, TOOK: took}
        return {f"{what}/{self.who}": value for what, value in found.items()}


def measure(given: Given) -> Found:
    """Let each rival move the VE to and fro, in turns."""
    with ExitStack() as stack:
        movers = {who: Mover(stack.enter_context(ground(who)), who) for who in (BASH, BATCH, OURS, RESIDENT)}
        taken = in_turns(given.rounds, {who: mover.move for who, mover in movers.items()})
    found = Found([Row("moves", f"a move under 4,000 packets/s: {what}", "", who, unit,
                       tuple(taken[f"{what}/{who}"]), who == BASH)
                   for what, unit in UNITS.items() for who in movers])
    for who in (OURS, RESIDENT):
        lost = statistics.median(map(sum, zip(taken[f"{OUT}/{who}"], taken[f"{IN}/{who}"])))
        found.limits += [Limit(f"{who}: packets lost, both ways", lost, LOST_LIMIT),
                         Limit(f"{who}: packets that {ASTRAY}, at worst", max(taken[f"{ASTRAY}/{who}"]), ASTRAY_LIMIT)]
    return found


@contextmanager
def ground(who: str) -> Iterator[Site]:
    """Give a node on which the VE runs by eth3, as this rival would have it.

    With rp_filter 1 the recipe alone would lose all that comes in, since another NIC answers for the VE.
    """
    with ExampleNode(rp_filter=2) as node, ExitStack() as stack:
        site = Site(node)
        if who in (BASH, BATCH):
            node.hn.write("/etc/bench.move", RECIPE, 0o755)
            node.hn.write("/etc/bench.batch-move", BATCH_RECIPE, 0o755)
            for nic, table in TABLES.items():
                site.hn("ip", "route", "add", "192.168.18.0/24", "dev", nic, "table", table)
            site.hn("ip", "rule", "add", "from", VE101, "lookup", TABLES["eth3"], "priority", "1010")
            site.ve(CTID)
        else:
            site.install()
            if who == RESIDENT:
                stack.enter_context(daemon(site))
            site.ve(CTID, uplink="eth3")
        yield site
