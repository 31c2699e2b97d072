# SPDX-License-Identifier: GPL-2.0-or-later
"""By what a hook does its work: by itself, in a process that ends with it, or whatever a daemon puts in place."""

from __future__ import annotations

from vzhooks.neighbours import follow
from vzhooks.node.host import Paths
from vzhooks.run import near
from vzhooks.run.request import Report, Request


class Means:
    """Run, and tell neighbours, from a process of its own."""

    def run(self, paths: Paths, request: Request) -> Report:
        """Carry out a run; raises as `reconcile.run`."""
        return near.run(paths, request)

    def moved(self, report: Report) -> None:
        """Announce what a run moved, now and some times more."""
        follow.announce_moved(report)

    def mounted(self, paths: Paths, ctid: str, addresses: frozenset[str]) -> None:
        """Publish and announce a VE's addresses once they are routed."""
        follow.after_mount(paths, ctid, addresses)

    def changed(self, paths: Paths, ctid: str, added: frozenset[str], expected: frozenset[str]) -> None:
        """Settle a running VE's addresses once vzctl is done with them, as `follow.after_change`."""
        follow.after_change(paths, ctid, added, expected)
