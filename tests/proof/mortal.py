# SPDX-License-Identifier: GPL-2.0-or-later
"""Do what a hook or a command does, in a process that dies at a step that is told: by SIGKILL, or by a power loss.

A step is a netlink message, an nft transaction, a sysctl, or one of the calls by which files change. A power loss
takes in addition what was written and not fsynced; renames and unlinks that were done stay, in their order, as
journals of ext4 and xfs keep them (one that is lost is a death one step earlier).
"""

from __future__ import annotations

import builtins
import os
import signal
import sys
from typing import Any, Callable

from tests.lab import Box
from vzhooks.cli import main
from vzhooks.hooks import hook
from vzhooks.kernel import netlink, nft, sysctl
from vzhooks.node.host import Paths
from vzhooks.run import reconcile
from vzhooks.run.request import HOOK, Request

DEAD = -signal.SIGKILL
FILES = ("replace", "rename", "unlink", "link", "symlink", "mkdir", "rmdir", "fsync")
KEPT = ("/etc", "/var", "/usr")
"""What a disk holds; all else ends with the kernel."""


class Life:
    """Count the steps of this process, and end it before the one after `steps`."""

    def __init__(self, steps: int | None, power: bool) -> None:
        self.steps, self.power, self.made, self.unsynced = steps, power, 0, set[str]()

    def counted(self, change: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, counted."""
        def step(*args: Any, **more: Any) -> Any:
            if self.made == self.steps:
                self.end()
            self.made += 1
            return change(*args, **more)
        return step

    def end(self) -> None:
        """Die; a power loss empties first what is not on the disk."""
        for path in self.unsynced if self.power else ():
            if os.path.lexists(path):
                os.truncate(path, 0)
        os.kill(os.getpid(), signal.SIGKILL)

    def watch_files(self) -> None:
        """Know what was written and not fsynced."""
        os_open, py_open, fsync, replace = os.open, builtins.open, os.fsync, os.replace

        def opened(path: Any, flags: int, *more: Any, **options: Any) -> int:
            handle = os_open(path, flags, *more, **options)
            if flags & (os.O_WRONLY | os.O_RDWR) and os.readlink(f"/proc/self/fd/{handle}").startswith(KEPT):
                self.unsynced.add(os.readlink(f"/proc/self/fd/{handle}"))
            return handle

        def py_opened(path: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
            file = py_open(path, mode, *more, **options)
            if set(mode) & set("wax+") and isinstance(path, str) and path.startswith(KEPT):
                self.unsynced.add(path)
            return file

        def synced(handle: int) -> None:
            fsync(handle)
            self.unsynced.discard(os.readlink(f"/proc/self/fd/{handle}"))

        def replaced(old: str, new: str, **options: Any) -> None:
            replace(old, new, **options)
            self.unsynced = {new if path == old else path for path in self.unsynced}

        os.open, builtins.open, os.fsync, os.replace = opened, py_opened, synced, replaced  # type: ignore[assignment]


def limited(steps: int | None, power: bool, files: bool, function: Callable[..., int],
            *arguments: Any) -> tuple[int, int]:
    """Run a function in this process, which dies before it does more than so many steps; return status and steps.

    files: those that change files are counted too.
    """
    life = Life(steps, power)
    life.watch_files()
    netlink.Kernel.apply = life.counted(netlink.Kernel.apply)  # type: ignore[method-assign]
    nft.load, sysctl.write = life.counted(nft.load), life.counted(sysctl.write)
    for name in FILES if files else ():
        setattr(os, name, life.counted(getattr(os, name)))
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the process ends
    return function(*arguments), life.made


def dies(hn: Box, steps: int | None, function: Callable[..., int], *arguments: Any, power: bool = False,
         files: bool = False) -> tuple[int, int]:
    """Run a function in the HN; return its status and its number of steps, or DEAD and `steps`."""
    try:
        found: tuple[int, int] = hn.call(limited, steps, power, files, function, *arguments)
    except ChildProcessError:
        assert steps is not None
        return DEAD, steps
    return found


def command(hn: Box, steps: int | None, *argv: str, **how: bool) -> tuple[int, int]:
    """Run a vzhooks command that dies after so many steps."""
    return dies(hn, steps, main.main, list(argv), **how)


def event(hn: Box, steps: int | None, name: str, environment: dict[str, str], **how: bool) -> tuple[int, int]:
    """Run a hook that dies after so many steps."""
    return dies(hn, steps, hook.main, name, environment, **how)


def expect_no_more(ctid: str, addresses: list[str]) -> None:
    """Do what a hook leaves behind to be done when vzctl is done with a VE's addresses."""
    request = Request(ctids=frozenset({ctid}), expect={ctid: frozenset(addresses)}, door=HOOK)
    reconcile.run(Paths(), request)
