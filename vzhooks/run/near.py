# SPDX-License-Identifier: GPL-2.0-or-later
"""Run for one VE by a look at what has to do with it, so that a hook takes as long beside ten VEs as beside thousands.

What becomes of one VE depends on its own config, evidence and notes, on those that claim its addresses, and on whether
there is any other that goes its way. So a hook looks at these, and at one VE for each uplink that stands for all who
have it. It adds what its VE needs, and takes away nothing but what served its VE. Where that is not enough, since
something concerns others as well, the whole node is looked at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from vzhooks.config.settings import BY_ADDRESS, Settings
from vzhooks.config.vzconf import VeConfig
from vzhooks.errors import VzhooksError
from vzhooks.model import Element
from vzhooks.node import evidence, host, ve_notes
from vzhooks.node.host import Paths
from vzhooks.policy.datapath import RULE, Datapath
from vzhooks.policy.health import Change
from vzhooks.policy.plan import ADD, REPLACE, Op, Scope, address_of, shape
from vzhooks.policy.records import RUNNING, Expected, Record, Records
from vzhooks.run import reconcile, trial
from vzhooks.run.doors import Doors, Wider
from vzhooks.run.request import Report, Request

if TYPE_CHECKING:
    from vzhooks.kernel.netlink import Kernel

FEW, MOST = 50, 64
"""Beside so few VEs a look at the whole node takes no longer; so many addresses of one VE are looked for."""
_RUNS = re.compile(rf'"phase": "{RUNNING}".*?"uplink": "([^"]*)"', re.DOTALL)


def run(paths: Paths, request: Request) -> Report:
    """Carry out a run as `reconcile.run`, for one VE by what is near it."""
    if request.named and len(request.named) == 1 and os.path.exists(paths.engaged) and not _is_over(paths):
        return reconcile.run(paths, request, Near(paths, request, next(iter(request.named))))
    return reconcile.run(paths, request)


def _is_over(paths: Paths) -> bool:
    """Tell whether something on trial is to be given back, which concerns all VEs."""
    with suppress(VzhooksError):
        held = trial.pending(paths)
        return held is not None and trial.left(held) <= 0
    return True


class Near(Doors):
    """Hold whom a run is about; which VEs it looks at is decided when it reads our notes."""

    def __init__(self, paths: Paths, request: Request, ctid: str) -> None:
        self.request, self.ctid = request, ctid
        self.addresses = addresses_of(paths, request, ctid)
        self._near: Records = {}
        self._texts: dict[str, str] = {}
        self._behind = 0

    @contextmanager
    def kernel(self) -> Iterator[Kernel]:
        """Lend what is near of the kernel."""
        from vzhooks.kernel.nearby import Nearby  # as in Doors
        with Nearby(self.addresses) as opened:
            yield opened

    def known(self, paths: Paths) -> Records:
        """Return our notes on the VEs to look at; raises Wider where all must be, HostError as `Doors.known`."""
        loaded = ve_notes.load(paths.ves)
        if loaded is None or len(loaded[0]) <= FEW:
            raise Wider
        texts, self._behind = loaded
        mine = _records(paths, texts, [self.ctid]).get(self.ctid)
        self.addresses |= frozenset(mine.all if mine else ())
        group = {self.ctid, *(c for c, text in texts.items() if any(f'"{a}"' in text for a in self.addresses))}
        others = _one_for_each_uplink(paths, texts, group)
        if not (any(others) and self._is_nothing_left_behind(mine, others)) or len(self.addresses) > MOST:
            raise Wider
        self._texts, self._near = texts, {**_records(paths, texts, group), **dict(others.values())}
        self.addresses |= {a for record in self._near.values() for a in record.all}
        return self._near

    def _is_nothing_left_behind(self, mine: Record | None, others: Collection[str]) -> bool:
        """Tell whether the node needs all that it has when this VE goes another way, or away."""
        had = {mine.uplink} if mine and mine.addresses else set()
        had |= {mine.expected.uplink or ""} if mine and mine.expected else set()
        stays = self.request.event is None or self.request.event.name == "mount"
        return had.issubset(others) and (stays or not (mine and mine.devices))

    def note(self, paths: Paths, before: Records, after: Records) -> None:
        """Write down what became of these; the notes on others stay as they stand there."""
        changed: dict[str, Record | None] = {c: r for c, r in after.items() if before.get(c) != r}
        changed.update(dict.fromkeys(before.keys() - after.keys()))
        if changed:
            ve_notes.change(paths.ves, self._texts, self._behind, changed)

    def listed(self, paths: Paths) -> Mapping[str, tuple[str, ...]]:
        """Return what vzctl has listed of these VEs."""
        return evidence.veip(paths, {self.ctid, *self._near})

    def is_whole(self) -> bool:
        """Tell that there are others."""
        return False

    def wide(self) -> Doors:
        """Return by what to look at all VEs."""
        return Doors()

    def all(self) -> Scope:
        """Raise Wider, since this does not see all VEs."""
        raise Wider

    def leave(self, settings: Settings, by: Datapath, routed: frozenset[str], changed: tuple[Change, ...]) -> None:
        """Raise Wider where others go another way as well, none stands for all, or a route is of nobody we know.

        So does a node that goes by rules and may go by marks, which only a look at the whole of it tells.
        """
        owned = {a for record in self._near.values() for a in record.all}
        may_go_by_marks = settings.datapath != RULE and not by.mask
        if changed or may_go_by_marks or settings.unassigned == BY_ADDRESS or not routed <= owned:
            raise Wider

    def due(self, ops: tuple[Op, ...]) -> tuple[Op, ...]:
        """Leave alone what the node has beside VEs: others need what these do not.

        Raises Wider where what concerns all VEs is not in place, or is put together of what all have.
        """
        of_all = [op for op in ops if not address_of(op.item)]
        if shape(op.item for op in of_all) or any(op.verb == REPLACE and isinstance(op.item, Element) for op in of_all):
            raise Wider
        return tuple(op for op in ops if address_of(op.item) or op.verb in (ADD, REPLACE))


def addresses_of(paths: Paths, request: Request, ctid: str) -> frozenset[str]:
    """Return the addresses that a VE may have or get by this run."""
    found = {a for asked in request.expect.values() if isinstance(asked, Expected) for a in asked.addresses}
    with suppress(FileNotFoundError):
        config = host.read_config(paths, ctid, request.conffile)
        found.update(config.addresses if isinstance(config, VeConfig) else ())
    found.update(*evidence.veip(paths, [ctid]).values())
    return frozenset(found)


class One(NamedTuple):
    """Hold a VE and our note on it."""

    ctid: str
    record: Record


def _records(paths: Paths, texts: Mapping[str, str], ctids: Iterable[str]) -> dict[str, Record]:
    return {c: ve_notes.record(paths.ves, texts[c]) for c in ctids if c in texts}


def _one_for_each_uplink(paths: Paths, texts: Mapping[str, str], group: Container[str]) -> dict[str, One]:
    """Return by uplink, "" for none, the first VE that runs with it and is none of the group."""
    found: dict[str, One] = {}
    for ctid, text in texts.items():
        match = _RUNS.search(text)
        if match and match[1] not in found and ctid not in group:
            record = ve_notes.record(paths.ves, text)
            if record.phase == RUNNING and record.uplink == match[1] and record.addresses:
                found[record.uplink] = One(ctid, record)
    return found
