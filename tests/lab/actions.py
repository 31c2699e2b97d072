# SPDX-License-Identifier: GPL-2.0-or-later
"""What every stand-in for vzctl does alike: lock, mount, and run host-side action scripts."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Callable

from tests.lab import ns
from tests.lab.box import Box
from tests.lab.holder import MAX_FD

ACTION_SCRIPT_FAILED = 79
LOCKED = 9
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LOG = "/var/log/vzctl.log"
CONF_DIR = "/etc/vz/conf"


@dataclass(frozen=True)
class Result:
    """How a vzctl command ended; stdout and stderr hold what the scripts wrote as well."""

    rc: int
    stdout: str = ""
    stderr: str = ""


class Failed(Exception):
    """End a command with this exit status."""

    def __init__(self, rc: int, message: str = "") -> None:
        super().__init__(message)
        self.rc = rc


@dataclass
class Streams:
    """Where vzctl's own stdout and stderr go; scripts inherit them."""

    out: int
    err: int

    def say(self, line: str) -> None:
        """Write a line of vzctl's own to stderr."""
        os.write(self.err, (line + "\n").encode())


def command(function: Callable[[Streams], None], stdout: int | None = None) -> Result:
    """Run the body of a vzctl command with streams into memory (so that no child can block it) or into `stdout`."""
    out, err = os.memfd_create("stdout"), os.memfd_create("stderr")
    streams = Streams(out if stdout is None else stdout, err)
    status = 0
    try:
        function(streams)
    except Failed as failure:
        status = failure.rc
        if str(failure):
            streams.say(str(failure))
    with os.fdopen(out, "rb") as said, os.fdopen(err, "rb") as complained:
        texts = []
        for stream in (said, complained):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    return Result(status, *texts)


@contextlib.contextmanager
def locked(hn: Box, ctid: str) -> Iterator[None]:
    """Hold the VE's lock file as vzctl does: it never waits."""
    path = hn.path(f"/vz/lock/{ctid}.lck")
    try:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        raise Failed(LOCKED, "Container already locked") from None
    os.write(file, f"{os.getpid()}\n".encode())
    os.close(file)
    try:
        yield
    finally:
        path.unlink()


def is_mounted(hn: Box, ctid: str) -> bool:
    """Tell whether something is mounted on the VE's root."""
    with open(f"/proc/{hn.pid}/mounts", encoding="utf-8") as mounts:
        return any(line.split()[1] == f"/vz/root/{ctid}" for line in mounts)


def mount_fs(hn: Box, ctid: str) -> None:
    """Mount the VE's file system."""
    hn.call(ns.mount, f"/vz/private/{ctid}", f"/vz/root/{ctid}", "tmpfs")


def umount_fs(hn: Box, ctid: str) -> None:
    """Unmount the VE's file system, busy or not."""
    hn.call(ns.umount, f"/vz/root/{ctid}", ns.MNT_DETACH)


def run_script(
    hn: Box, path: str, environment: Sequence[str], streams: Streams, timeout: float = 60, abandon: bool = False
) -> None:
    """Run an action script if it exists; Failed when it cannot be run or returns anything but 0.

    abandon: after the timeout leave it running, as a vzctl does that was told to end.
    """
    if not (hn.exists(path) and hn.call(_exists, path)):
        return
    pid = os.fork()
    if pid == 0:
        _become_script(hn, path, environment, streams)
    if abandon and not _ends(pid, timeout):
        raise Failed(ACTION_SCRIPT_FAILED, "Cancelling...")
    status = _wait(pid, timeout)
    if os.WIFSIGNALED(status):
        streams.say(f"Got signal {os.WTERMSIG(status)}")
    if status != 0:
        raise Failed(ACTION_SCRIPT_FAILED, f"Error executing {path.rpartition('.')[2]} script {path}")


def _exists(path: str) -> bool:
    return os.path.exists(path)  # follows links: a dangling one is skipped


def _become_script(hn: Box, path: str, environment: Sequence[str], streams: Streams) -> None:
    """Turn this forked child into the script; descriptors 0 to 4 as vzctl 4 leaves them, no others."""
    try:
        hn.enter()
        opened = [
            os.open("/dev/null", os.O_WRONLY),
            streams.out,
            streams.err,
            os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600),
            os.open("/dev/null", os.O_RDWR),
        ]
        high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10) for descriptor in opened]
        for number, descriptor in enumerate(high):
            os.dup2(descriptor, number)
        os.closerange(len(high), MAX_FD)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        _exec(path, environment)
    except BaseException as error:  # noqa: BLE001 - nothing may escape into a second copy of the test run
        os.write(2, f"Error exec {path}: {getattr(error, 'strerror', None) or error}\n".encode())
    finally:
        os._exit(1)


def _exec(path: str, environment: Sequence[str]) -> None:
    if stat.S_ISDIR(os.stat(path).st_mode):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    ns.execve(path, [path], environment)


def _wait(pid: int, timeout: float) -> int:
    ended = _ends(pid, timeout)
    if not ended:
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    if not ended:
        raise TimeoutError(f"an action script ran longer than {timeout} s")
    return status


def _ends(pid: int, timeout: float) -> bool:
    """Wait for a process; it can still be asked for its status."""
    pidfd = os.pidfd_open(pid)
    try:
        return bool(select.select([pidfd], [], [], timeout)[0])
    finally:
        os.close(pidfd)
