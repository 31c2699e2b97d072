# SPDX-License-Identifier: GPL-2.0-or-later
"""Bring the node in line without taking a running VE's way: what would do so waits for an operator.

The ini and the configs are edited while VEs run. What is valid counts at once; where a running VE would be cut
off by it, all else is mended under what counted before.
"""

from __future__ import annotations

from dataclasses import replace

from vzhooks.config.settings import Settings
from vzhooks.daemon.memory import Memory, near
from vzhooks.kernel.remembered import PUBLISHED
from vzhooks.node.host import Paths
from vzhooks.policy.plan import Op
from vzhooks.run import reconcile
from vzhooks.run.request import HOOK, Report, Request

LOCK_WAIT_S = 0.2


class Mending:
    """Hold what counted last, and what must not be tried again."""

    def __init__(self, paths: Paths, memory: Memory) -> None:
        self.paths, self.memory = paths, memory
        self.waiting = ""
        self._settings: Settings | None = None
        self._taken_back: tuple[Op, ...] = ()

    def mend_one(self, ctid: str) -> Report:
        """Run for one VE, by what is near it; raises as `mend`."""
        request = Request(ctids=frozenset({ctid}), door=HOOK, careful=True, settings=self._settings, wait_s=LOCK_WAIT_S)
        return reconcile.run(self.paths, request, near(self.memory, self.paths, request))

    def mend(self) -> Report:
        """Run for the whole node; raises as `reconcile.run`, LockBusy after a short while."""
        self.memory.remembered.forget(PUBLISHED)
        report = self._run()
        if not report.refused:
            self.waiting, self._settings = "", report.ini
            return report
        self.waiting = " ".join(report.refused.split())
        if self._taken_back:
            return report
        return self._as_before(report)

    def _as_before(self, refused: Report) -> Report:
        """Go by the ini that counted last, then also by our notes for those whose configs would cut them off."""
        report = self._run(settings=self._settings) if self._settings else refused
        losers = frozenset(m.ctid for m in report.moves if m.loses)
        return self._run(settings=self._settings, held=losers) if report.refused and losers else report

    def _run(self, settings: Settings | None = None, held: frozenset[str] = frozenset()) -> Report:
        request = Request(door=HOOK, careful=True, settings=settings, held=held, wait_s=LOCK_WAIT_S)
        if self._taken_back:  # a first change that cut somebody off does so again, until something else is wanted
            look = reconcile.run(self.paths, replace(request, dry_run=True), self.memory)
            if look.ops == self._taken_back:
                return replace(look, ops=(), refused=self.waiting)
            self._taken_back = ()
        report = reconcile.run(self.paths, request, self.memory)
        if report.refused and not any(m.loses for m in report.moves):
            self._taken_back = report.ops
        return report
