# SPDX-License-Identifier: GPL-2.0-or-later
"""Answer `vzhooks route`: find the VE, ask the kernel, explain."""

from __future__ import annotations

import ipaddress

from vzhooks import assign, explain, reconcile
from vzhooks.errors import InputError, UsageError
from vzhooks.explain import Answer
from vzhooks.host import Paths
from vzhooks.model import family_of
from vzhooks.reconcile import Request
from vzhooks.settings import Settings
from vzhooks.vzconf import shown


def ask(paths: Paths, settings: Settings, given: str, dest: str) -> list[Answer]:
    """Return the kernel's answer for each of the VE's addresses of the destination's family.

    Raises UsageError for a destination that is no address, InputError for a VE that does not run.
    """
    try:
        dst = str(ipaddress.ip_address(dest))
    except ValueError:
        raise UsageError(f"{shown(dest)} is no address; give an IPv4 or IPv6 address") from None
    ctid = assign.find(paths, given)
    report = reconcile.run(paths, settings, Request(ctids=frozenset({ctid}), dry_run=True))
    way = next((w for w in report.ways if w.ve.ctid == ctid), None)
    if way is None:
        raise InputError(f"VE {ctid} does not run, so it sends nothing; start it first")
    sources = [a for a in way.ve.addresses if family_of(a) == family_of(dst)]
    if not sources:
        raise InputError(f"VE {ctid} has no IPv{family_of(dst)} address, so it sends nothing to {dst}")
    from vzhooks.kernel import Kernel
    with Kernel() as kernel:
        facts, rules = kernel.facts(), kernel.rules()[0]
        return [explain.explain(kernel.lookup(src, dst, facts), src, dst, way,
                                [r for r in rules if r.family == family_of(dst)], report.tables) for src in sources]
