# SPDX-License-Identifier: GPL-2.0-or-later
"""Put each event on record as one line: what, which VE, by what, how many changes, how long."""

from __future__ import annotations

import time

from vzhooks import log
from vzhooks.reconcile import Report


class Event:
    """Hold what happens and since when; `done` or `failed` ends it with its one line in the log."""

    def __init__(self, name: str, ctid: str = "") -> None:
        self.name, self.ctid, self.start = name, ctid, time.monotonic()

    @property
    def ms(self) -> int:
        """Return how long it takes so far."""
        return round((time.monotonic() - self.start) * 1000)

    def done(self, report: Report, state: str = "", **more: object) -> None:
        """Log what a run did; state: of the VE, where the run does not say it."""
        way = next((w for w in report.ways if w.ve.ctid == self.ctid), None)
        failed = len(report.failures)
        level = log.WARNING if failed else log.NOTICE if report.ops else log.INFO
        log.event(level, {
            "event": self.name, "ve": self.ctid, "uplink": way.ve.uplink if way else "",
            "device": way.uplink.device if way and way.uplink else "", "state": way.state if way else state,
            "changes": len(report.ops), "failed": failed or "", **more, "ms": self.ms})

    def counted(self, changes: int) -> None:
        """Log changes of files."""
        log.event(log.NOTICE if changes else log.INFO, {"event": self.name, "changes": changes, "ms": self.ms})

    def failed(self, error: str, state: str = "failed", **more: object) -> None:
        """Log that it could not be done, and why."""
        log.event(log.ERROR, {"event": self.name, "ve": self.ctid, **more, "state": state, "error": error,
                              "ms": self.ms})
