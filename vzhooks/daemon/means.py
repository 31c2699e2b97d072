# SPDX-License-Identifier: GPL-2.0-or-later
"""Let hooks do their work by what the daemon holds open: its kernel, its announcer, and never a wait of its own."""

from __future__ import annotations

from dataclasses import replace

from vzhooks.daemon import children
from vzhooks.daemon.announcer import Announcer
from vzhooks.daemon.memory import Memory, near
from vzhooks.errors import DONE, KernelError, LockBusy
from vzhooks.hooks.means import Means
from vzhooks.neighbours import follow
from vzhooks.node.host import Paths
from vzhooks.run import reconcile
from vzhooks.run.request import Report, Request

LOCK_WAIT_S = 0.3
"""How long a hook may keep the daemon waiting for a lock that was free when it began."""


class Later(BaseException):
    """Say that another vzhooks is at work, so that the hook has to come again: no error, for nobody to catch."""


class Resident(Means):
    """Hold what the daemon remembers, and the reports of the hook at work."""

    def __init__(self, memory: Memory, announcer: Announcer) -> None:
        self.memory, self.announcer = memory, announcer
        self.reports: list[Report] = []

    def run(self, paths: Paths, request: Request) -> Report:
        """Carry out a run; raises Later in place of LockBusy, else as `reconcile.run`."""
        try:
            report = reconcile.run(paths, replace(request, wait_s=LOCK_WAIT_S), near(self.memory, paths, request))
        except LockBusy:
            raise Later from None
        except KernelError:
            self.memory.remembered.renew()
            raise
        self.reports.append(report)
        return report

    def moved(self, report: Report) -> None:
        """Announce what a run moved, now and some times more."""
        self.announcer.hear(report)

    def mounted(self, paths: Paths, ctid: str, addresses: frozenset[str]) -> None:
        """Announce a VE's addresses once they are routed; the daemon itself sees that and publishes them."""
        self.announcer.expect(ctid, addresses)

    def changed(self, paths: Paths, ctid: str, added: frozenset[str], expected: frozenset[str]) -> None:
        """Settle a running VE's addresses in a child, once vzctl is done with them."""
        held = follow.locked_in(paths, ctid)

        def work() -> int:
            follow.settle(paths, ctid, added, expected, held)
            return DONE
        children.start(work)
