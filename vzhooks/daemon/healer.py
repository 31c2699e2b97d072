# SPDX-License-Identifier: GPL-2.0-or-later
"""Mend the node when something on it changed: soon, once for many events, and never in a race with a rival.

Whoever saw a change calls `want`. Each mending that changed something makes the next one wait twice as long, up to a
limit, until the node has been quiet for a while: two managers that undo each other's work stay bounded so, and the
node is right soon after one of them ends.
"""

from __future__ import annotations

import time

from vzhooks.daemon.happenings import HEAL, REFUSED, Board, Happening
from vzhooks.daemon.mending import Mending
from vzhooks.daemon.part import Part
from vzhooks.errors import LockBusy
from vzhooks.kernel.netlink import Kernel
from vzhooks.node import host, log
from vzhooks.node.host import Paths
from vzhooks.run import events
from vzhooks.run.request import Report

DEBOUNCE_S = 0.02
"""Several events come at once: of a link that goes down, of each rule that is flushed."""
LONGEST_GAP_S = 0.5
QUIET_S = 2.0
LOOK_ROUND_S = 60.0
"""How often the whole node is looked at, whatever was heard of it."""
BUSY_S = 0.05


class Healer(Part):
    """Hold what is to be mended, and when."""

    def __init__(self, paths: Paths, board: Board) -> None:
        self.paths, self.board, self.mending = paths, board, Mending(paths)
        self._whys: dict[str, None] = {"start": None}
        self._at = self._mended = time.monotonic()
        self._gap = DEBOUNCE_S
        self._said: frozenset[str] = frozenset()

    @property
    def waiting(self) -> str:
        """Return what waits for `vzhooks resync --force`, "" for nothing."""
        return self.mending.waiting

    def want(self, why: str, at_once: bool = False) -> None:
        """Have the node mended soon; why: in a word or two, for the log; at_once: it is one event that matters."""
        now = time.monotonic()
        soon = max(now if at_once else now + DEBOUNCE_S, self._mended + self._gap if self._is_restless(now) else now)
        self._at = min(self._at, soon) if self._whys else soon
        self._whys[why] = None

    def due(self) -> float:
        """Return when the node is to be mended, or looked at."""
        return self._at - time.monotonic()

    def run(self, ready: frozenset[int]) -> None:
        """Mend, and say what was done."""
        whys, self._whys = ",".join(self._whys) or "look", {}
        self._at = time.monotonic() + LOOK_ROUND_S
        event = events.Event("heal")
        try:
            with Kernel() as kernel:
                report = self.mending.mend(kernel)
        except LockBusy:
            self._again(whys)
            return
        self._done(whys, event, report)

    def _again(self, whys: str) -> None:
        """Try again soon; raises HostError where the lock is away for good."""
        host.require_root()
        self._whys = dict.fromkeys(whys.split(","))
        self._at = time.monotonic() + BUSY_S

    def _done(self, whys: str, event: events.Event, report: Report) -> None:
        self._say({*report.warnings, *self._waiting_line(), *(f.text for f in report.failures)})
        if report.refused:
            self.board.tell(Happening(REFUSED, text=self.waiting, why=whys, report=report))
        if not report.ops or report.refused:
            return
        now = time.monotonic()
        self._gap = min(2 * self._gap, LONGEST_GAP_S) if self._is_restless(now) else DEBOUNCE_S
        self._mended = now
        event.done(report, cause=whys)
        self.board.tell(Happening(HEAL, why=whys, changes=len(report.ops), seconds=event.ms / 1000, report=report))

    def _waiting_line(self) -> list[str]:
        return [f"{self.waiting}; so that waits: mend it, or `vzhooks resync --force`"] if self.waiting else []

    def _is_restless(self, now: float) -> bool:
        return now - self._mended < QUIET_S

    def _say(self, lines: set[str]) -> None:
        """Say each line once, and again only after it was no longer true."""
        for line in sorted(lines - self._said):
            log.say(f"daemon: {line}")
        self._said = frozenset(lines)
