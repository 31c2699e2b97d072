# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon did, told as it happens to whoever counts, shows or follows it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vzhooks.run.request import Report

HOOK, HEAL, LOOK, REFUSED, SWITCH = "hook", "heal", "look", "refused", "switch"
READ = "read"
"""The node was read as a whole and nothing is left to be done, be it that something was; a look is that of one VE."""


@dataclass(frozen=True)
class Happening:
    """Tell one thing: its kind, the VE or uplink it is about, in words, how many changes it took and how long.

    why: what brought it about: a hook's name, or which part of the node changed; report: of the run, where there
    was one in this process.
    """

    kind: str
    subject: str = ""
    text: str = ""
    why: str = ""
    changes: int = 0
    seconds: float = 0.0
    report: Report | None = field(default=None, compare=False)


class Board:
    """Pass on what happens to all that listen, in the order in which they came."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Happening], None]] = []

    def listen(self, listener: Callable[[Happening], None]) -> None:
        """Tell this one as well from now on."""
        self._listeners.append(listener)

    def tell(self, happening: Happening) -> None:
        """Say that something happened."""
        for listener in self._listeners:
            listener(happening)
