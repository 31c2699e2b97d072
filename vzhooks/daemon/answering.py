# SPDX-License-Identifier: GPL-2.0-or-later
"""Carry out what a client asks: a hook here and now, a command in a child."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from vzhooks.daemon import children
from vzhooks.daemon.announcer import Announcer
from vzhooks.daemon.happenings import HOOK, Happening
from vzhooks.daemon.healer import Healer
from vzhooks.daemon.means import Resident
from vzhooks.daemon.memory import Memory
from vzhooks.daemon.protocol import SAID_MOST, Asked
from vzhooks.hooks import hook, live
from vzhooks.run import events

ENDS = ("umount", "postumount")
EVENTS = ("mount", *ENDS, "address")
COMMAND = "command"
Command = Callable[[Sequence[str]], int]


class Answering:
    """Hold what hooks and commands work with."""

    def __init__(self, memory: Memory, announcer: Announcer, healer: Healer, command: Command) -> None:
        self.memory, self.announcer, self.healer, self.command = memory, announcer, healer, command
        self.since = time.monotonic()

    def hook(self, asked: Asked) -> tuple[int, bytes]:
        """Do a hook's work; return its exit status and what it has to say. Raises Later while the lock is not free."""
        event, ctid = events.Event(asked.verb), asked.environ.get("VEID", "")
        means = Resident(self.memory, self.announcer)
        if asked.verb in ENDS:
            self.announcer.forget(ctid)
        with _told() as said:
            status = (live.serve(asked.environ, means) if asked.verb == "address" else
                      hook.serve(asked.verb, asked.environ, means))
        changes = sum(len(report.ops) for report in means.reports)
        self.healer.look_behind()
        self.healer.board.tell(Happening(HOOK, ctid, why=asked.verb, changes=changes, seconds=event.ms / 1000,
                                  report=means.reports[0] if means.reports else None))
        return status, said()

    def hello(self) -> str:
        """Return what there is to know of the daemon, as JSON."""
        return json.dumps({"pid": os.getpid(), "since_s": round(time.monotonic() - self.since),
                           "waiting": self.healer.waiting})

    def start(self, asked: Asked, outputs: Sequence[int], line: socket.socket) -> int:
        """Start a command in a child that prints to these descriptors; return its process id."""
        return children.start(lambda: self.command(asked.words), outputs, asked.environ, line)


@contextmanager
def _told() -> Iterator[Callable[[], bytes]]:
    """Let descriptor 2 lead into memory meanwhile; what is yielded returns what came, also after that."""
    memory, stderr = os.memfd_create("said"), os.dup(2)
    found = b""

    def said() -> bytes:
        return found
    try:
        os.dup2(memory, 2)
        yield said
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        found = os.pread(memory, SAID_MOST, 0)
        os.close(memory)
