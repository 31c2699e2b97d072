# SPDX-License-Identifier: GPL-2.0-or-later
"""Find a packet's way through rules and tables as the kernel does, so that it is known what it would be without ours.

Pure. Where a rule chooses by what a plain packet does not tell, nothing is said.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterable, Mapping

from vzhooks.addresses import family_of, length_of
from vzhooks.model import Lookup, Route, Rule
from vzhooks.policy.foreign import ENDS, Other

LOCAL = 255
Tables = Mapping[int, "tuple[Route, ...]"]


def as_other(rule: Rule) -> Other:
    """Return a rule of ours as one among all."""
    action = "unreachable" if rule.unreachable else rule.action
    return Other(rule.family, rule.priority, action, rule.table, rule.src, rule.dst, rule.iif, mark=rule.mark,
                 suppress=rule.suppress)


def walk(src: str, dst: str, iif: str, rules: Iterable[Other], tables: Tables, own: Container[str],
         mark: int = 0) -> Lookup | None:
    """Return where a packet goes by these rules, in the order that the kernel takes them; None for what is not known.

    iif: the device that it comes in by, "lo" for what the node sends; own: the node's addresses.
    """
    least, line = 0, sorted((r for r in rules if r.family == family_of(dst)), key=lambda r: r.priority)
    there = {r.priority for r in line}
    for rule in line:
        if rule.priority < least:
            continue
        takes = _takes(rule, src, dst, iif, mark)
        if takes is None:
            return None
        if not takes or rule.action == "nop":
            continue
        if rule.action.startswith("goto "):
            target = int(rule.action.partition(" ")[2])
            least = target if target in there else least  # without its target it does nothing (fib_rules.c)
        elif rule.action in ENDS:
            return Lookup(error=rule.action)
        elif not rule.table:
            return None
        elif found := _in_table(src, dst, rule, tables, own):
            return found
    return Lookup(error="unreachable")


def _takes(rule: Other, src: str, dst: str, iif: str, mark: int) -> bool | None:
    if rule.more:
        return None
    bare = Other(rule.family, rule.priority, rule.action, src=rule.src, dst=rule.dst)
    marked = rule.mark is None or not (mark ^ rule.mark[0]) & rule.mark[1]
    source = src or ("::" if rule.family == 6 else "0.0.0.0")
    fits = bare.takes(source, dst) and rule.iif in ("", iif) and not rule.oif and marked
    return fits != rule.inverted


def _in_table(src: str, dst: str, rule: Other, tables: Tables, own: Container[str]) -> Lookup | None:
    """Return what a table says of a destination, None where it says nothing, or throws it back."""
    if rule.table == LOCAL and dst in own:
        return Lookup(LOCAL, "lo", local=True)
    ip = ipaddress.ip_address(dst)
    fits = [r for r in tables.get(rule.table, ()) if r.family == rule.family and not r.tos and _held(src, r.src)
            and (r.dst == "default" or ip in ipaddress.ip_network(r.dst))]
    best = min(fits, key=lambda r: (-_length(r.dst), -_length(r.src), r.metric), default=None)
    if best is None or best.nowhere == "throw" or (rule.suppress is not None and _length(best.dst) <= rule.suppress):
        return None
    return Lookup(rule.table, best.dev, best.gateway, error=best.nowhere)


def _length(network: str) -> int:
    return 0 if network in ("", "default") else length_of(network)


def _held(src: str, network: str) -> bool:
    return not network or bool(src) and ipaddress.ip_address(src) in ipaddress.ip_network(network)


def agree(one: Lookup, other: Lookup) -> bool:
    """Tell whether two answers send a packet the same way, or nowhere, whatever they call that."""
    if one.error or other.error:
        return bool(one.error) == bool(other.error)
    return (one.dev, one.gateway, one.table) == (other.dev, other.gateway, other.table)
