# SPDX-License-Identifier: GPL-2.0-or-later
"""Run another program in our place, as if the caller had run it: streams, signals, how it ended.

A signal from the terminal reaches the whole foreground group, so the program has it already; one that
somebody sent to us alone is handed on.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from vzhooks.errors import HostError

HANDED_ON = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2})
IGNORED_BY_PYTHON = frozenset({signal.SIGPIPE, signal.SIGXFSZ})


@contextmanager
def held_back() -> Iterator[frozenset[int]]:
    """Let no signal interrupt us between the first change and the last; those sent meanwhile come after.

    Yields the signal mask that our caller gave us.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored by our caller, it would hide how the program ended
    before = frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, HANDED_ON | {signal.SIGCHLD}))
    try:
        yield before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def is_called_off() -> bool:
    """Tell whether somebody wants us to end."""
    return any(signal.getsignal(n) != signal.SIG_IGN for n in signal.sigpending() & HANDED_ON)


def run(path: str, argv: list[str], mask: frozenset[int]) -> int:
    """Run a program under this signal mask to its end, signals being held back; return its wait status.

    Raises HostError where it cannot be started.
    """
    try:
        child = os.posix_spawn(path, argv, _environment(), setsigmask=mask, setsigdef=IGNORED_BY_PYTHON)
    except OSError as error:
        raise HostError(f"{path}: cannot be run ({error.strerror}), so nothing was changed") from None
    while True:
        info = signal.sigwaitinfo(HANDED_ON | {signal.SIGCHLD})
        if info.si_signo != signal.SIGCHLD:
            # sigaction(2): SI_USER and the like are 0 and below; SI_KERNEL is the terminal's.
            if info.si_code <= 0:
                os.kill(child, info.si_signo)
            continue
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status


def _environment() -> dict[bytes, bytes]:
    """Return what we were started with; Python itself adds LC_CTYPE in the C locale (PEP 538)."""
    with open("/proc/self/environ", "rb") as file:
        return dict(word.split(b"=", 1) for word in file.read().split(b"\0") if b"=" in word)  # type: ignore[misc]


def how(status: int) -> str:
    """Return in words how a program ended."""
    if os.WIFSIGNALED(status):
        return f"was ended by {signal.strsignal(os.WTERMSIG(status))!r}"
    return f"ended with {os.WEXITSTATUS(status)}"


def end_alike(status: int) -> int:
    """Return the program's exit status; where a signal ended it, end by the same, without a core of our own."""
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status)
    number = os.WTERMSIG(status)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number


def become(path: str, argv: list[str]) -> NoReturn:
    """Turn into another program; raises HostError where that cannot be."""
    for number in IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(path, argv, _environment())
    except OSError as error:
        raise HostError(f"{path}: cannot be run ({error.strerror}), so nothing was changed") from None
