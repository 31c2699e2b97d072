# SPDX-License-Identifier: GPL-2.0-or-later
"""Follow a node for `vzhooks status --watch`: its table once, then a line for each change, until Ctrl-C.

It looks at the node itself, with a daemon and without: soon after the kernel tells of a change, and now and then for
what tells no events. Each second it says what the daemon mended, and on a terminal, in the last line, how much the
uplinks carry.
"""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable, Iterable, Sequence

from vzhooks.cli import overview, terminal
from vzhooks.errors import DONE, LockBusy, VzhooksError, printable
from vzhooks.kernel.monitor import Monitor
from vzhooks.node import interrupt, traffic, uplink_notes
from vzhooks.node.host import Paths
from vzhooks.policy.counts import Counts
from vzhooks.status import changes, rows, table
from vzhooks.status.view import View

TICK_S, LOOK_S = 1.0, 5.0
"""How often it counts, and looks at the node whatever was told."""
SETTLE_S, SHARE = 0.1, 4
"""Changes come several at once; and so many times what a look takes is left to others after it: it holds the lock."""
CTRL_C = 130


def watch(paths: Paths, given: Sequence[str]) -> int:
    """Follow the VEs given, all for none; return 0 after Ctrl-C. Raises as `overview.gather` before the first look."""
    out, monitor = sys.stdout, Monitor()
    view = overview.gather(paths, given)
    print(table.render(view, terminal.width(out), terminal.colour(out)), flush=True)
    seen = _Seen(paths, given, view)
    interrupt.hold()
    while True:
        struck = interrupt.wait(seen.pause_s(), () if seen.is_due else monitor.fds())
        if struck or _is_closed():
            seen.line.clear()
            return struck if struck not in (0, CTRL_C) else DONE
        seen.go_on(monitor)


class _Seen:
    """Hold what was seen last, and when it is time to look again."""

    def __init__(self, paths: Paths, given: Sequence[str], view: View) -> None:
        self.paths, self.given, self.view, self.line = paths, given, view, _Line()
        self.is_due, self._at = False, time.monotonic()
        self._look, self._free = self._at + LOOK_S, self._at
        self._counts, self._traffic = self._counted(), traffic.bytes_by_device()
        self._errors: dict[str, str] = {}

    def _counted(self) -> Counts:
        return uplink_notes.load_counts(self.paths.counts)

    def pause_s(self) -> float:
        """Return in how many seconds there is something to do, whatever is told until then."""
        return max(0.0, min(self._look, self._at + TICK_S) - time.monotonic())

    def go_on(self, monitor: Monitor) -> None:
        """Do what it is time for."""
        self._try(lambda: self._hear(monitor))
        if time.monotonic() >= self._look:
            self._try(self._look_now)
        if time.monotonic() >= self._at + TICK_S:
            self._try(self._count)

    def _try(self, step: Callable[[], None]) -> None:
        """Take a step; why it cannot be taken is said once, and it is taken again."""
        try:
            step()
            self._errors.pop(step.__name__, None)
        except LockBusy:  # somebody is at work, and what comes of it is seen next time
            self._look = time.monotonic() + TICK_S
        except VzhooksError as error:
            self._say([str(error)] if str(error) != self._errors.get(step.__name__) else [])
            self._errors[step.__name__] = str(error)

    def _hear(self, monitor: Monitor) -> None:
        told = list(monitor.read())
        if told and not self.is_due:
            self.is_due, self._look = True, max(time.monotonic() + SETTLE_S, self._free)

    def _look_now(self) -> None:
        start = time.monotonic()
        self.is_due, self._look = False, start + LOOK_S  # also where it fails
        view = overview.gather(self.paths, self.given)
        self._say(changes.between(self.view, view))
        self.view, now = view, time.monotonic()
        self._free = now + SHARE * (now - start)
        self._look = max(now + LOOK_S, self._free)

    def _count(self) -> None:
        """Say what the daemon mended, and show what flowed."""
        began, self._at = self._at, time.monotonic()
        before, self._traffic = self._traffic, traffic.bytes_by_device()
        counts = self._counted()
        self._say(changes.mended(self._counts, counts))
        self._counts = counts
        devices = {str(r["uplink"]): str(r["device"]) for r in rows.uplinks(self.view) if r["device"]}
        self.line.show(changes.rates(devices, before, self._traffic, self._at - began))

    def _say(self, lines: Iterable[str]) -> None:
        for text in lines:
            self.line.clear()
            print(f"{time.strftime('%H:%M:%S')} {printable(text)}", flush=True)


class _Line:
    """Hold the last line of a terminal, which is written over; elsewhere there is none."""

    def __init__(self) -> None:
        self._shown = 0

    def show(self, text: str) -> None:
        """Write it anew, as much of it as there is room for."""
        width = terminal.width(sys.stdout)
        if width is not None:
            text = text[:width - 1]
            print(f"\r{text.ljust(self._shown)}", end="", flush=True)
            self._shown = len(text)

    def clear(self) -> None:
        """Make room for a line that stays."""
        if self._shown:
            print(f"\r{' ' * self._shown}\r", end="", flush=True)
            self._shown = 0


def _is_closed() -> bool:
    """Tell whether nobody reads our output any more: the pipe's other end, or the terminal, is gone."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
