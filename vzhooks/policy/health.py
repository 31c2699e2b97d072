# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell whether an uplink works, by what its link says and by probes over time, and who stands in for one. Pure.

Three states: up; down, at once without a link and after `probe_fail` probes in a row without an answer; and held: it
works again, and has to go on so for `hold_down` before VEs return to it from one that is up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vzhooks.model import Uplink

UP, HELD, DOWN = STATES = ("up", "held", "down")
LINK = "link"
NEVER = float("inf")


@dataclass(frozen=True)
class Health:
    """Hold what is known of one uplink.

    since: seconds since boot, 0 where that is not known; why: it is not up; streak: probes in a row that were
    answered, below 0 without an answer; linked: its device is up and has a carrier.
    """

    state: str = UP
    since: float = 0.0
    why: str = ""
    streak: int = 0
    linked: bool = True

    @property
    def works(self) -> bool:
        """Tell whether VEs may go by it at all."""
        return self.state != DOWN


FRESH = Health()


def linked(before: Health, why: str, uplink: Uplink, now: float) -> Health:
    """Return the health by what the kernel says; why: nothing can leave by the device now, "" where it can."""
    if why:
        return Health(DOWN, now if before.works else before.since, why, linked=False)
    if not before.linked or (before.state == DOWN and uplink.probe == LINK):
        before = Health(HELD, now, f"{uplink.device} is up again")
    return _settled(before, uplink, now)


def probed(before: Health, answered: bool, why: str, uplink: Uplink, now: float) -> Health:
    """Return the health after one more probe; why: in words, that it had no answer. Without a link it tells nothing."""
    if not before.linked:
        return before
    streak = max(before.streak, 0) + 1 if answered else min(before.streak, 0) - 1
    after = replace(before, streak=streak)
    if streak <= -uplink.probe_fail and before.works:
        return Health(DOWN, now, why, streak)
    if streak >= uplink.probe_ok and not before.works:
        after = Health(HELD, now, f"{before.why.replace('does not answer', 'answers')} again", streak)
    return _settled(after, uplink, now)


def _settled(before: Health, uplink: Uplink, now: float) -> Health:
    """Return the health once the time is over that an uplink is held."""
    proven = uplink.probe == LINK or before.streak >= uplink.probe_ok
    if before.state == HELD and proven and now >= due(before, uplink):
        return replace(before, state=UP, since=now, why="")
    return before


def due(health: Health, uplink: Uplink) -> float:
    """Return when (seconds since boot) an uplink that goes on working is held no more; NEVER for one that is not."""
    return health.since + uplink.hold_down if health.state == HELD else NEVER


def best(found: Sequence[Health]) -> int:
    """Return which of an uplink and its backups, by their health, to go by: the first that is up, else held.

    Where none works, the first that has a link at all: a probe that fails everywhere must not end what still works.
    """
    return min(range(len(found)), key=lambda n: (_rank(found[n]), n))


def _rank(health: Health) -> int:
    return STATES.index(health.state) if health.works or health.linked else len(STATES)


# -- who stands in, over time -------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """Hold who stands in for an uplink, itself where nobody has to.

    by: the last one that did; works: it does now, else all are down; since: seconds since boot; switches: how often
    that was another one than before.
    """

    by: str
    works: bool = True
    since: float = 0.0
    switches: int = 0


@dataclass(frozen=True)
class Change:
    """Tell that another one stands in for an uplink, or none any more, or one again; `count` where it is another."""

    uplink: str
    before: str
    after: str
    why: str
    counts: bool

    def __str__(self) -> str:
        """Return it as one line."""
        return f"uplink {self.uplink}: {self.before or 'cut off'} -> {self.after or 'cut off'}: {self.why}"


def stood(now_by: Mapping[str, tuple[str, bool, str]] | None, before: Mapping[str, Standing],
          now: float) -> tuple[dict[str, Standing], tuple[Change, ...]]:
    """Return who stands in for each uplink, and what changed by that.

    now_by: for each uplink who does, whether that one works, and why it is not the uplink itself; None: all is as
    before.
    """
    if now_by is None:
        return dict(before), ()
    after, changes = {}, []
    for name, (by, works, why) in now_by.items():
        was = before.get(name, Standing(name))
        by = by if works else was.by
        if (by, works) != (was.by, was.works):
            counts = by != was.by
            changes.append(Change(name, was.by if was.works else "", by if works else "", why or f"{name} works again",
                                  counts))
            was = Standing(by, works, now, was.switches + counts)
        after[name] = was
    return after, tuple(changes)
