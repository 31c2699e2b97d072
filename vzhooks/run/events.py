# SPDX-License-Identifier: GPL-2.0-or-later
"""Put each event on record as one line: what, which VE, by what, how many changes, how long."""

from __future__ import annotations

import time
from collections.abc import Sequence

from vzhooks.model import Sysctl
from vzhooks.node import log
from vzhooks.policy.consequences import MAIN
from vzhooks.policy.harden import VALUES
from vzhooks.policy.plan import DELETE
from vzhooks.policy.uplinks import Way, said
from vzhooks.run.request import Report
from vzhooks.words import joined

CONF = "net/ipv4/conf/"


def cut_off(report: Report, ctid: str) -> str:
    """Return the line that says that a VE starts without a way out, and why; "" for one that has one."""
    ways = report.by_ve.get(ctid, ())
    blocked = [said(w, ways) or "nothing says why" for w in ways if w.state == "blocked"]
    if not blocked:
        return ""
    part = " in part" if len(blocked) < len(ways) else ""
    return f"VE {ctid} starts cut off{part}: {joined(blocked)}; mend that, then `vzhooks resync {ctid}`"


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


def _of_ways(ways: Sequence[Way], otherwise: str) -> dict[str, str]:
    """Return what to put on record of a VE's ways: of several all, in one order; otherwise: the state without any."""
    states = [w.state for w in ways] or [otherwise]
    parts = [f"{' '.join(w.ve.addresses)} by {w.uplink.device if w.uplink else MAIN}" for w in ways]
    return {
        "uplink": ",".join(w.name for w in ways if w.name),
        "device": ",".join(w.uplink.device for w in ways if w.uplink),
        "state": ",".join(states if len(set(states)) > 1 else states[:1]),
        "why": joined(said(w, ways) for w in ways if w.state == "blocked"),
        "ways": ", ".join(parts) if len(ways) > 1 else "",
    }


def switched(report: Report) -> None:
    """Put on record each uplink that another one stands in for now, or that is down without one, or works again."""
    for change in report.changed:
        stands = report.settings.uplinks.get(change.after)
        log.event(log.NOTICE if change.after == change.uplink else log.WARNING, {
            "event": "switch" if change.counts else "uplink", "uplink": change.uplink, "from": change.before or "none",
            "to": change.after or "none", "device": stands.device if stands else "", "why": change.why,
            "ves": len({w.ve.ctid for w in report.ways if w.name == change.uplink})})


class Event:
    """Hold what happens and since when; `done` or `failed` ends it with its one line in the log."""

    def __init__(self, name: str, ctid: str = "") -> None:
        self.name, self.ctid, self.start = name, ctid, time.monotonic()

    @property
    def ms(self) -> int:
        """Return how long it takes so far."""
        return round((time.monotonic() - self.start) * 1000)

    def done(self, report: Report, state: str = "", **more: object) -> None:
        """Log what a run did; state: of the VE, where the run does not say it.

        It is a warning where the VE is cut off, something failed or could not be noted down.

        Who stands in for whom by it is a line of its own.
        """
        switched(report)
        ways = report.by_ve.get(self.ctid, ())
        failed, blocked = len(report.failures), any(w.state == "blocked" for w in ways)
        level = log.WARNING if failed or blocked or report.unnoted else log.NOTICE if report.ops else log.INFO
        log.event(level, {
            "event": self.name, "ve": self.ctid, **_of_ways(ways, state),
            "changes": len(report.ops), "failed": failed or "", **more, "error": report.unnoted,
            "ms": self.ms})

    def counted(self, changes: int) -> None:
        """Log changes of files."""
        log.event(log.NOTICE if changes else log.INFO, {"event": self.name, "changes": changes, "ms": self.ms})

    def failed(self, error: str, state: str = "failed", **more: object) -> None:
        """Log that it could not be done, and why."""
        log.event(log.ERROR, {"event": self.name, "ve": self.ctid, **more, "state": state, "error": error,
                              "ms": self.ms})
