# SPDX-License-Identifier: GPL-2.0-or-later
"""Let a child do what takes long or prints: a copy of the daemon, everything imported, that shares nothing it uses."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from vzhooks.daemon.protocol import done
from vzhooks.kernel import lean
from vzhooks.node import interrupt, log
from vzhooks.node.descriptors import close_all

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
FAILED = 1


def start(work: Callable[[], int], outputs: Sequence[int] = (), environ: Mapping[str, str] | None = None,
          line: socket.socket | None = None) -> int:
    """Start work in a child with these descriptors as its stdout and stderr; return its process id.

    line: to the client, who is told the exit status even where the daemon dies meanwhile. Raises OSError where no
    process is to be had.
    """
    # A signal meant for a child that is just born waits: caught as the daemon's own it would end the daemon.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, CAUGHT)
    try:
        child = os.fork()
        if not child:
            _work(work, outputs, environ, line)
        return child
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _work(work: Callable[[], int], outputs: Sequence[int], environ: Mapping[str, str] | None,
          line: socket.socket | None) -> NoReturn:
    status = FAILED
    try:
        _settle(outputs, line)
        if environ is not None:
            os.environ.clear()
            os.environ.update(environ)
        status = work()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(bool(end.code))
    except Exception as error:  # noqa: BLE001 - a child's door: whatever it is, one line says it
        log.say(f"daemon: {lean.explained(error)}", log.ERROR)
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, CAUGHT)  # who is told that it is done may strike no more
        with suppress(Exception):
            sys.stdout.flush()
        if line:
            with suppress(OSError):
                line.send(done(status), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        os._exit(status)  # nothing of the daemon's may be closed in order


def _settle(outputs: Sequence[int], line: socket.socket | None) -> None:
    """Leave the daemon's session, signals and descriptors behind; a Ctrl-C is as for any command."""
    signal.set_wakeup_fd(-1)
    for caught in CAUGHT:
        signal.signal(caught, signal.SIG_DFL)
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for number, source in enumerate((null, *(outputs or (null, null)))):
        os.dup2(source, number)
    close_all({0, 1, 2, *([line.fileno()] if line else ())})
    sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False, buffering=1)  # noqa: SIM115
    interrupt.end_at_once()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, CAUGHT)
