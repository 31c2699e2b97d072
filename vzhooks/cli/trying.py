# SPDX-License-Identifier: GPL-2.0-or-later
"""Put a run on trial: say so in its request, and leave a process behind that gives back what nobody confirms.

That process has nothing to do with the terminal any more. Where it is killed, the next run gives back.
"""

from __future__ import annotations

import argparse
import os
import signal
import stat
import time
from contextlib import suppress

from vzhooks.errors import SettingsError, UsageError, VzhooksError
from vzhooks.kernel.apply import Watch
from vzhooks.neighbours import follow
from vzhooks.node import given, log
from vzhooks.node.host import Paths
from vzhooks.policy.plan import Op
from vzhooks.policy.trial import Trying
from vzhooks.run import reconcile, trial

LOOK_S, NOTE_S, AGAIN_S, TRY_S = 0.5, 10.0, 5.0, 3600.0
# Where a log-out ends all processes of a session (logind.conf(5), KillUserProcesses), it goes by these groups.
TOP_GROUPS = ("/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/systemd/cgroup.procs")


def asked(args: argparse.Namespace, dry: bool) -> Trying | None:
    """Return what is to be tried, None for nothing; raises UsageError or SettingsError where that cannot be."""
    file, seconds = getattr(args, "ini", None), args.confirm
    if seconds and dry:
        raise UsageError("--confirm makes the changes, and --dry-run and --check make none; give one of them")
    if file is not None and not seconds and not dry:
        raise UsageError("--ini FILE is only tried; give --confirm SECONDS or --dry-run as well")
    if file == "":
        raise UsageError("the FILE of --ini is empty; name an ini")
    if file is None and not seconds:
        return None
    text = None if file is None else _text(file)
    return Trying(seconds or 0, os.urandom(8).hex(), given.named(file) if file else "", text)


def _text(file: str) -> str:
    """Return the text of an ini that others than its owner cannot write."""
    text = given.read(file)
    if file != given.STDIN:
        mode = os.stat(file).st_mode
        if stat.S_ISREG(mode) and mode & 0o022:
            raise SettingsError(f"{given.named(file)}: others can write it; chmod go-w it")
    return text


class Keeping(Watch):
    """Do as another watch does, and have the process started before the first change."""

    def __init__(self, inner: Watch, token: str) -> None:
        self.inner, self.token = inner, token

    def begin(self, total: int) -> None:
        """Start the process that gives back."""
        self.inner.begin(total)
        former = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # one that comes before it has a session of its own
        try:
            follow.detach(lambda: keep(Paths(), self.token))
        finally:
            signal.signal(signal.SIGHUP, former)

    def made(self, op: Op, error: str = "") -> None:
        """Hand it on."""
        self.inner.made(op, error)


def keep(paths: Paths, token: str) -> None:
    """Wait for the end of a trial, and give it back unless it was confirmed; until that is done, or for an hour."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _leave_the_session()
    if not _is_noted(paths, token):
        return
    until = 0.0
    while (left := _left(paths, token)) is not None:
        if left > 0:
            time.sleep(min(left, LOOK_S))
            continue
        until = until or time.monotonic() + TRY_S
        if (_give_back(paths) and _left(paths, token) is None) or time.monotonic() > until:
            return
        time.sleep(AGAIN_S)


def _give_back(paths: Paths) -> bool:
    """Give back; tell whether that is done, by whomever."""
    try:
        done = reconcile.give_back(paths)
    except VzhooksError as error:
        log.say(trial.give_up(error), log.ERROR, quiet=True)
        return False
    if done:
        log.say(done[1], quiet=True)
        follow.announce_moved(done[0])
    return True


def _is_noted(paths: Paths, token: str) -> bool:
    """Wait for the note that the run writes next; tell whether it came: a full disk may have kept it."""
    until = time.monotonic() + NOTE_S
    while _left(paths, token) is None:
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _left(paths: Paths, token: str) -> float | None:
    """Return how many seconds are left of our trial, None when it is no more; none where the note cannot be read."""
    try:
        held = trial.pending(paths)
    except VzhooksError:
        return 0.0
    return trial.left(held) if held and held.token == token and not held.returned else None


def _leave_the_session() -> None:
    for path in TOP_GROUPS:
        with suppress(OSError), open(path, "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
