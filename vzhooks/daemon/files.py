# SPDX-License-Identifier: GPL-2.0-or-later
"""See what is edited: the ini, VEs' configs, and vzctl's lists of addresses; by inotify, or by looks."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from inotify_simple import INotify, flags

from vzhooks.daemon.healer import Healer
from vzhooks.daemon.part import Part
from vzhooks.node import log
from vzhooks.node.host import CTID, HOOKS, Paths

CHANGES = (flags.CLOSE_WRITE | flags.MOVED_TO | flags.MOVED_FROM | flags.CREATE | flags.DELETE | flags.ATTRIB
           | flags.DELETE_SELF | flags.MOVE_SELF)
OVER = flags.IGNORED | flags.DELETE_SELF | flags.MOVE_SELF | flags.UNMOUNT
SETTLE_S = 0.1
"""Editors and vzctl write a file in several steps; what is read between them would be read again."""
AGAIN_S = 10.0
"""How often a directory that is not there, or cannot be watched, is tried again."""
LOOK_S = 2.0


class Files(Part):
    """Hold the watches, or what the directories looked like where the kernel gives none."""

    def __init__(self, paths: Paths, healer: Healer) -> None:
        self.paths, self.healer = paths, healer
        self._why = {paths.conf_dir: "config", os.path.dirname(paths.ini): "ini", paths.veip4: "addresses",
                     paths.veip9: "addresses"}
        self._folders: dict[int, str] = {}
        self._inotify: INotify | None = None
        self._told: dict[str, float] = {}  # why, and when it is passed on
        self._looks: dict[str, object] = {}
        self._at = 0.0
        self._watch()

    def fds(self) -> Iterable[int]:
        """Return inotify's descriptor."""
        return (self._inotify.fileno(),) if self._inotify else ()

    def due(self) -> float | None:
        """Return when something is to be passed on, or looked at."""
        return min([self._at, *self._told.values()]) - time.monotonic()

    def run(self, ready: frozenset[int]) -> None:
        """Take in what came, pass on what has settled, and watch what appeared."""
        now = time.monotonic()
        if ready and self._inotify:
            for event in self._inotify.read(timeout=0):
                self._take(event, now + SETTLE_S)
        if self._at <= now:
            self._watch()
            self._look(now)
        for why in [w for w, at in self._told.items() if at <= now]:
            del self._told[why]
            self.healer.want(why, at_once=True)

    def _take(self, event: tuple[int, int, int, str], at: float) -> None:
        wd, mask, _, name = event
        folder = self._folders.get(wd, "")
        if mask & flags.Q_OVERFLOW:
            self._told.setdefault("files", at)
        elif mask & OVER:
            self._folders.pop(wd, None)
            self._at = 0.0
        if folder and self._matters(folder, name):
            self._told.setdefault(self._why[folder], at)

    def _matters(self, folder: str, name: str) -> bool:
        """Tell whether a name in one of the directories is one that we read."""
        if folder == os.path.dirname(self.paths.ini):
            return os.path.join(folder, name) in (self.paths.ini, self.paths.vz_conf)
        stem, ext = os.path.splitext(name)
        if folder == self.paths.conf_dir and name in HOOKS:
            return True  # which tell whether vzhooks is installed
        return bool(CTID.fullmatch(stem)) and ext == (".conf" if folder == self.paths.conf_dir else "")

    def _watch(self) -> None:
        """Watch each directory that is there and not watched yet."""
        self._at = time.monotonic() + AGAIN_S
        watched = set(self._folders.values())
        try:
            self._inotify = self._inotify or INotify(nonblocking=True)
            for folder in self._why:
                if folder not in watched and os.path.isdir(folder):
                    self._folders[self._inotify.add_watch(folder, CHANGES)] = folder
                    self._told.setdefault(self._why[folder], time.monotonic())
        except OSError as error:
            if not self._looks:
                log.say(f"daemon: files cannot be watched ({error.strerror}), so they are looked at each {LOOK_S:g} s; "
                        "raise fs.inotify.max_user_watches and max_user_instances")
                self._looks = dict.fromkeys(self._why)

    def _look(self, now: float) -> None:
        """Compare the directories that cannot be watched with what they were."""
        unwatched = [f for f in self._looks if f not in self._folders.values()]
        for folder in unwatched:
            seen = self._state(folder)
            if seen != self._looks[folder] and self._looks[folder] is not None:
                self._told.setdefault(self._why[folder], now)
            self._looks[folder] = seen
        if unwatched:
            self._at = now + LOOK_S

    def _state(self, folder: str) -> object:
        try:
            with os.scandir(folder) as found:
                return {e.name: (s.st_mtime_ns, s.st_size, s.st_ino, s.st_mode) for e in found
                        if self._matters(folder, e.name) and (s := e.stat())}
        except OSError as error:
            return error.errno

    def close(self) -> None:
        """Watch no more."""
        if self._inotify:
            self._inotify.close()
