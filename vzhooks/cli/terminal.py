# SPDX-License-Identifier: GPL-2.0-or-later
"""What is different where a person looks: width, colour, a counter, the changes as they are made."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

from vzhooks.kernel.apply import Watch
from vzhooks.node import interrupt, log
from vzhooks.policy.plan import Op
from vzhooks.policy.shown import shell

COUNT_AFTER_S, COUNT_EVERY_S = 1.0, 0.1


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a person reads this; a closed stream is none."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def width(stream: TextIO | None) -> int | None:
    """Return how many columns there are, None where nobody's screen sets a limit."""
    import shutil  # its own imports cost 4 ms, which a resync need not pay
    return shutil.get_terminal_size().columns if is_terminal(stream) else None


def colour(stream: TextIO | None, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether to use colour: on a terminal that has it, unless NO_COLOR (no-color.org) is set."""
    return is_terminal(stream) and not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb"


class Quiet(Watch):
    """Bring to its end what has begun, whatever signal comes."""

    def begin(self, total: int) -> None:
        """Hold the signals."""
        interrupt.hold()


class Verbose(Quiet):
    """Say each change on stderr as it is made, as the command it equals, and what failed."""

    def __init__(self, command: str) -> None:
        self.command = command

    def made(self, op: Op, error: str = "") -> None:
        """Say one change."""
        log.talk(f"vzhooks {self.command}: {shell(op)}{f': FAILED: {error}' if error else ''}")


class Counter(Quiet):
    """Show how far a long run is, in place, on a terminal's stderr."""

    def __init__(self, command: str) -> None:
        self.command, self.total, self.count, self.shown = command, 0, 0, 0
        self.start = self.last = time.monotonic()

    def begin(self, total: int) -> None:
        """Remember how many changes there are."""
        super().begin(total)
        self.total = total

    def made(self, op: Op, error: str = "") -> None:
        """Show the count, where the run takes long and not too often; clear it after the last."""
        self.count += 1
        now = time.monotonic()
        if self.shown and self.count == self.total:
            self._show("")
        elif now - self.start > COUNT_AFTER_S and now - self.last > COUNT_EVERY_S:
            self.last = now
            self._show(f"vzhooks {self.command}: {self.count}/{self.total} changes")

    def _show(self, text: str) -> None:
        # Blanks and not an escape sequence: a dumb terminal clears its line so as well.
        with suppress(OSError):  # a terminal that is gone must not end the run
            print(f"\r{text.ljust(self.shown)}" + ("" if text else "\r"), end="", file=sys.stderr, flush=True)
        self.shown = len(text)
