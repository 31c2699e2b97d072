# SPDX-License-Identifier: GPL-2.0-or-later
"""Talk with one client: who it is, what it asks, and answers that never wait for it to read."""

from __future__ import annotations

import array
import os
import signal
import socket
import struct
import time
from contextlib import suppress

from vzhooks.daemon.protocol import ALONE, MOST, TOOK, Asked, done, request

SIGNALS = {b"SIGINT": signal.SIGINT, b"SIGTERM": signal.SIGTERM, b"SIGHUP": signal.SIGHUP}


class Client:
    """Hold the line to a client, what it asked, and the child that works for it."""

    def __init__(self, line: socket.socket) -> None:
        self.line, self.since = line, time.monotonic()
        self.asked: Asked | None = None
        self.outputs: list[int] = []
        self.child = 0
        self.began = False

    @property
    def age_s(self) -> float:
        """Return for how long it has been here."""
        return time.monotonic() - self.since

    def is_root(self) -> bool:
        """Tell whether root is at the other end (unix(7), SO_PEERCRED)."""
        _, uid, _ = struct.unpack("3i", self.line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return uid == 0

    def read(self) -> bool:
        """Take its request, then signals for its child; tell whether it is still there and makes sense."""
        try:
            data, ancillary, _, _ = self.line.recvmsg(MOST, socket.CMSG_SPACE(2 * 4))
        except BlockingIOError:
            return True
        except OSError:
            return False
        for level, kind, passed in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self.outputs += array.array("i", passed[:len(passed) // 4 * 4])
        if not data:
            return False
        if self.asked:
            self._strike(SIGNALS.get(data))
            return True
        try:
            self.asked = request(data)
        except ValueError:
            return False
        return True

    def _strike(self, number: signal.Signals | None) -> None:
        if number and self.child:
            with suppress(ProcessLookupError):
                os.kill(self.child, number)

    def begin(self) -> bool:
        """Tell it that it was heard; tell whether it still waits for that."""
        self.began = self.began or self._send(TOOK)
        return self.began

    def done(self, status: int, said: bytes = b"") -> None:
        """Tell it how its work ended."""
        self._send(done(status, said))

    def alone(self) -> None:
        """Tell it to do its work by itself."""
        self._send(ALONE)

    def _send(self, data: bytes) -> bool:
        try:
            self.line.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            return True
        except OSError:  # it is gone, or never reads
            return False

    def interrupt(self) -> None:
        """Tell a child that works for it to end as by Ctrl-C."""
        self._strike(signal.SIGINT)

    def close(self) -> None:
        """Let go of it; a child that works for it is told to end."""
        self.interrupt()
        self.line.close()
        self.release()

    def release(self) -> None:
        """Close the descriptors that it passed."""
        for output in self.outputs:
            os.close(output)
        self.outputs = []
