# SPDX-License-Identifier: GPL-2.0-or-later
"""Our notes about uplinks in /run: what the daemon's probes found, who stands in for whom, what was counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from vzhooks.config.settings import NAME
from vzhooks.node.notes import checked, save, seconds
from vzhooks.policy.counts import BOUNDS_S, KINDS, Counts
from vzhooks.policy.health import STATES, Health, Standing

COUNTS_S = 30.0
"""How long what probes found counts after the daemon last wrote it: longer than it takes to be started anew."""

NONE: dict[str, Any] = {}


def load_health(path: str, now: float) -> dict[str, Health]:
    """Return what the daemon last found of each uplink; nothing where that is too long ago or was never.

    now: seconds since boot. Raises HostError where the note is not as we write it.
    """
    def check(at: float = 0.0, uplinks: dict = NONE) -> dict[str, Health]:
        found = {_name(n): _health(**h) for n, h in uplinks.items()}
        return found if 0 <= now - seconds(at) <= COUNTS_S else {}
    return checked(path, lambda data: check(**data), "resync")


def save_health(path: str, found: Mapping[str, Health], now: float) -> None:
    """Note down what the daemon finds of each uplink, and when."""
    save(path, {"at": now, "uplinks": {n: asdict(h) for n, h in sorted(found.items())}})


def _health(state: str, since: float, why: str, streak: int, linked: bool) -> Health:
    if state not in STATES or not isinstance(why, str) or len(why) > 4096 or not isinstance(linked, bool):
        raise ValueError(state)
    return Health(state, seconds(since), why, _whole(streak, -1 << 40), linked)


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError(text)
    return text


def _whole(number: Any, least: int = 0) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or not least <= number < 1 << 62:
        raise ValueError(number)
    return number


def load_standing(path: str) -> dict[str, Standing]:
    """Return who stood in for each uplink after the last run; raises HostError as `load_health`."""
    def one(by: str, works: bool, since: float, switches: int) -> Standing:
        if not isinstance(works, bool):
            raise ValueError(works)
        return Standing(_name(by), works, seconds(since), _whole(switches))
    return checked(path, lambda data: {_name(n): one(**s) for n, s in data.items()}, "resync")


def save_standing(path: str, found: Mapping[str, Standing]) -> None:
    """Note down who stands in for each uplink."""
    save(path, {n: asdict(s) for n, s in sorted(found.items())})


def load_counts(path: str) -> Counts:
    """Return what the daemon has counted since boot; raises HostError as `load_health`."""
    def check(data: dict) -> Counts:
        found = Counts(**data)
        hooks = tuple(map(_whole, found.hooks))
        if not set(found.heals) <= set(KINDS.values()) or len(hooks) != len(BOUNDS_S) + 1:
            raise ValueError(data)
        return Counts({k: _whole(n) for k, n in found.heals.items()}, hooks, seconds(found.hook_s))
    return checked(path, check, "resync")


def save_counts(path: str, counts: Counts) -> None:
    """Note down what the daemon has counted."""
    save(path, asdict(counts))
