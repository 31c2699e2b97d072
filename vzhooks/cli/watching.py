# SPDX-License-Identifier: GPL-2.0-or-later
"""Follow a node for `vzhooks status --watch`: its table once, then a line for each change, until Ctrl-C.

It looks at the node itself every second or so, with a daemon and without; on a terminal the last line is how much
the uplinks carry.
"""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Iterable, Sequence

from vzhooks.cli import overview, terminal
from vzhooks.errors import DONE, LockBusy, VzhooksError, printable
from vzhooks.node import interrupt, traffic, uplink_notes
from vzhooks.node.host import Paths
from vzhooks.policy.counts import Counts
from vzhooks.status import changes, rows, table
from vzhooks.status.view import View

TICK_S, SHARE = 1.0, 4
"""How often it looks, and so many times what a look takes is left to others after it: a look holds the lock."""
CTRL_C = 130


def watch(paths: Paths, given: Sequence[str]) -> int:
    """Follow the VEs given, all for none; return 0 after Ctrl-C. Raises as `overview.gather` before the first look."""
    out = sys.stdout
    view = overview.gather(paths, given)
    print(table.render(view, terminal.width(out), terminal.colour(out)), flush=True)
    seen = _Seen(paths, given, view)
    interrupt.hold()
    while True:
        struck = interrupt.wait(max(TICK_S, SHARE * seen.took_s))
        if struck or _is_closed():
            seen.line.clear()
            return struck if struck not in (0, CTRL_C) else DONE
        seen.look()


class _Seen:
    """Hold what the last look saw; each `look` says what is new."""

    def __init__(self, paths: Paths, given: Sequence[str], view: View) -> None:
        self.paths, self.given, self.view, self.line = paths, given, view, _Line()
        self.took_s, self._error, self._at = 0.0, "", time.monotonic()
        self._counts, self._traffic = self._counted(), traffic.bytes_by_device()

    def _counted(self) -> Counts:
        return uplink_notes.load_counts(self.paths.counts)

    def look(self) -> None:
        """Look once more; what cannot be read is said once, and looked at again."""
        start = time.monotonic()
        try:
            view, counts = overview.gather(self.paths, self.given), self._counted()
            self._say([*changes.mended(self._counts, counts), *changes.between(self.view, view)])
            self.view, self._counts, self._error = view, counts, ""
            self._carried()
        except LockBusy:
            pass  # somebody is at work, and what comes of it is seen next time
        except VzhooksError as error:
            self._say([str(error)] if str(error) != self._error else [])
            self._error = str(error)
        self.took_s = time.monotonic() - start

    def _say(self, lines: Iterable[str]) -> None:
        for text in lines:
            self.line.clear()
            print(f"{time.strftime('%H:%M:%S')} {printable(text)}", flush=True)

    def _carried(self) -> None:
        now, found = time.monotonic(), traffic.bytes_by_device()
        devices = {str(r["uplink"]): str(r["device"]) for r in rows.uplinks(self.view) if r["device"]}
        self.line.show(changes.rates(devices, self._traffic, found, now - self._at))
        self._traffic, self._at = found, now


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
