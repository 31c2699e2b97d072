# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon is made of: parts, each with what it waits for and one bounded piece of work.

The loop asks every part for its descriptors and its time, sleeps until one of them is due, and lets that part
work. A part never waits by itself: whatever may block goes into a child or comes back by a descriptor.
"""

from __future__ import annotations

from collections.abc import Iterable


class Part:
    """Hold one thing that the daemon does; this one does nothing."""

    def fds(self) -> Iterable[int]:
        """Return the descriptors that it waits to read from."""
        return ()

    def due(self) -> float | None:
        """Return in how many seconds it wants to work whatever comes, None for never; 0 or less is now."""
        return None

    def run(self, ready: frozenset[int]) -> None:
        """Work for a moment; `ready` holds those of its descriptors that can be read, none when its time has come."""

    def close(self) -> None:
        """Let go of what it holds, at the daemon's end."""
