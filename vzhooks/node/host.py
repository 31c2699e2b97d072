# SPDX-License-Identifier: GPL-2.0-or-later
"""Files and processes of this host: vzctl's, and our lock. Reads as data, executes nothing."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vzhooks.config import vzconf
from vzhooks.errors import HostError, InputError, LockBusy, UsageError
from vzhooks.model import Problem
from vzhooks.node import holder, interrupt
from vzhooks.policy.evidence import Reading

CTID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
READ_WAIT_S, READ_PAUSE_S = 0.45, 0.05
_PART = 1 << 14
HOOKS = ("vps.mount", "vps.umount", "vps.postumount")
HOOK_HEAD = b"#!/bin/sh\n# vzhooks hook script for "
"""Begins every version's scripts; one that only mentions us further down is an administrator's."""


@dataclass(frozen=True)
class Paths:
    """Name every file we read or write; `root` moves them all, for packagers."""

    root: str = ""

    def __getattr__(self, name: str) -> str:
        try:
            return self.root + _PATHS[name]
        except KeyError:
            raise AttributeError(name) from None

    @classmethod
    def below(cls, folder: str) -> Paths:
        """Return the paths below a directory, "" or / for the node's own."""
        return cls(os.path.abspath(folder).rstrip("/") if folder else "")

    def all(self) -> frozenset[str]:
        """Return every path there is."""
        return frozenset(self.root + path for path in _PATHS.values())


_PATHS = {
    "ini": "/etc/vz/vzhooks.ini",
    "good_ini": "/var/lib/vzhooks/vzhooks.ini.good",
    "tried_ini": "/etc/vz/vzhooks.ini.tried",
    "trial": "/var/lib/vzhooks/trial.json",
    "tables": "/var/lib/vzhooks/tables.json",
    "harden": "/var/lib/vzhooks/harden.json",
    "networks": "/var/lib/vzhooks/networks.json",
    "let": "/var/lib/vzhooks/let.json",
    "sysctl_d": "/etc/sysctl.d/90-vzhooks.conf",
    "ves": "/run/vzhooks/ves.json",
    "health": "/run/vzhooks/health.json",
    "standing": "/run/vzhooks/standing.json",
    "engaged": "/run/vzhooks/engaged",
    "counts": "/run/vzhooks/counts.json",
    "lock": "/run/vzhooks/lock",
    "daemon_lock": "/run/vzhooks/daemon.lock",
    "socket": "/run/vzhooks/daemon.sock",
    "vz_conf": "/etc/vz/vz.conf",
    "conf_dir": "/etc/vz/conf",
    "veip4": "/var/lib/vzctl/veip",
    "veip9": "/var/vz/veip",
    "conf_lock_dir": "/var/vz",
    "rt_tables": "/etc/iproute2/rt_tables.d/vzhooks.conf",
    "rt_protos": "/etc/iproute2/rt_protos.d/vzhooks.conf",
    "boot_unit": "/etc/systemd/system/vzhooks-boot.service",
    "boot_want": "/etc/systemd/system/multi-user.target.wants/vzhooks-boot.service",
    "daemon_unit": "/etc/systemd/system/vzhooks.service",
    "daemon_want": "/etc/systemd/system/multi-user.target.wants/vzhooks.service",
    "metrics_unit": "/etc/systemd/system/vzhooks.service.d/10-metrics.conf",
    "socket_unit": "/etc/systemd/system/vzhooks.socket",
    "socket_want": "/etc/systemd/system/sockets.target.wants/vzhooks.socket",
    "networkd": "/etc/systemd/networkd.conf.d/90-vzhooks.conf",
    "ini_sample": "/etc/vz/vzhooks.ini.sample",
    "manifest": "/var/lib/vzhooks/installed.json",
    "wrapper": "/usr/local/sbin/vzctl",
    "command": "/usr/local/sbin/vzhooks",
    "override9": "/usr/libexec/libvzctl/script.d/vz-netns_dev_add",
    # In /usr/share, so that what a package puts and what `vzhooks install` puts is one file, never two;
    # fish of Debian reads no other place. Of zsh's, Debian and EL have only this one in common.
    "man8": "/usr/share/man/man8/vzhooks.8",
    "man5": "/usr/share/man/man5/vzhooks.ini.5",
    "bash": "/usr/share/bash-completion/completions/vzhooks",
    "zsh": "/usr/local/share/zsh/site-functions/_vzhooks",
    "fish": "/usr/share/fish/vendor_completions.d/vzhooks.fish",
}


def since_boot() -> float:
    """Return the seconds since boot: what is in /run lives as long, and no clock that is set moves them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def check_ctid(ctid: str) -> str:
    """Return a VE's id, a number or a UUID; raises UsageError for anything else, a path above all."""
    if not CTID.fullmatch(ctid) or ctid == "0":
        raise UsageError(f"{vzconf.shown(ctid)} is no VE's id; give its number or UUID as `vzlist` shows it")
    return ctid


def require_root() -> None:
    """Raise HostError for anybody else: what only root can read would look as if it were not there."""
    if os.geteuid():
        raise HostError("vzhooks must run as root; give the command again by sudo or su")


