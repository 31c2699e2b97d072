# SPDX-License-Identifier: GPL-2.0-or-later
"""Open the daemon's socket: what systemd hands over, or one of our own that only root can reach."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from vzhooks.errors import HostError
from vzhooks.node.host import Paths

FIRST = 3
"""The first descriptor that systemd hands over (sd_listen_fds(3))."""
BACKLOG = 4096


def listening(paths: Paths) -> socket.socket:
    """Return the socket, in place of one that a daemon before us left; raises HostError where it cannot be."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1":
        handed = socket.socket(fileno=FIRST)
        handed.setblocking(False)
        os.set_inheritable(FIRST, False)
        return handed
    try:
        os.makedirs(os.path.dirname(paths.socket), mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError):
            os.unlink(paths.socket)
        made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        mask = os.umask(0o177)
        try:
            made.bind(paths.socket)
        finally:
            os.umask(mask)
        made.listen(BACKLOG)
        return made
    except OSError as error:
        raise HostError(f"{paths.socket}: {error.strerror}; mend that and start the daemon again") from None


def is_handed(listener: socket.socket) -> bool:
    """Tell whether a socket is systemd's, which outlives us."""
    return listener.fileno() == FIRST
