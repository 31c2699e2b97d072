# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare what the kernel answers before and after a first change on a node; keep in mind what --force let be lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from vzhooks.errors import HostError
from vzhooks.model import Item, Lookup
from vzhooks.node import notes
from vzhooks.node.host import Paths
from vzhooks.policy import compare
from vzhooks.policy.compare import Flow
from vzhooks.policy.marks import Marks
from vzhooks.run.request import Report

WAY_OUT = "start it without UPLINK and give it by `vzhooks set CTID --uplink NAME --save --force` where that is meant"


def look(kernel: Any, report: Report) -> dict[Flow, Lookup]:
    """Return what the kernel answers now for all who asked for nothing."""
    from vzhooks.kernel import asking  # as Kernel, only where the kernel is asked
    return asking.compare(kernel, compare.flows(report.facts, report.ways), report.facts.nics, Marks(report.found))


def differs(kernel: Any, report: Report, before: Mapping[Flow, Lookup], paths: Paths, force: bool,
            now: Iterable[Item]) -> tuple[tuple[str, ...], str]:
    """Return what goes another way since, a line each, and why that cannot be, "" where it can.

    now: what is in the kernel since. What was let be lost once by --force is not asked again.
    """
    if not before:
        return (), ""
    from vzhooks.kernel import asking
    after = asking.compare(kernel, before, report.facts.nics, Marks(now))
    moved, lost = compare.differences(before, after, report.settings.reserved)
    let = notes.load_let(paths.let)
    fresh = {f: line for f, line in lost.items() if f.key not in let}
    if fresh and not force:
        return (), f"this would cut off {'; '.join(fresh.values())}"
    if fresh:
        with suppress(HostError):  # on a full disk that is asked again
            notes.save_let(paths.let, let | {f.key for f in fresh})
    return (*moved.values(), *lost.values()), ""
