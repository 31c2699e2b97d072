# SPDX-License-Identifier: GPL-2.0-or-later
"""Say an op as the ip(8), nft(8) or sysctl(8) command it equals. Pure."""

from __future__ import annotations

from vzhooks.model import Element, Proxy, Route, Rule, Skeleton, Sysctl
from vzhooks.policy import guard
from vzhooks.policy.plan import ADD, DELETE, REPLACE, Op


def shell(op: Op) -> str:
    """Return an op as the ip(8) or nft(8) command it equals."""
    if isinstance(op.item, Skeleton):
        verb = "delete" if op.verb == DELETE else "add"
        return "nft " + " \\; ".join(f"{verb} table {family} {guard.NAME}" for family in guard.FAMILIES)
    if isinstance(op.item, Element):
        place, text = guard.place(op.item.set), guard.element_text(op.item)
        first = f"delete element {place} '{{ {guard.key_text(op.item)} }}' \\; " if op.verb == REPLACE else ""
        return f"nft {first}{DELETE if op.verb == DELETE else ADD} element {place} '{{ {text} }}'"
    if isinstance(op.item, Sysctl):
        return f"sysctl -w {op.item}"
    kind = {Rule: "rule", Route: "route", Proxy: "neigh"}[type(op.item)]
    verb = "del" if op.verb == DELETE else op.verb
    return f"ip {'-6 ' if op.item.family == 6 else ''}{kind} {verb} {op.item}"
