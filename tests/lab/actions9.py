# SPDX-License-Identifier: GPL-2.0-or-later
"""How libvzctl holds its locks and runs programs: their descriptors, their output, their exit status."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import time
from collections.abc import Iterator, Sequence

from tests.lab import ns
from tests.lab.actions import LOCKED, LOG, Failed
from tests.lab.box import Box
from tests.lab.holder import MAX_FD

PATH = "/usr/local/sbin:/usr/local/bin:/bin:/sbin:/usr/bin:/usr/sbin:."
VZ_DIR = "/var/vz"


@contextlib.contextmanager
def locked(hn: Box, ctid: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock in the private area and the pid file as vzctl does over a whole command."""
    private, pid_file = hn.path(f"/vz/private/{ctid}"), hn.path(f"/vz/lock/{ctid}.lck")
    with contextlib.ExitStack() as stack:
        if private.is_dir():
            stack.enter_context(_flocked(private / ".lck", wait_s))
        pid_file.write_text(f"{os.getpid()}\n", encoding="ascii")
        stack.callback(pid_file.unlink, missing_ok=True)
        yield


@contextlib.contextmanager
def _flocked(path: os.PathLike[str], wait_s: float) -> Iterator[None]:
    handle, deadline = os.open(path, os.O_CREAT | os.O_RDWR, 0o644), time.monotonic() + wait_s
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Failed(LOCKED, "Cannot lock the Container") from None
                time.sleep(0.01)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)  # a child of the tests may have the descriptor as well
    finally:
        os.close(handle)


@contextlib.contextmanager
def config_locked(hn: Box, ctid: str, kind: int) -> Iterator[None]:
    """Hold the lock of a VE's config: shared to read, exclusive to save, and never while scripts run."""
    handle = os.open(hn.path(f"{VZ_DIR}/{ctid}.conf.lck"), os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(handle, kind)
        yield
        fcntl.flock(handle, fcntl.LOCK_UN)
    finally:
        os.close(handle)


def run(hn: Box, argv: Sequence[str], environment: Sequence[str], said: int, timeout: float = 100) -> int:
    """Run a program of the HN and copy its output to `said`, until nobody holds it any more; return its status."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(hn, argv, environment, reader, writer)
    os.close(writer)
    try:
        _copy(hn, reader, said, timeout)
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        os.close(reader)
        status = os.waitpid(pid, 0)[1]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _copy(hn: Box, reader: int, said: int, timeout: float) -> None:
    """Copy to vzctl's own output and to its log; a child left behind that holds the pipe keeps vzctl waiting."""
    deadline = time.monotonic() + timeout
    with hn.path(LOG).open("ab") as log:
        while select.select([reader], [], [], max(0.0, deadline - time.monotonic()))[0]:
            data = os.read(reader, 65536)
            if not data:
                return
            os.write(said, data)
            log.write(data)
    raise TimeoutError(f"somebody holds the output of a script for over {timeout} s")


def _become(hn: Box, argv: Sequence[str], environment: Sequence[str], reader: int, writer: int) -> None:
    """Turn this forked child into the program, with the descriptors that libvzctl leaves to it and no others."""
    try:
        hn.enter()
        os.chdir("/")
        os.umask(0o022)
        log = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        null = os.open("/dev/null", os.O_WRONLY)
        wanted = {0: null, 1: writer, 2: writer, 3: log, 5: log, 6: reader, 7: writer}
        high = {number: fcntl.fcntl(old, fcntl.F_DUPFD, 10) for number, old in wanted.items()}
        os.closerange(0, 10)
        for number, old in high.items():
            os.dup2(old, number)
        os.closerange(10, MAX_FD)
        ns.execve(argv[0], argv, environment)
    except BaseException as error:  # noqa: BLE001 - nothing may escape into a second copy of the test run
        os.write(2, f"Failed to exec {argv[0]}: {getattr(error, 'strerror', None) or error}\n".encode())
    finally:
        os._exit(1)
