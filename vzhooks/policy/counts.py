# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon counts: what it mended, by kind, and how long hooks took. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from vzhooks.model import Element, Item, Proxy, Route, Rule, Skeleton, Sysctl
from vzhooks.policy.plan import Op

KINDS: dict[type[Item], str] = {Rule: "rule", Route: "route", Element: "guard", Skeleton: "guard", Proxy: "proxy",
                                Sysctl: "sysctl"}
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper bounds of the buckets that hooks are counted in; longer ones are in one more."""


@dataclass(frozen=True)
class Counts:
    """Hold what was counted since boot: heals: mended items by kind; hooks: how many in each bucket; hook_s: in all."""

    heals: Mapping[str, int] = field(default_factory=dict)
    hooks: tuple[int, ...] = (0,) * (len(BOUNDS_S) + 1)
    hook_s: float = 0.0

    def healed(self, ops: Iterable[Op]) -> Counts:
        """Count what a run mended that no hook or command asked for."""
        return replace(self, heals=dict(Counter(self.heals) + Counter(KINDS[type(op.item)] for op in ops)))

    def hooked(self, seconds: float) -> Counts:
        """Count one hook."""
        bucket = sum(seconds > bound for bound in BOUNDS_S)
        hooks = tuple(n + (place == bucket) for place, n in enumerate(self.hooks))
        return replace(self, hooks=hooks, hook_s=self.hook_s + seconds)
