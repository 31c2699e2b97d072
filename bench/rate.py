# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets a second and round trips of one VE beside many others: without vzhooks, and in each datapath.

The VE is the one in the middle, as rules are looked at one by one. All VEs have their host route, as under vzctl.
"""

from __future__ import annotations

import statistics
from contextlib import ExitStack

from bench import sender
from bench.found import Found, Limit, Row
from bench.ground import Given, address, beside, run_ves, say, vzhooks, write_configs
from tests.lab import ExampleNode
from tests.lab.links import change_address
from tests.lab.node import CLIENT, NICS
from vzhooks.config.keys import NODE

NOTHING, DEFAULT = "nothing", NODE["datapath"].default
DATAPATHS = [way for way in ("rule", "map", "auto") if way in NODE["datapath"].choices]
SIZES = (0, 1, 10, 100, 1000, 10000)
FIRST, RATE_S, TRIPS_S, WARM_S = 10000, 0.15, 0.1, 0.02
LEAST, LIMITED = 0.85, (10, 100, 10000)
PACKETS, MIDDLE, SLOWEST = "packets by one processor", "round trip, median", "round trip, 99 of 100"


class Lane:
    """Hold a node of one datapath, whose VEs become more and more."""

    def __init__(self, lab: ExampleNode, datapath: str) -> None:
        self.lab, self.datapath, self.ves, self.source = lab, datapath, 0, address(FIRST)
        lab.hn.write("/etc/vz/vz.conf", "")  # without VE_ROOT a host route is a VE's life
        lab.hn.run(["ip", "route", "add", f"{CLIENT}/32", "dev", "eth3"], check=True)  # the way is the same for all
        own = NICS["eth3"][1].partition("/")[0]
        lab.client.run(["ip", "route", "add", "10.0.0.0/8", "via", own], check=True)
        sender.sink(lab.client)
        if datapath != NOTHING:
            lab.hn.write("/etc/vz/vzhooks.ini", f"[node]\ndatapath = {datapath}\n")
            vzhooks(lab.hn, "install")
        write_configs(lab.hn, FIRST, 1, None, mounted=False)
        run_ves(lab.hn, FIRST, 1, mounted=False)

    def grow(self, ves: int) -> None:
        """Bring the node to so many VEs with an uplink, and choose the one that sends; with none it has no uplink."""
        write_configs(self.lab.hn, FIRST + self.ves, ves - self.ves, mounted=False)
        first = max(self.ves, 1)
        run_ves(self.lab.hn, FIRST + first, max(ves - first, 0), mounted=False)
        self.ves, self.source = ves, address(FIRST + ves // 2)
        with self.lab.venet.ipr() as ipr:
            if not ipr.get_addr(address=self.source):
                change_address(ipr, "add", 1, f"{self.source}/32")
        if self.datapath != NOTHING:
            vzhooks(self.lab.hn, "resync")
            self._check()

    def _check(self) -> None:
        done = self.lab.hn.run(["nft", "list", "set", "inet", "vzhooks", "exits4"])
        if self.ves and done.stdout.count('"eth3"') < self.ves:
            raise SystemExit(f"bench: not all of {self.ves} VEs have their uplink: {done.stderr}")

    def turn(self) -> tuple[float, list[float]]:
        """Return packets a second, and the microseconds of round trips."""
        sender.round_trips(self.lab.venet, self.source, WARM_S)
        packets = sender.rate(self.lab.venet, self.lab.client, self.source, RATE_S)
        return packets, sender.round_trips(self.lab.venet, self.source, TRIPS_S)


def measure(given: Given) -> Found:
    """Measure every datapath, in turns, beside more and more VEs."""
    found = Found()
    with ExitStack() as stack:
        lanes = [Lane(stack.enter_context(ExampleNode(rp_filter=1)), way) for way in (NOTHING, *DATAPATHS)]
        for ves in (n for n in SIZES if n <= given.many):
            say(f"rate: {ves} VEs")
            for lane in lanes:
                lane.grow(ves)
            turns = [[lane.turn() for lane in lanes] for _ in range(max(given.rounds * 3 // 4, 3))]
            for n, lane in enumerate(lanes):
                found.rows += _rows(lane, [turn[n] for turn in turns])
    found.limits = [_limit(found, ves) for ves in LIMITED if ves <= given.many]
    found.rows.sort(key=lambda row: [PACKETS, MIDDLE, SLOWEST].index(row.what))
    return found


def _rows(lane: Lane, turns: list[tuple[float, list[float]]]) -> list[Row]:
    """Return what the turns of one node gave: a figure of each turn."""
    figures = {PACKETS: ("k/s", [packets / 1000 for packets, _ in turns]),
               MIDDLE: ("us", [statistics.median(trips) for _, trips in turns]),
               SLOWEST: ("us", [statistics.quantiles(trips, n=100)[98] for _, trips in turns])}
    return [Row("rate", what, beside(lane.ves), lane.datapath, unit, tuple(values), lane.datapath == NOTHING)
            for what, (unit, values) in figures.items()]


def _limit(found: Found, ves: int) -> Limit:
    of, bare = (found.row("rate", PACKETS, beside(ves), who).median for who in (DEFAULT, NOTHING))
    return Limit(f"packets beside {ves:,} VEs by default ({DEFAULT}), x bare node", of / bare, LEAST, least=True)
