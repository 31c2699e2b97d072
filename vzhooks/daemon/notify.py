# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell systemd how the daemon is: sd_notify(3) as the datagram that it is, and the watchdog's sign of life."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

from vzhooks.daemon.part import Part


def notify(text: str) -> None:
    """Send lines such as READY=1 where systemd asks for them; nothing elsewhere."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if place[:1] in ("/", "@"):
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.settimeout(1.0)
            line.sendto(text.encode(), f"\0{place[1:]}" if place[0] == "@" else place)


class Watchdog(Part):
    """Show that the loop turns: twice within the time that systemd gives (sd_watchdog_enabled(3))."""

    def __init__(self) -> None:
        text, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
        ours = text.isdigit() and pid in ("", str(os.getpid()))
        self._every_s = int(text) / 2e6 if ours else 0.0
        self._last = time.monotonic()

    def due(self) -> float | None:
        """Return when the next sign is due, None where nobody asks for it."""
        return self._last + self._every_s - time.monotonic() if self._every_s else None

    def run(self, ready: frozenset[int]) -> None:
        """Give a sign of life."""
        self._last = time.monotonic()
        notify("WATCHDOG=1")
