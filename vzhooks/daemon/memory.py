# SPDX-License-Identifier: GPL-2.0-or-later
"""Run by what the daemon remembers: of the whole node, or of one VE and those that have to do with it.

What becomes of one VE depends on its own config, evidence and notes, on those that claim its addresses, and on whether
any VE at all has an uplink. So a hook looks at that much, beside one other VE that stands for all the rest: it adds
what its VE needs, and takes away nothing but what served its VE. The whole node is looked at behind it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import cast

from vzhooks.kernel.near import NearKernel
from vzhooks.kernel.netlink import Kernel
from vzhooks.kernel.remembered import Remembered
from vzhooks.model import Rule, Skeleton
from vzhooks.node import evidence, notes
from vzhooks.node.host import Paths
from vzhooks.policy.guard import ALTERED
from vzhooks.policy.plan import ADD, ALL, Op, Scope, address_of
from vzhooks.policy.priorities import PASS, UNMARKED
from vzhooks.policy.records import RUNNING, Record, Records
from vzhooks.run.doors import Doors, Wider
from vzhooks.run.near import addresses_of
from vzhooks.run.request import Request

WHOLE = 16
"""How many records there are for each one that may be written behind them: 10,000 take 5 ms, and a hook changes one."""


class Memory(Doors):
    """Hold the kernel and our notes; the notes count as long as nobody else wrote them."""

    def __init__(self, kernel: Remembered) -> None:
        self.remembered = kernel
        self._records: dict[str, Record] = {}
        self._texts: dict[str, str] = {}
        self._owners: dict[str, set[str]] = {}
        self._seen: object = None
        self._added: int | None = None  # how many records were written behind the file; none where it is not ours
        self._anchor = ""

    @contextmanager
    def kernel(self) -> Iterator[Kernel]:
        """Lend the kernel that is open."""
        yield self.remembered

    def known(self, paths: Paths) -> Records:
        """Return our notes on VEs, as `Doors.known`."""
        return dict(self.records(paths))

    def records(self, paths: Paths) -> Records:
        """Return the same as what it is itself, which `note` changes."""
        seen = _state(paths.ves)
        if seen != self._seen or seen is None:
            self._records, self._texts, self._owners = {}, {}, {}
            self._take(notes.load_ves(paths.ves))
            self._seen, self._added = seen, None
        return self._records

    def _take(self, changed: Mapping[str, Record | None]) -> None:
        """Remember what became of some records; None for one that is gone."""
        for ctid, record in changed.items():
            former = self._records.pop(ctid, None)
            for address in former.all if former else ():
                self._owners[address].discard(ctid)
            self._texts.pop(ctid, None)
            if record:
                self._records[ctid], self._texts[ctid] = record, notes.text_of(ctid, record)
                for address in record.all:
                    self._owners.setdefault(address, set()).add(ctid)

    def note(self, paths: Paths, before: Records, after: Records) -> None:
        """Write down what became of the notes, rendering those alone that changed."""
        changed: dict[str, Record | None] = {c: r for c, r in after.items() if before.get(c) is not r
                                             and before.get(c) != r}
        changed.update({c: None for c in before if c not in after})
        if changed:
            self._take(changed)
            self._seen = None  # until it is written
            self._write(paths.ves, changed)
            self._seen = _state(paths.ves)

    def _write(self, path: str, changed: Mapping[str, Record | None]) -> None:
        """Write down what changed: behind the rest, unless that is little or has got long by it."""
        added, self._added = self._added, None
        if added is not None and added + len(changed) <= len(self._records) // WHOLE:
            notes.add_records(path, changed)
            self._added = added + len(changed)
        else:
            notes.save_texts(path, self._texts)
            self._added = 0

    def owner(self, address: str) -> str:
        """Return the one VE that we know to have an address, "" for none or several."""
        owners = self._owners.get(address, ())
        return next(iter(owners)) if len(owners) == 1 else ""

    def around(self, ctid: str, addresses: frozenset[str]) -> frozenset[str]:
        """Return the VEs to look at for one with these addresses, none where all must be; after `known`."""
        mine = addresses | frozenset(self._records[ctid].all if ctid in self._records else ())
        group = {ctid} | {c for a in mine for c in self._owners.get(a, ())}
        anchor = self._stands_for_all(group)
        return frozenset({*group, anchor}) if anchor and self._is_whole() else frozenset()

    def _stands_for_all(self, group: set[str]) -> str:
        """Return another VE that runs with an uplink, "" for none."""
        def serves(ctid: str) -> bool:
            record = self._records.get(ctid)
            return bool(record and record.uplink and record.phase == RUNNING and record.addresses and ctid not in group)
        if not serves(self._anchor):
            self._anchor = next(filter(serves, self._records), "")
        return self._anchor

    def _is_whole(self) -> bool:
        """Tell whether what concerns all VEs is in place."""
        rules = cast("frozenset[Rule]", self.remembered.ruling()[0].near(()))
        guard = [i for i in self.remembered.guarding().near(()) if isinstance(i, Skeleton)]
        return bool(guard) and guard[0] != ALTERED and any(r.priority in (PASS, UNMARKED) for r in rules)


class Near(Doors):
    """Hold whom a run is about; which VEs it looks at, none for all, is decided when it reads our notes."""

    def __init__(self, memory: Memory, ctid: str, addresses: frozenset[str]) -> None:
        self.memory, self.ctid, self.addresses = memory, ctid, addresses
        self._ctids: frozenset[str] = frozenset()
        self._wide = False

    @contextmanager
    def kernel(self) -> Iterator[Kernel]:
        """Lend what is near of the kernel."""
        remembered = self.memory.remembered
        yield cast(Kernel, NearKernel(remembered, self.addresses)) if self._ctids else remembered

    def known(self, paths: Paths) -> Records:
        """Return our notes on the VEs to look at."""
        known = self.memory.records(paths)
        self._ctids = frozenset() if self._wide else self.memory.around(self.ctid, self.addresses)
        if not self._ctids:
            return dict(known)
        near = {c: known[c] for c in self._ctids if c in known}
        self.addresses |= {a for record in near.values() for a in record.all}
        return near

    def note(self, paths: Paths, before: Records, after: Records) -> None:
        """Write down what became of these."""
        self.memory.note(paths, before, after)

    def listed(self, paths: Paths) -> Mapping[str, tuple[str, ...]]:
        """Return what vzctl has listed of these VEs."""
        return evidence.veip(paths, self._ctids or None)

    def is_whole(self) -> bool:
        """Leave it to the look at the whole node that others of an uplink go another way."""
        return not self._ctids

    def all(self) -> Scope:
        """Let a run change what concerns all VEs; raises Wider where it does not see them all."""
        if self._ctids:
            raise Wider
        return ALL

    def wide(self) -> Doors:
        """Return by what to look at all VEs: this, from now on."""
        self._wide = True
        return self

    def due(self, ops: tuple[Op, ...]) -> tuple[Op, ...]:
        """Leave alone what the node has beside VEs: others need what these do not."""
        return tuple(op for op in ops if not self._ctids or address_of(op.item) or op.verb == ADD)


def near(memory: Memory, paths: Paths, request: Request) -> Doors:
    """Return by what to run a request: of one VE by what is near it."""
    if not request.named or len(request.named) != 1:
        return memory
    ctid = next(iter(request.named))
    return Near(memory, ctid, addresses_of(paths, request, ctid))


def _state(path: str) -> object:
    """Return what tells whether a file was written anew, None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
