# SPDX-License-Identifier: GPL-2.0-or-later
"""Let Ctrl-C and SIGTERM end a command before its first change, or after its last.

The signals are blocked, not caught, from the first change on: so nft(8) inherits that, which a
terminal's Ctrl-C would otherwise end in the midst of its work.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager

HELD = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
STOPS = {signal.SIGTSTP, signal.SIGTTOU}
INTERRUPTED = 130


def end_at_once() -> None:
    """Let Ctrl-C end the process with one line: no exception that could strike anywhere, no traceback."""
    signal.signal(signal.SIGINT, _end)


def _end(*_: object) -> None:
    try:
        os.write(2, b"\nvzhooks: interrupted, nothing was changed\n" if os.isatty(2) else
                 b"vzhooks: interrupted, nothing was changed\n")
    finally:
        os._exit(INTERRUPTED)


@contextmanager
def orderly() -> Iterator[None]:
    """Have `end_at_once` and `hold` work inside, and all as it was before afterwards."""
    mask, former = signal.pthread_sigmask(signal.SIG_BLOCK, ()), signal.getsignal(signal.SIGINT)
    end_at_once()
    try:
        yield
    finally:
        struck()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, former)


def hold() -> None:
    """Keep the signals waiting from here on: what begins now is brought to its end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)


@contextmanager
def unstopped() -> Iterator[None]:
    """Keep a Ctrl-Z waiting inside: who is stopped keeps from others what he holds."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS - before)


def struck() -> int:
    """Take a signal that waits; return the exit status that it stands for, 0 for none."""
    waits = HELD & signal.sigpending()
    info = signal.sigtimedwait(waits, 0) if waits else None
    return 128 + info.si_signo if info else 0


def wait(seconds: float, fds: Collection[int] = ()) -> int:
    """Sleep, once signals are held, until one of them comes or a descriptor can be read.

    Return the exit status that the signal stands for, 0 for none.
    """
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    former = {number: signal.signal(number, lambda *_: None) for number in HELD}
    told = signal.set_wakeup_fd(writer)  # where the number of a signal goes that comes, be it before the poll
    poll = select.poll()
    for fd in (reader, *fds):
        poll.register(fd, select.POLLIN)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
        poll.poll(seconds * 1000)
    finally:
        hold()
        signal.set_wakeup_fd(told)
        for number, handler in former.items():
            signal.signal(number, handler)
        os.close(writer)
    with open(reader, "rb") as pipe:
        struck = pipe.read(1)
    return 128 + struck[0] if struck else 0


def release() -> None:
    """Let the signals through again, in a child that lives on by itself."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
