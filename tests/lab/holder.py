# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that holds a box's namespaces open, and how functions are run in it."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import time
from collections.abc import Sequence
from typing import Any, Callable

from tests.lab import ns

MAX_FD = 4096


def fork_holder(flags: int, prepare: Callable[[], None]) -> tuple[int, int]:
    """Fork the process that holds the namespaces; it ends when nobody has the returned descriptor any more.

    A pipe rather than PR_SET_PDEATHSIG, which would fire when the *thread* that made the box ends.
    """
    ready, tell = os.pipe()
    watch, keep = os.pipe()
    pid = os.fork()
    if pid == 0:
        _hold(flags, prepare, tell, watch)
    os.close(tell)
    os.close(watch)
    with os.fdopen(ready, "rb") as pipe:
        failed, result = pickle.loads(pipe.read() or pickle.dumps((True, ChildProcessError("holder died"))))
    if failed:
        os.close(keep)
        os.waitpid(pid, 0)
        raise result
    return pid, keep


def _hold(flags: int, prepare: Callable[[], None], tell: int, watch: int) -> None:
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        close_all_but(tell, watch)

        def work() -> None:
            ns.unshare(flags)
            prepare()
            os.chdir("/")

        _send(tell, work, ())
        os.close(tell)
        os.read(watch, 1)
    finally:
        os._exit(0)


def close_all_but(*kept: int) -> None:
    """Close every descriptor but these."""
    low = 0
    for descriptor in sorted(kept):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, MAX_FD)


def _send(writer: int, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    try:
        answer = pickle.dumps((False, function(*arguments)))
    except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the other side
        try:
            answer = pickle.dumps((True, error))
            pickle.loads(answer)
        except Exception:  # noqa: BLE001 - it cannot travel, its text can
            answer = pickle.dumps((True, RuntimeError(f"{type(error).__name__}: {error}")))
    view = memoryview(answer)
    while view:
        view = view[os.write(writer, view) :]


def reply(writer: int, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    """Run a function, send what it returns or raises, and end."""
    try:
        _send(writer, function, arguments)
    finally:
        os._exit(0)


def is_in(pid: int, namespace: os.stat_result) -> bool:
    """Tell whether a process is in a network namespace."""
    try:
        there = os.stat(f"/proc/{pid}/ns/net")
    except OSError:  # gone meanwhile, or a zombie
        return False
    return (there.st_dev, there.st_ino) == (namespace.st_dev, namespace.st_ino)


def kill(pids: Sequence[int]) -> None:
    """Kill processes; one that is gone already counts as done."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def await_empty(name: str, processes: Callable[[], list[int]]) -> None:
    """Wait until orphans (children of children) are gone too, killing what was forked meanwhile."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        left = processes()
        if not left:
            return
        kill(left)
        time.sleep(0.001)
    raise TimeoutError(f"{name}: processes {processes()} do not end")
