# SPDX-License-Identifier: GPL-2.0-or-later
"""By what a run reads the node and writes its notes: everything, as it is now, unless somebody remembers it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vzhooks.config.settings import Settings
from vzhooks.node import evidence, notes
from vzhooks.node.host import Paths
from vzhooks.policy.datapath import Datapath
from vzhooks.policy.health import Change
from vzhooks.policy.plan import ALL, Op, Scope
from vzhooks.policy.records import Records

if TYPE_CHECKING:
    from vzhooks.kernel.netlink import Kernel


class Wider(BaseException):
    """Say that all VEs have to be looked at: no error, for nobody else to catch."""


class Doors:
    """Read everything, each time anew."""

    @contextmanager
    def kernel(self) -> Iterator[Kernel]:
        """Open the kernel; raises HostError where that cannot be."""
        from vzhooks.kernel.netlink import Kernel  # costs 150 ms, which a VE without uplink need not pay
        with Kernel() as opened:
            yield opened

    def known(self, paths: Paths) -> Records:
        """Return our notes on VEs; raises HostError as `notes.load_ves`."""
        return notes.load_ves(paths.ves)

    def note(self, paths: Paths, before: Records, after: Records) -> None:
        """Write down what became of the notes that `known` returned; raises HostError."""
        if dict(before) != dict(after):
            notes.save_ves(paths.ves, after)

    def listed(self, paths: Paths) -> Mapping[str, tuple[str, ...]]:
        """Return the addresses by VE that vzctl keeps a list of."""
        return evidence.veip(paths)

    def is_whole(self) -> bool:
        """Tell whether what was read is of all VEs, so that it may be noted down who stands in for whom."""
        return True

    def all(self) -> Scope:
        """Let a run change what concerns all VEs; raises Wider where it does not see them all."""
        return ALL

    def wide(self) -> Doors:
        """Return by what to look at all VEs."""
        return self

    def leave(self, settings: Settings, by: Datapath, routed: frozenset[str], changed: tuple[Change, ...]) -> None:
        """Hear what the node is like where not all VEs are looked at; whoever does so later sees to what changed.

        by: how packets find their uplinks; routed: the addresses of VEs that main has a route to; changed: who stands
        in for whom since now.
        """

    def due(self, ops: tuple[Op, ...]) -> tuple[Op, ...]:
        """Return which of the changes between found and wanted are to be made."""
        return ops
