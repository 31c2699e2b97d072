# SPDX-License-Identifier: GPL-2.0-or-later
"""Gather what `vzhooks status` shows: a dry run, what the neighbour cache knows, and the kernel's own answers.

Sends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vzhooks import __version__
from vzhooks.ask import command
from vzhooks.node.host import Paths
from vzhooks.policy.marks import Marks
from vzhooks.run import assign, reconcile
from vzhooks.run.request import LOOK, Request
from vzhooks.status import view
from vzhooks.status.view import View


def gather(paths: Paths, given: Sequence[str]) -> View:
    """Return what there is to show of the VEs given by id or name, of all for none.

    Raises as `assign.find` and `reconcile.run`.
    """
    ctids = assign.find_all(paths, given)
    report = reconcile.run(paths, Request(ctids=frozenset(ctids) or None, dry_run=True, door=LOOK))
    return ask(View(report, report.settings, ctids, others=report.facts.theirs, warnings=report.warnings,
                    daemon=command.hello(__version__)))


def ask(seen: View) -> View:
    """Return the view with what the kernel answers to its questions."""
    places, questions = view.places(seen), view.questions(seen)
    if not places and not questions:
        return seen
    from vzhooks.kernel.asking import answers
    lookups, reachable = answers(questions, places, seen.report.facts, Marks(seen.report.found))
    return replace(seen, lookups=lookups, reachable=reachable)
