# SPDX-License-Identifier: GPL-2.0-or-later
"""Gather what `vzhooks status` shows: a dry run, and what the neighbour cache knows. Sends nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vzhooks import assign, reconcile, status
from vzhooks.host import Paths
from vzhooks.reconcile import Request
from vzhooks.settings import Settings
from vzhooks.status import View
from vzhooks.uplinks import with_masters


def gather(paths: Paths, settings: Settings, given: Sequence[str]) -> View:
    """Return what there is to show of the VEs given by id or name, of all for none.

    Raises as `assign.find` and `reconcile.run`.
    """
    ctids = assign.find_all(paths, given)
    report = reconcile.run(paths, settings, Request(ctids=frozenset(ctids) or None, dry_run=True))
    view = View(report, with_masters(settings, report.facts.nics), ctids)
    places = status.places(view)
    if not places:
        return view
    from vzhooks.kernel import Kernel
    with Kernel() as kernel:
        return replace(view, reachable=kernel.reachable(places, report.facts.nics))
