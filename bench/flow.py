# SPDX-License-Identifier: GPL-2.0-or-later
"""A steady flow of numbered packets from one box to another: which of them arrived, and when."""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

from tests.lab import Box
from tests.lab.links import family_of
from tests.lab.tap import enlarge

SO_TIMESTAMPNS = 35
HEAD = struct.Struct("=QQ")  # number, nanoseconds since 1970
UNDERWAY_S = 0.1


def at(extra: list[tuple[int, int, bytes]]) -> float:
    """Return when the kernel got a packet, in seconds since 1970, of a socket that was asked for that."""
    seconds, nanoseconds = struct.unpack("=qq", extra[0][2][:16])
    return seconds + nanoseconds / 1e9


@dataclass
class Flow:
    """Send from `src` in one box to `dst` in another while the body runs.

    Afterwards `sent` counts the packets, and `arrived` holds (number, sent, received), in nanoseconds since 1970.
    """

    source: Box
    target: Box
    src: str
    dst: str
    interval_s: float = 0.0005
    port: int = 5001
    sent: int = 0
    arrived: list[tuple[int, int, int]] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Count the packets that did not arrive."""
        return self.sent - len({number for number, _, _ in self.arrived})

    def __enter__(self) -> Flow:
        self._receiver = self.target.socket(family_of(self.dst), socket.SOCK_DGRAM)
        enlarge(self._receiver)
        self._receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._receiver.bind((self.dst, self.port))
        (end, self._stop), (self._count, tell) = os.pipe(), os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            self._send(end, tell)
        os.close(end)
        os.close(tell)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._stop)
        with os.fdopen(self._count) as said:
            self.sent = int(said.read() or 0)
        os.waitpid(self._pid, 0)
        self._receiver.settimeout(UNDERWAY_S)
        with self._receiver, suppress(TimeoutError):
            while True:
                data, extra, _, _ = self._receiver.recvmsg(64, 64)
                number, sent = HEAD.unpack_from(data)
                self.arrived.append((number, sent, round(at(extra) * 1e9)))

    def _send(self, end: int, tell: int) -> None:
        """Send, in a child, until the other end is closed; a packet that the kernel refuses is one that was lost."""
        number = 0
        try:
            os.close(self._stop)
            self.source.enter()
            with socket.socket(family_of(self.src), socket.SOCK_DGRAM) as line:
                line.bind((self.src, 0))
                due = time.monotonic()
                while not select.select([end], [], [], max(0.0, due - time.monotonic()))[0]:
                    with suppress(OSError):
                        line.sendto(HEAD.pack(number, time.time_ns()), (self.dst, self.port))
                    number, due = number + 1, due + self.interval_s
        finally:
            os.write(tell, str(number).encode())
            os._exit(0)
