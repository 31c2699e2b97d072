# SPDX-License-Identifier: GPL-2.0-or-later
"""Put the daemon together and let it run: its lock, its parts in their order, its signals, its end."""

from __future__ import annotations

import fcntl
import gc
import os
import signal

from vzhooks import __version__
from vzhooks.daemon.announcer import Announcer
from vzhooks.daemon.answering import Answering, Command
from vzhooks.daemon.counting import Counting
from vzhooks.daemon.files import Files
from vzhooks.daemon.happenings import LOOK, READ, Board
from vzhooks.daemon.healer import Healer
from vzhooks.daemon.listening import listening
from vzhooks.daemon.loop import Loop
from vzhooks.daemon.memory import Memory
from vzhooks.daemon.notify import Watchdog, notify
from vzhooks.daemon.part import Part
from vzhooks.daemon.rivals import Rivals
from vzhooks.daemon.scraping import Scraping
from vzhooks.daemon.server import Server
from vzhooks.daemon.signals import Signals
from vzhooks.daemon.uplinks import Uplinks
from vzhooks.daemon.watcher import Watcher
from vzhooks.errors import HostError, LockBusy
from vzhooks.kernel.remembered import Remembered
from vzhooks.node import host, log
from vzhooks.node.host import Paths


def run(paths: Paths, command: Command) -> None:
    """Stay until SIGTERM or SIGINT; what is in the kernel stays as it is.

    command: carries out a command line, in a child. Raises HostError where vzhooks is not installed here, LockBusy
    where another one runs.
    """
    host.require_root()
    if not host.is_installed(paths):
        raise HostError("vzhooks is not installed on this node; `vzhooks install` first")
    alone = _alone(paths)
    parts: list[Part] = []
    loop = Loop(parts)
    try:
        parts += _parts(paths, loop, command)
        gc.collect()
        gc.freeze()  # what is there from the start is never garbage, and children share it
        notify("READY=1")
        log.say("daemon: at work", log.INFO, quiet=True)
        loop.run()
        notify("STOPPING=1")
    finally:
        for part in reversed(parts):
            part.close()
        os.close(alone)


def _parts(paths: Paths, loop: Loop, command: Command) -> list[Part]:
    """Return all parts, those first whose work the others' follows."""
    kernel, board, rivals = Remembered(), Board(), Rivals()
    memory = Memory(kernel)
    healer, announcer = Healer(paths, memory, board, rivals), Announcer(kernel)
    board.listen(lambda done: announcer.hear(done.report) if done.kind in (READ, LOOK) and done.report else None)
    healer.when_uninstalled(loop.stop)
    server = Server(paths, listening(paths), Answering(memory, announcer, healer, command), __version__)
    healer.give_way(server.is_busy)
    signals = Signals({signal.SIGTERM: loop.stop, signal.SIGINT: loop.stop, signal.SIGCHLD: server.reap,
                       signal.SIGHUP: lambda: _reload(healer)})
    watcher, counting, uplinks = Watcher(kernel, healer, rivals), Counting(paths, board), Uplinks(paths, board, healer)
    watcher.when_dark(uplinks.lost)
    return [signals, Watchdog(), watcher, Files(paths, healer), server, healer, announcer,
            uplinks, counting, Scraping(board, counting.measure)]


def _reload(healer: Healer) -> None:
    """Read everything anew; what is edited is seen without it as well."""
    notify("RELOADING=1")
    healer.kernel.forget()
    healer.want("reload", at_once=True)
    notify("READY=1")


def _alone(paths: Paths) -> int:
    """Hold the lock that only one daemon can have; raises LockBusy where another one has it."""
    path = paths.daemon_lock
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LockBusy(f"{path}: another daemon of vzhooks runs already; `systemctl status vzhooks`") from None
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}; mend that and start the daemon again") from None
    return handle
