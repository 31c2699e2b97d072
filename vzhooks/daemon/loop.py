# SPDX-License-Identifier: GPL-2.0-or-later
"""Let parts work in turn: one sleep for all of them, and a part that fails harms no other."""

from __future__ import annotations

import select
import time
from collections.abc import Sequence

from vzhooks.daemon.part import Part
from vzhooks.errors import VzhooksError
from vzhooks.kernel import lean
from vzhooks.node import log

REST_S, LONGEST_REST_S = 1.0, 60.0
"""How long a part that failed is left alone: twice as long each time, until it works again."""


class Loop:
    """Hold the parts, in the order in which they work when several are due."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self.going = True
        self._resting: dict[Part, tuple[float, float]] = {}  # until when, and how long

    def run(self) -> None:
        """Go on until `stop`."""
        while self.going:
            self.once()

    def stop(self) -> None:
        """Let `run` return when the part at work is done."""
        self.going = False

    def once(self, limit_s: float | None = None) -> None:
        """Sleep until something is due, `limit_s` at most, and let those parts work."""
        awake = [p for p in self.parts if p not in self._resting or self._resting[p][0] <= time.monotonic()]
        owners = {fd: part for part in awake for fd in part.fds()}
        ready = _readable(owners, self._sleep_s(awake, limit_s))
        for part in awake:
            mine = frozenset(fd for fd in ready if owners[fd] is part)
            due = part.due() if not mine else 0.0
            if self.going and due is not None and due <= 0:
                self._work(part, mine)

    def _sleep_s(self, awake: Sequence[Part], limit_s: float | None) -> float | None:
        now = time.monotonic()
        times = [due for part in awake if (due := part.due()) is not None]
        times += [until - now for part, (until, _) in self._resting.items() if part not in awake]
        times += [limit_s] if limit_s is not None else []
        return max(0.0, min(times)) if times else None

    def _work(self, part: Part, ready: frozenset[int]) -> None:
        try:
            part.run(ready)
            self._resting.pop(part, None)
        except VzhooksError as error:
            self._rest(part, str(error))
        except Exception as error:  # noqa: BLE001 - one part's fault must not end the watch over the node
            self._rest(part, lean.explained(error))

    def _rest(self, part: Part, why: str) -> None:
        former = self._resting.get(part, (0.0, 0.0))[1]
        rest_s = min(max(REST_S, 2 * former), LONGEST_REST_S)
        self._resting[part] = (time.monotonic() + rest_s, rest_s)
        log.say(f"daemon: {why}; tried again in {rest_s:g} s", log.ERROR)


def _readable(fds: dict[int, Part], timeout_s: float | None) -> set[int]:
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    # Rounded up, or a part that is due within the millisecond is asked again and again.
    return {fd for fd, _ in poll.poll(None if timeout_s is None else int(timeout_s * 1000 + 0.999))}
