# SPDX-License-Identifier: GPL-2.0-or-later
"""Mend the node when something on it changed: soon, once for many events, and never in a race with a rival.

Whoever saw a change calls `want`. Each mending that changed something makes the next one wait twice as long, up to a
limit, until the node has been quiet for a while: two managers that undo each other's work stay bounded so, and the
node is right soon after one of them ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from vzhooks.daemon.happenings import HEAL, LOOK, READ, REFUSED, Board, Happening
from vzhooks.daemon.memory import Memory
from vzhooks.daemon.mending import Mending
from vzhooks.daemon.part import Part
from vzhooks.daemon.rivals import Rivals
from vzhooks.errors import LockBusy, VzhooksError
from vzhooks.node import holder, host, log
from vzhooks.node.host import Paths
from vzhooks.run import events
from vzhooks.run.request import Report

DEBOUNCE_S = 0.02
"""Several events come at once: of a link that goes down, of each rule that is flushed."""
LONGEST_GAP_S, QUIET_S = 0.5, 2.0
SHARE = 3
"""So many times what a mending took is left to others before the next one, whatever happens meanwhile."""
LOOK_ROUND_S, ROUND_SHARE = 60.0, 50
"""How often the whole node is read and looked at, whatever was heard of it; less often where that takes long."""
BEHIND_S, BEHIND_SHARE = 0.3, 20
"""How long after a hook, which looks at its VE alone, the whole node is looked at: by what that takes."""
BUSY_S, FAILED_S = 0.05, 5.0
"""When to try again while another vzhooks is at work, and after an error."""
LONG_S = 30.0
"""For how long another one may be at work before that is said."""


class Healer(Part):
    """Hold what is to be mended, and when."""

    def __init__(self, paths: Paths, memory: Memory, board: Board, rivals: Rivals) -> None:
        self.paths, self.kernel, self.board, self.rivals = paths, memory.remembered, board, rivals
        self.memory, self.mending = memory, Mending(paths, memory)
        self._whys: dict[str, None] = {"start": None}
        self._at, self._mended, self._free, self._looked = 0.0, -QUIET_S, 0.0, time.monotonic()
        self._read = self._looked
        self._gap, self._took = DEBOUNCE_S, 0.0
        self._near: dict[str, None] = {}
        self._said: frozenset[str] = frozenset()
        self._gone: Callable[[], object] = lambda: None
        self._is_asked: Callable[[], bool] = lambda: False
        self._asked_s, self._busy = 0.0, 0.0  # since when hooks wait, and another vzhooks is at work

    @property
    def waiting(self) -> str:
        """Return what waits for `vzhooks resync --force`, "" for nothing."""
        return self.mending.waiting

    def when_uninstalled(self, gone: Callable[[], object]) -> None:
        """Have this called once vzhooks is no longer installed: what was taken away must not come back."""
        self._gone = gone

    def give_way(self, is_asked: Callable[[], bool]) -> None:
        """Let hooks that wait have their turn first, within bounds."""
        self._is_asked = is_asked

    def want(self, why: str, at_once: bool = False) -> None:
        """Have the node mended soon; why: in a word or two, for the log; at_once: one event that matters."""
        now = time.monotonic()
        soon = max(now + (0 if at_once else DEBOUNCE_S), self._free)
        self._at = min(self._at, soon) if self._whys else soon
        self._whys[why] = None

    def want_one(self, ctid: str) -> None:
        """Have one VE looked at, whose route came or went, as soon as `want` would the node."""
        now = time.monotonic()
        if not self._whys and not self._near:
            self._at = now + DEBOUNCE_S
        self._near[ctid] = None

    def look_behind(self) -> None:
        """Have the whole node looked at some time after a hook."""
        soon = max(BEHIND_S, BEHIND_SHARE * self._took)
        self._looked = min(self._looked, time.monotonic() - self._round_s + soon)

    def due(self) -> float:
        """Return when the node is to be mended, or looked at."""
        return (self._at if self._whys or self._near else self._looked + self._round_s) - time.monotonic()

    def run(self, ready: frozenset[int]) -> None:
        """Mend, and say what was done."""
        if self._gives_way():
            return
        one = next(iter(self._near), "") if not self._whys and not self.waiting else ""
        if one:
            del self._near[one]
        whys, self._whys = self._whys or {"route" if one else "look": None}, {}
        event = events.Event("heal", one)
        try:
            if not host.is_installed(self.paths):
                self._gone()
                return
            report = self.mending.mend_one(one) if one else self._all()
            self._done(",".join(whys), event, report)
            if report.unnoted:
                self._again(whys, FAILED_S)
        except LockBusy:
            self._wait()
            self._again(whys, BUSY_S)
        except VzhooksError as error:
            self.kernel.renew()
            self._say({str(error)})
            self._again(whys, FAILED_S)

    @property
    def _round_s(self) -> float:
        return max(LOOK_ROUND_S, ROUND_SHARE * self._took)

    def _gives_way(self) -> bool:
        now = time.monotonic()
        if not self._is_asked():
            self._asked_s = 0.0
            return False
        self._asked_s = self._asked_s or now
        if now - self._asked_s > LONGEST_GAP_S:
            self._asked_s = 0.0
            return False
        if self._whys or self._near:
            self._at = now + DEBOUNCE_S
        else:
            self._looked += DEBOUNCE_S
        return True

    def _all(self) -> Report:
        start = time.monotonic()
        if start - self._read > self._round_s:
            self._read = start
            self.kernel.forget()
        self._near.clear()
        self._looked = start  # before the look: what is heard meanwhile may ask for another one
        report = self.mending.mend()
        self._took = time.monotonic() - start
        return report

    def _wait(self) -> None:
        """Say who keeps the node from being mended, once he does so for long, or is stopped."""
        now, found = time.monotonic(), holder.of(self.paths.lock)
        self._busy = self._busy or now
        long_s = holder.STOPPED_S if found and found.is_stopped else LONG_S
        if now - self._busy > long_s:
            self._say({f"{self.paths.lock}: {holder.blame(found, long_s, 'the node is mended after that')}"})

    def _again(self, whys: dict[str, None], seconds: float) -> None:
        self._whys, self._at = {**whys, **self._whys}, time.monotonic() + seconds

    def _done(self, whys: str, event: events.Event, report: Report) -> None:
        missing = [report.unnoted] if report.unnoted else []
        self._say({*report.warnings, *self._waiting_line(), *missing, *(f.text for f in report.failures)})
        self._busy = 0.0
        changed = bool(report.ops or report.changed) and not report.refused
        self._pause(changed, event.ms / 1000)
        if changed:
            event.done(report, cause=whys, by=self.rivals.told())
        kinds = [REFUSED] if report.refused else [LOOK if event.ctid else READ, *([HEAL] if changed else [])]
        for kind in kinds:
            changes = len(report.ops) if kind == HEAL else 0
            self.board.tell(Happening(kind, event.ctid, report.refused, whys, changes, event.ms / 1000, report))

    def _pause(self, changed: bool, took_s: float) -> None:
        """Decide how soon the next mending may be."""
        now = time.monotonic()
        if changed:
            self._gap = min(2 * self._gap, LONGEST_GAP_S) if now - self._mended < QUIET_S else DEBOUNCE_S
            self._mended = now
        self._free = now + max(self._gap if now - self._mended < QUIET_S else 0.0, SHARE * took_s)

    def _waiting_line(self) -> list[str]:
        return [f"{self.waiting}; so that waits: mend it, or `vzhooks resync --force`"] if self.waiting else []

    def _say(self, lines: set[str]) -> None:
        """Say each line once, and again only after it was no longer true."""
        for line in sorted(lines - self._said):
            log.say(f"daemon: {line}")
        self._said = frozenset(lines)
