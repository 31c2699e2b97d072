# SPDX-License-Identifier: GPL-2.0-or-later
"""Take signals as something to read, so that none strikes in the midst of a run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from vzhooks.daemon.part import Part


class Signals(Part):
    """Call what each signal stands for, from the loop; several of one kind count as one."""

    def __init__(self, actions: Mapping[int, Callable[[], object]]) -> None:
        self._actions = actions
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number in actions:
            signal.signal(number, lambda *_: None)  # whose coming is written to the pipe
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def fds(self) -> Iterable[int]:
        """Return the pipe's end."""
        return (self._reader,)

    def run(self, ready: frozenset[int]) -> None:
        """Do what the signals ask that came."""
        came: set[int] = set()
        with suppress(BlockingIOError):
            while data := os.read(self._reader, 4096):
                came.update(data)
        for number in [n for n in self._actions if n in came]:
            self._actions[number]()

    def close(self) -> None:
        """Give the signals back."""
        signal.set_wakeup_fd(-1)
        for number in self._actions:
            signal.signal(number, signal.SIG_DFL)
        os.close(self._reader)
        os.close(self._writer)
