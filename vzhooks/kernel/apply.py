# SPDX-License-Identifier: GPL-2.0-or-later
"""Carry out ops one after the other, and say them as the commands they equal."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from vzhooks.errors import VzhooksError
from vzhooks.kernel import nft, sysctl
from vzhooks.model import Element, Proxy, Route, Skeleton, Sysctl
from vzhooks.policy import guard
from vzhooks.policy.plan import ADD, DELETE, REPLACE, Op
from vzhooks.policy.shown import shell

MANY = 1000
"""After so many ops of rtnetlink what they left in memory is taken away."""


class Watch:
    """Be told of a run's changes; this one does nothing with it."""

    def begin(self, total: int) -> None:
        """Hear that so many changes are about to be made, our notes about them first."""

    def made(self, op: Op, error: str = "") -> None:
        """Hear that a change was made, or why not."""


@dataclass(frozen=True)
class Failure:
    """Tell which op failed and why; `opens` where the VE's way may not be closed without it."""

    text: str
    opens: bool


def apply(ops: tuple[Op, ...], kernel: Any, watch: Watch) -> list[Failure]:
    """Carry out ops in order, going on after one that fails; return what failed, by the command it equals.

    Neighbouring changes of the guard go in one transaction.
    """
    failures: list[Failure] = []
    made = 0
    for is_guard, together in groupby(ops, key=lambda op: isinstance(op.item, (Skeleton, Element))):
        group = tuple(together)
        for step in (group,) if is_guard else ((op,) for op in group):
            error = ""
            try:
                kernel.load(guard_text(step), step) if is_guard else _apply_one(step[0], kernel, failures)
            except VzhooksError as refusal:
                error = str(refusal)
                more = f" and {len(step) - 1} more in one transaction" if step[1:] else ""
                failures.append(Failure(f"{shell(step[0])}{more}: {error}", _opens(step[0])))
            for op in step:
                watch.made(op, error)
            made += not is_guard
            if made % MANY == MANY - 1 and not is_guard:
                gc.collect(0)  # pyroute2 leaves circles behind, 6 KB for each op, and a command collects none
    return failures


def _apply_one(op: Op, kernel: Any, failures: list[Failure]) -> None:
    if not isinstance(op.item, Sysctl):
        kernel.apply(op)
    elif failures:
        raise VzhooksError("not set, since what must stand before it failed; mend that and resync")
    else:
        sysctl.write(op.item)


def _opens(op: Op) -> bool:
    """Tell whether a failed op weakens a layer; a route by a device that just went down only cuts off."""
    harmless = isinstance(op.item, (Proxy, Sysctl)) or (isinstance(op.item, Route) and bool(op.item.dev))
    return op.verb != DELETE and not harmless


def guard_text(ops: tuple[Op, ...]) -> str:
    """Return the nft(8) transaction for ops that concern the guard alone."""
    add = [op.item for op in ops if op.verb == ADD and isinstance(op.item, Element)]
    delete = [op.item for op in ops if op.verb == DELETE and isinstance(op.item, Element)]
    skeletons = [op for op in ops if isinstance(op.item, Skeleton)]
    if not skeletons:
        again = [op.item for op in ops if op.verb == REPLACE and isinstance(op.item, Element)]
        return guard.changes(add, delete, again)
    counted = nft.dropped() if skeletons[0].verb == REPLACE else {}  # else a guard made anew counts from 0
    given = skeletons[0]
    assert isinstance(given.item, Skeleton)
    return guard.remove() if given.verb == DELETE else guard.full(given.item, add, counted)
