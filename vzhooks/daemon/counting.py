# SPDX-License-Identifier: GPL-2.0-or-later
"""Count what was mended and how long hooks took, and leave it where `vzhooks status --prometheus` finds it."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace

from vzhooks import __version__
from vzhooks.daemon.happenings import HEAL, HOOK, READ, REFUSED, Board, Happening
from vzhooks.daemon.part import Part
from vzhooks.errors import HostError
from vzhooks.kernel import nft
from vzhooks.node import host, traffic, uplink_notes
from vzhooks.node.host import Paths
from vzhooks.policy.counts import Counts
from vzhooks.run.request import Report
from vzhooks.status import metrics
from vzhooks.status.metrics import Family
from vzhooks.status.view import View

NOTE_S = 1.0
"""How long a count may wait to be written down: hooks come by the hundred."""


class Counting(Part):
    """Hold the counts since boot, and what the last look at the whole node found."""

    def __init__(self, paths: Paths, board: Board) -> None:
        self.paths, self.counts = paths, Counts()
        self._latest: Report | None = None
        self._at: float | None = None
        with suppress(HostError):  # counts that cannot be read begin anew
            self.counts = uplink_notes.load_counts(paths.counts)
        board.listen(self._hear)

    def _hear(self, happening: Happening) -> None:
        report, before = happening.report, self.counts
        if happening.kind in (READ, REFUSED) and report:
            done = happening.kind == READ and not report.failures
            self._latest = replace(report, ops=()) if done else report
        # What follows from another one standing in is no mending of what somebody broke.
        if happening.kind == HEAL and report and not report.changed:
            self.counts = before.healed(report.ops)
        if happening.kind == HOOK:
            self.counts = before.hooked(happening.seconds)
        if self.counts != before and self._at is None:
            self._at = time.monotonic() + NOTE_S

    def measure(self) -> list[Family]:
        """Return all numbers there are; raises KernelError or HostError where a counter cannot be read."""
        report = replace(self._latest or Report(), standing=uplink_notes.load_standing(self.paths.standing))
        view = View(report, report.settings)
        return list(metrics.families(metrics.Measured(view, __version__, self.counts, nft.dropped(),
                                                      traffic.bytes_by_device())))

    def due(self) -> float | None:
        """Return when the counts are to be written down."""
        return None if self._at is None else self._at - time.monotonic()

    def run(self, ready: frozenset[int]) -> None:
        """Write them down; raises HostError where that cannot be."""
        if host.is_installed(self.paths):
            uplink_notes.save_counts(self.paths.counts, self.counts)
        self._at = None

    def close(self) -> None:
        """Write down what is not yet."""
        if self._at is not None:
            with suppress(HostError):
                self.run(frozenset())
