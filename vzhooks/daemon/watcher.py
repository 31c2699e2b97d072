# SPDX-License-Identifier: GPL-2.0-or-later
"""Hear what changes in the kernel, and have the node mended for what may concern it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vzhooks.daemon.healer import Healer
from vzhooks.daemon.part import Part
from vzhooks.daemon.rivals import Rivals
from vzhooks.kernel.remembered import Remembered
from vzhooks.kernel.told import LINKS, MARKS, ROUTES, RULES, Told
from vzhooks.model import MAIN, PROTOCOL


class Watcher(Part):
    """Hold the kernel's word on changes; what is heard while others read it comes here as well."""

    def __init__(self, kernel: Remembered, healer: Healer, rivals: Rivals) -> None:
        self.kernel, self.healer, self.rivals = kernel, healer, rivals
        self._dark: Callable[[int], object] = lambda index: None
        kernel.listen(self.hear)

    def when_dark(self, lost: Callable[[int], object]) -> None:
        """Have this called with the number of each device that loses its link, be it for a moment that no look sees."""
        self._dark = lost

    def fds(self) -> Iterable[int]:
        """Return the sockets on which changes are told."""
        return self.kernel.fds()

    def run(self, ready: frozenset[int]) -> None:
        """Take in what came."""
        self.kernel.catch_up()

    def hear(self, told: Told) -> None:
        """Have the node mended for one change by others, at once where a link comes or goes."""
        if told.dark:
            self._dark(told.dark)
        if told.what == MARKS:  # that of others, beside which ours may no longer do
            return self.healer.look_behind()
        one = self.healer.memory.owner(told.host[1]) if told.host and told.table == MAIN else ""
        if one:
            self.healer.want_one(one)
        elif told.what != ROUTES or told.table == MAIN or told.protocol == PROTOCOL:
            self.rivals.hear(told)
            if told.what == RULES and told.protocol != PROTOCOL:
                self.healer.look_behind()  # it may come before ours, or name a table: nothing that is lost
            else:
                self.healer.want(told.what, at_once=told.what == LINKS)
