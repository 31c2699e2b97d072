# SPDX-License-Identifier: GPL-2.0-or-later
"""Put each event on record as one line: what, which VE, by what, how many changes, how long."""

from __future__ import annotations

import time

from vzhooks.model import Sysctl
from vzhooks.node import log
from vzhooks.policy.harden import VALUES
from vzhooks.policy.plan import DELETE
from vzhooks.policy.uplinks import Way
from vzhooks.run.reconcile import Report

CONF = "net/ipv4/conf/"


def cut_off(report: Report, ctid: str) -> str:
    """Return the line that says that a VE starts without a way out, and why; "" for one that has one."""
    way = _way(report, ctid)
    if way is None or way.state != "blocked":
        return ""
    why = way.why or "nothing says why"
    return f"VE {ctid} starts cut off: {why}; mend that, then `vzhooks resync {ctid}`"


def hardened(report: Report) -> str:
    """Put on record that a run hardens NICs, as one event; return the line that says so, "" where it does not."""
    keys = [op.item.key for op in report.ops if isinstance(op.item, Sysctl) and op.verb != DELETE
            and op.item.value == str(VALUES.get(op.item.key.rpartition("/")[2], ""))]
    nics = sorted({key[len(CONF):].rpartition("/")[0] for key in keys if key.startswith(CONF)} - {"default"})
    if not nics or report.refused:
        return ""
    log.event(log.NOTICE, {"event": "hardened", "nics": ",".join(nics), "changes": len(keys)})
    return (f"ARP of {', '.join(nics)} is hardened: each NIC answers for its own addresses alone; "
            "`vzhooks harden --undo` gives back the values found")


def _way(report: Report, ctid: str) -> Way | None:
    return next((w for w in report.ways if w.ve.ctid == ctid), None)


class Event:
    """Hold what happens and since when; `done` or `failed` ends it with its one line in the log."""

    def __init__(self, name: str, ctid: str = "") -> None:
        self.name, self.ctid, self.start = name, ctid, time.monotonic()

    @property
    def ms(self) -> int:
        """Return how long it takes so far."""
        return round((time.monotonic() - self.start) * 1000)

    def done(self, report: Report, state: str = "", **more: object) -> None:
        """Log what a run did, as a warning where the VE is cut off; state: of the VE, where the run does not say it."""
        way = _way(report, self.ctid)
        failed, blocked = len(report.failures), bool(way and way.state == "blocked")
        level = log.WARNING if failed or blocked else log.NOTICE if report.ops else log.INFO
        log.event(level, {
            "event": self.name, "ve": self.ctid, "uplink": way.ve.uplink if way else "",
            "device": way.uplink.device if way and way.uplink else "", "state": way.state if way else state,
            "why": way.why if way and blocked else "",
            "changes": len(report.ops), "failed": failed or "", **more, "ms": self.ms})

    def counted(self, changes: int) -> None:
        """Log changes of files."""
        log.event(log.NOTICE if changes else log.INFO, {"event": self.name, "changes": changes, "ms": self.ms})

    def failed(self, error: str, state: str = "failed", **more: object) -> None:
        """Log that it could not be done, and why."""
        log.event(log.ERROR, {"event": self.name, "ve": self.ctid, **more, "state": state, "error": error,
                              "ms": self.ms})
