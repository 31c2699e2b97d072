# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold the locks that vzctl holds while it works on a VE, so that neither writes over the other.

vzctl 4 (src/lib/lock.c): LOCKDIR/CTID.lck, made exclusively, holds the process that works on the VE; its
number is written after the file is made. OpenVZ 9 (libvzctl lib/lock.c, lib/env.c): flock of
VE_PRIVATE/.lck for the whole command, besides that file, and of /var/vz/CTID.conf.lck while saving.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from vzhooks.config.vzconf import VeConfig, of_ve
from vzhooks.errors import HostError, LockBusy
from vzhooks.node import evidence, host
from vzhooks.node.host import Paths

WAIT_S, PAUSE_S = 2.0, 0.05
EMPTY_WAIT_S = 0.2


@contextmanager
def of_the_ve(paths: Paths, config: VeConfig) -> Iterator[None]:
    """Hold a VE's locks as vzctl does; raises LockBusy while vzctl is at work on it."""
    with ExitStack() as stack:
        held = stack.enter_context(_private(paths, config))
        stack.enter_context(_pid_file(paths, config.ctid, held))
        yield


@contextmanager
def of_the_config(paths: Paths, ctid: str) -> Iterator[None]:
    """Hold what libvzctl holds while it saves a config, where there is libvzctl; raises LockBusy."""
    if not evidence.is_openvz9(paths):
        yield
        return
    with _flock(os.path.join(paths.conf_lock_dir, f"{ctid}.conf.lck"), ctid):
        yield


@contextmanager
def _private(paths: Paths, config: VeConfig) -> Iterator[bool]:
    """Hold the lock in the VE's private area, on OpenVZ 9; yield whether there is one.

    Not on vzctl 4, where that is the VE's own root and a file of ours would be seen inside.
    """
    private = config.private or of_ve(evidence.vz_conf(paths).get("VE_PRIVATE", ""), config.ctid)
    folder = paths.root + private
    if not private or not os.path.isdir(folder) or not evidence.is_openvz9(paths):
        yield False
        return
    with _flock(os.path.join(folder, ".lck"), config.ctid):
        yield True


@contextmanager
def _flock(path: str, ctid: str) -> Iterator[None]:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}; mend that and give the command again, as root") from None
    try:
        if not host.flocked(handle, WAIT_S):
            raise _busy(path, ctid)
        yield
    finally:
        os.close(handle)


@contextmanager
def _pid_file(paths: Paths, ctid: str, sure: bool) -> Iterator[None]:
    """Hold the file that names the process at work; sure: nobody else can be writing it, by another lock."""
    folder = next((d for d in evidence.lock_dirs(paths, evidence.vz_conf(paths)) if os.path.isdir(d)), "")
    if not folder:
        yield
        return
    path = os.path.join(folder, f"{ctid}.lck")
    if not _is_free(path, sure):
        raise _busy(path, ctid)
    if not _cleared(path):
        raise _busy(path, ctid)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise _busy(path, ctid) from None
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}; mend that and give the command again, as root") from None
    try:
        os.write(handle, f"{os.getpid()}\nset\n".encode())
        yield
    finally:
        os.close(handle)
        os.unlink(path)


def _cleared(path: str) -> bool:
    """Take away the lock file of a vzctl that died; one that was made meanwhile is put back, and tells False."""
    aside = f"{path}.vzhooks-{os.getpid()}"
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return True
    try:
        if _is_stale(aside):
            return True
        with suppress(FileExistsError):
            os.link(aside, path)
        return False
    finally:
        os.unlink(aside)


def _is_stale(path: str) -> bool:
    with open(path, encoding="ascii", errors="replace") as file:
        pid = file.readline().strip()
    return not (pid.isdigit() and os.path.exists(f"/proc/{pid}"))


def _is_free(path: str, sure: bool) -> bool:
    """Tell whether a lock file is not there or of a process that died; one that is empty stays so when in use."""
    until = time.monotonic() + EMPTY_WAIT_S
    while True:
        try:
            with open(path, encoding="ascii", errors="replace") as file:
                pid = file.readline().strip()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        if pid.isdigit():
            return not os.path.exists(f"/proc/{pid}")
        if time.monotonic() >= until:
            return sure
        time.sleep(PAUSE_S)


def _busy(path: str, ctid: str) -> LockBusy:
    return LockBusy(f"{path}: vzctl is at work on VE {ctid}, so nothing was changed; try again when it is done")