@contextmanager
def lock(path: str, wait_s: float) -> Iterator[None]:
    """Hold the one lock of vzhooks, waiting at most `wait_s`; raises LockBusy after that, naming who has it.

    One who is stopped is not waited for so long. Ctrl-Z does not stop us as long as we hold it.
    """
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        step = "vzhooks must run as root" if isinstance(error, PermissionError) else "mend that and try again"
        raise HostError(f"{path}: {error.strerror}; {step}") from None
    try:
        _take(path, handle, wait_s)
        if not _is_file(path, handle):
            raise LockBusy(f"{path}: vzhooks was uninstalled while this waited; start it again if that was not meant")
        with interrupt.unstopped():
            yield
    finally:
        os.close(handle)


def _take(path: str, handle: int, wait_s: float) -> None:
    """Take the lock; raises LockBusy when `wait_s` is over, or who has it was stopped for `holder.STOPPED_S`."""
    until, since, last = time.monotonic() + wait_s, 0.0, 0
    while not flocked(handle, min(holder.LOOK_S, max(0.0, until - time.monotonic()))):
        now, found = time.monotonic(), holder.of(path)
        stopped = found.pid if found and found.is_stopped else 0
        since, last = since if stopped == last else now, stopped
        if now >= until or (stopped and now - since >= holder.STOPPED_S):
            raise LockBusy(f"{path}: {holder.blame(found, wait_s)}")


def is_free(path: str) -> bool:
    """Tell whether nobody holds the lock just now; whoever takes it next may be first."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return True  # who takes it will say what is wrong
    try:
        return flocked(handle, 0.0)
    finally:
        os.close(handle)


def _is_file(path: str, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def flocked(handle: int, wait_s: float) -> bool:
    """Take the exclusive flock of an open file, waiting at most `wait_s`; tell whether we have it."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)


def read_config(paths: Paths, ctid: str, conffile: str = "", until: float | None = None) -> Reading:
    """Return a VE's config, or the Problem of one that cannot be read now.

    A config caught in mid-save is read again, some times, for half a second or `until` then
    (monotonic). Raises FileNotFoundError where there is none.
    """
    path = conffile or os.path.join(paths.conf_dir, f"{ctid}.conf")
    until = time.monotonic() + READ_WAIT_S if until is None else until
    while True:
        try:
            return vzconf.parse(_bytes(path, ctid, paths), ctid, path)
        except FileNotFoundError:
            raise
        except (InputError, OSError) as error:
            if time.monotonic() >= until or not _may_heal(path):
                return Problem(ctid, str(error) if isinstance(error, InputError) else
                               f"{path}: cannot be read ({error.strerror})", True)
        time.sleep(READ_PAUSE_S)


def _may_heal(path: str) -> bool:
    """Tell whether a bad config may be one that vzctl is just writing (lib/config.c: renamed unflushed)."""
    try:
        return os.stat(path).st_size < 4096
    except OSError:
        return True


def _bytes(path: str, ctid: str, paths: Paths) -> bytes:
    guard = os.path.join(paths.conf_lock_dir, f"{ctid}.conf.lck")
    if not os.path.exists(guard):
        return read(path)
    with open(guard, "rb") as held:  # libvzctl saves under LOCK_EX of this file
        try:
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{path}: vzctl is writing it; try again") from None
        return read(path)


def read(path: str) -> bytes:
    """Return what is in a file, up to what any config may hold."""
    handle, found = os.open(path, os.O_RDONLY | os.O_CLOEXEC), b""
    try:
        while len(found) <= vzconf.MAX_BYTES and (more := os.read(handle, _PART)):
            found += more
        return found[:vzconf.MAX_BYTES + 1]
    finally:
        os.close(handle)


def read_configs(paths: Paths) -> dict[str, Reading]:
    """Return the config of every VE that has one; a dangling link is a VE of another node."""
    found: dict[str, Reading] = {}
    until = time.monotonic() + READ_WAIT_S  # for all together: a power loss can empty many at once
    for name in listing(paths.conf_dir, must=True):
        ctid, ext = os.path.splitext(name)
        if ext == ".conf" and ctid != "0" and CTID.fullmatch(ctid):
            try:
                found[ctid] = read_config(paths, ctid, until=until)
            except FileNotFoundError:
                continue
    return found


def is_installed(paths: Paths) -> bool:
    """Tell whether a hook script of ours stands where vzctl looks."""
    return any(is_hook(os.path.join(paths.conf_dir, name)) for name in HOOKS)


def is_hook(path: str) -> bool:
    """Tell whether a file is a hook script of ours."""
    try:
        with open(path, "rb") as file:
            return file.read(len(HOOK_HEAD)) == HOOK_HEAD
    except OSError:
        return False


def listing(folder: str, must: bool = False) -> list[str]:
    """Return the names in a folder, none where it is absent unless it must be there; raises HostError."""
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        if must:
            raise HostError(f"{folder}: not there; is vzctl installed on this node?") from None
        return []
    except OSError as error:
        raise HostError(f"{folder}: cannot be read ({error.strerror}); vzhooks must run as root") from None
