# SPDX-License-Identifier: GPL-2.0-or-later
"""Answer `vzhooks route`: find the VE, ask the kernel, explain."""

from __future__ import annotations

import ipaddress

from vzhooks.addresses import family_of
from vzhooks.config.vzconf import shown
from vzhooks.errors import InputError, UsageError
from vzhooks.model import Rule
from vzhooks.node.host import Paths
from vzhooks.policy import drift
from vzhooks.policy.marks import Marks
from vzhooks.run import assign, reconcile
from vzhooks.run.request import LOOK, Report, Request
from vzhooks.status import explain
from vzhooks.status.explain import Answer, Known
from vzhooks.words import joined


def ask(paths: Paths, given: str, dest: str) -> tuple[list[Answer], tuple[str, ...]]:
    """Return the kernel's answer for each of the VE's addresses of the destination's family, and warnings.

    Raises UsageError for a destination that is no address, InputError for a VE that does not run.
    """
    try:
        dst = str(ipaddress.ip_address(dest))
    except ValueError:
        raise UsageError(f"{shown(dest)} is no address; give an IPv4 or IPv6 address") from None
    ctid = assign.find(paths, given)
    report = reconcile.run(paths, Request(ctids=frozenset({ctid}), dry_run=True, door=LOOK))
    if ctid not in report.by_ve:
        raise InputError(f"VE {ctid} does not run, so it sends nothing; start it first")
    ways = {a: w for w in report.by_ve[ctid] for a in w.ve.addresses if family_of(a) == family_of(dst)}
    if not ways:
        raise InputError(f"VE {ctid} has no IPv{family_of(dst)} address, so it sends nothing to {dst}")
    from vzhooks.kernel.asking import answers
    lookups, _ = answers([(src, dst) for src in ways], (), report.facts, Marks(report.found))
    ours = tuple(i for i in report.found if isinstance(i, Rule) and i.family == family_of(dst))
    return [explain.explain(lookup, src, to, ways[src], Known(ours, report.facts.theirs, report.tables, report.found,
                                                        _due(report, src)))
            for (src, to), lookup in lookups.items()], report.warnings


def _due(report: Report, src: str) -> str:
    return joined((drift.words(drift.of_ve(report.ops, {src})), drift.words(drift.of_node(report.ops))))
