# SPDX-License-Identifier: GPL-2.0-or-later
"""Say in words what is not as it should be: of one VE, or of the node itself. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from vzhooks.model import Element, Item, Proxy, Route, Rule, Skeleton, Sysctl
from vzhooks.policy.plan import ADD, DELETE, REPLACE, Op, address_of
from vzhooks.words import counted

HOW = {ADD: "missing", REPLACE: "wrong", DELETE: "too many"}
NOUNS: dict[type[Item], tuple[str, str]] = {
    Rule: ("rule", ""), Route: ("route", ""), Element: ("guard element", ""), Skeleton: ("guard", ""),
    Proxy: ("published address", "published addresses"), Sysctl: ("kernel setting", "")}


def of_ve(ops: Iterable[Op], addresses: Iterable[str]) -> list[Op]:
    """Return the changes that concern the VE with these addresses."""
    mine = set(addresses)
    return [op for op in ops if address_of(op.item) in mine]


def by_address(ops: Iterable[Op]) -> dict[str, list[Op]]:
    """Return the changes by the address of the VE that they concern, those of the node by ""."""
    found: dict[str, list[Op]] = {}
    for op in ops:
        found.setdefault(address_of(op.item), []).append(op)
    return found


def of_node(ops: Iterable[Op]) -> list[Op]:
    """Return the changes that concern the node, and no VE by name."""
    return [op for op in ops if not address_of(op.item)]


def words(ops: Iterable[Op]) -> str:
    """Return what is missing, wrong or too many, "" for nothing."""
    counts = Counter((HOW[op.verb], type(op.item)) for op in ops)
    texts = {how: ", ".join(counted(n, *NOUNS[kind]) for (h, kind), n in counts.items() if h == how)
             for how in HOW.values()}
    return "; ".join(f"{how}: {text}" for how, text in texts.items() if text)
