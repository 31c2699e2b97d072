# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell neighbours some times over what moved, and of a VE that started once it is routed."""

from __future__ import annotations

import time
from collections.abc import Sequence

from vzhooks.daemon.part import Part
from vzhooks.kernel.remembered import Remembered
from vzhooks.neighbours import announce, follow
from vzhooks.run.request import Report

Places = Sequence[tuple[str, str]]


class Announcer(Part):
    """Hold what is to be announced when, and which VEs' routes are waited for."""

    def __init__(self, kernel: Remembered) -> None:
        self.kernel = kernel
        self._repeats: list[tuple[float, Places]] = []
        self._awaited: dict[str, tuple[frozenset[str], float]] = {}  # until when

    def tell(self, places: Places) -> None:
        """Announce places now, and some times more."""
        if places:
            announce.send(places)
            self._repeat(places)

    def _repeat(self, places: Places) -> None:
        at = time.monotonic()
        for pause in follow.REPEAT_S:
            at += pause
            self._repeats.append((at, places))
        self._repeats.sort(key=lambda repeat: repeat[0])

    def expect(self, ctid: str, addresses: frozenset[str]) -> None:
        """Announce a VE's addresses once vzctl has routed them."""
        self._awaited[ctid] = (addresses, time.monotonic() + follow.ROUTE_WAIT_S)

    def forget(self, ctid: str) -> None:
        """Expect nothing more of a VE: it stops."""
        self._awaited.pop(ctid, None)

    def hear(self, report: Report) -> None:
        """Announce what a run moved, and what it found routed of the VEs that are waited for."""
        self.tell(report.moved)
        for ctid, (addresses, until) in list(self._awaited.items()):
            places = follow.places(report, ctid, addresses)
            if places:
                self._repeat(places)
            if len(places) >= len(addresses) or time.monotonic() > until:
                del self._awaited[ctid]
            elif places:
                self._awaited[ctid] = (addresses - {a for a, _ in places}, until)

    def due(self) -> float | None:
        """Return when the next announcement is."""
        return self._repeats[0][0] - time.monotonic() if self._repeats else None

    def run(self, ready: frozenset[int]) -> None:
        """Announce what is due and still holds: the VE may have stopped, moved or left the node meanwhile."""
        now = time.monotonic()
        due = [places for at, places in self._repeats if at <= now]
        self._repeats = [repeat for repeat in self._repeats if repeat[0] > now]
        places = dict.fromkeys(place for group in due for place in group)
        announce.send(follow.standing(list(places), self.kernel))
