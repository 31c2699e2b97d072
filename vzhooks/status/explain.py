# SPDX-License-Identifier: GPL-2.0-or-later
"""Say in words what the kernel would do with a VE's packet, and whether that is as configured. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from vzhooks.addresses import family_of
from vzhooks.model import MAIN, Element, Item, Lookup, Rule, Skeleton
from vzhooks.policy import guard
from vzhooks.policy.foreign import Other, culprit, decider, mend, said_of, taken_at, unheard
from vzhooks.policy.priorities import BY_MARK, FROM_DEVICE, FROM_VE, LOCAL_MARK, NO_WAY, TO_VE
from vzhooks.policy.uplinks import Way

LOCAL_TABLE = 255


@dataclass(frozen=True)
class Answer:
    """Hold the lines to print and, in one line, how the answer contradicts the config ("" if not)."""

    lines: tuple[str, ...]
    contradiction: str = ""


@dataclass(frozen=True)
class Known:
    """Hold what an answer is explained by.

    rules: ours, of the packet's family; others: those of others; tables: number by key; guard: the items
    of our nftables tables; due: what a resync would mend for the VE or the node, in words.
    """

    rules: tuple[Rule, ...] = ()
    others: tuple[Other, ...] = ()
    tables: Mapping[str, int] = field(default_factory=dict)
    guard: Collection[Item] = ()
    due: str = ""


def explain(lookup: Lookup, src: str, dst: str, way: Way, known: Known) -> Answer:
    """Return rule, table, device and source of the packet, and why."""
    names = {number: f" ({key.partition(':')[2]})" for key, number in known.tables.items()}
    names.update({MAIN: " (main)", LOCAL_TABLE: " (local)"})
    table = f"{lookup.table}{names.get(lookup.table, '')}" if lookup.table else "-"
    via = f" via {lookup.gateway}" if lookup.gateway else ""
    device = f"{lookup.dev}{via}" if lookup.dev else "none"
    theirs = culprit(lookup, src, dst, known.others, taken_at(known.rules)) if _is_wrong(lookup, way) else None
    lines = [f"rule    {_rule(lookup, src, dst, known, theirs)}", f"table   {table}", f"device  {device}",
             f"source  {src}", f"why     {_why(lookup, src, dst, way, known, theirs)}"]
    return Answer(tuple(lines), _contradiction(lookup, src, way, known, theirs))


def _is_wrong(lookup: Lookup, way: Way) -> bool:
    """Tell whether the packet does not go by the VE's uplink; whether it can is another question."""
    return not (lookup.local or lookup.to_ve or way.state == "unassigned"
                or (way.uplink and lookup.dev == way.uplink.device))


def _rule(lookup: Lookup, src: str, dst: str, known: Known, theirs: Other | None) -> str:
    """Return the first rule that leads to the table found: one of others before ours, ours, one of others."""
    if lookup.local:
        return "from all lookup local priority 0"
    if theirs:
        return theirs.named
    ours = _ours(lookup, src, dst, known.rules)
    later = decider(lookup, src, dst, known.others)
    main = "from all lookup main priority 32766" if lookup.table == MAIN else "none of vzhooks"
    return str(ours).rpartition(" protocol")[0] if ours else later.named if later else main


def _ours(lookup: Lookup, src: str, dst: str, rules: Iterable[Rule]) -> Rule | None:
    for rule in sorted(rules, key=lambda r: r.priority):
        fits = _holds(rule.src, src) and _holds(rule.dst, dst) and (
            rule.priority in (TO_VE, FROM_VE, FROM_DEVICE, BY_MARK, NO_WAY)
            or (rule.priority == LOCAL_MARK and lookup.to_ve))
        leads = (not lookup.dev if rule.unreachable else rule.table == lookup.table
                 or (not lookup.table and rule.priority == FROM_VE))
        if fits and leads:
            return rule
    return None


def _holds(network: str, address: str) -> bool:
    return not network or ipaddress.ip_address(address) in ipaddress.ip_network(network)


def _why(lookup: Lookup, src: str, dst: str, way: Way, known: Known, theirs: Other | None) -> str:
    ctid = way.ve.ctid
    if lookup.local:
        return f"{dst} is an address of this node, so the packet stays here"
    if lookup.to_ve:
        return f"{dst} is a VE of this node, so the packet stays here whatever the uplinks"
    if theirs:
        answer = f"the kernel answers: {lookup.error}. " if lookup.error else ""
        return f"{answer}another's rule comes before those of vzhooks: {theirs.named}"
    if lookup.error:
        return f"the kernel answers: {lookup.error}. VE {ctid} is cut off: {_cut_off(way, known)}"
    if way.uplink and lookup.dev == way.uplink.device:
        after = "".join(f"; {said_of(o)}" for o in unheard(src, known.others, taken_at(known.rules)))
        how = f"by its gateway {lookup.gateway}" if lookup.gateway else "which has it on its own LAN"
        backup = f", the backup of {way.ve.uplink} ({way.why})" if way.state == "backup" else ""
        return f"VE {ctid} goes by the uplink {way.uplink.name}{backup}, {how}{after}"
    if way.state == "unassigned":
        return f"VE {ctid} has no uplink, so main decides"
    return f"its rules are not as they should be ({known.due})" if known.due else "no rule of vzhooks decides"


def _cut_off(way: Way, known: Known) -> str:
    due = f"not all is in place for it ({known.due}); run `vzhooks resync`" if known.due else ""
    return way.why or due or "its uplink's table has no way there"


def _contradiction(lookup: Lookup, src: str, way: Way, known: Known, theirs: Other | None) -> str:
    can = way.state in ("ok", "backup")
    if not _is_wrong(lookup, way) or (lookup.error and not (can and (theirs or known.due))):
        return ""
    want = f"leave by {way.uplink.device}" if way.uplink and can else "be cut off"
    says = f"the kernel sends it by {lookup.dev}" if lookup.dev else f"the kernel answers: {lookup.error}"
    step = f"another's rule does that: {mend(theirs)}" if theirs else (
        "run `vzhooks resync`" if known.due else "`vzhooks doctor` may name what does that")
    return f"VE {way.ve.ctid} should {want}, but {says}{_held(lookup, src, known.guard)}; {step}"


def _held(lookup: Lookup, src: str, items: Collection[Item]) -> str:
    """Return what becomes of a packet that goes a wrong way: that the guard drops it is said only where it does."""
    if not lookup.dev:
        return ""
    return ", where the guard drops it" if is_held(src, lookup.dev, items) else ", and no guard holds it: it does leave"


def is_held(src: str, dev: str, items: Collection[Item]) -> bool:
    """Tell whether our guard, as it is now, drops what this source sends by this device."""
    family = family_of(src)
    known = {i.value[1] for i in items if isinstance(i, Element) and i.set == f"known{family}" and i.value[0] == src}
    listed = any(how.startswith("assigned") for how in known) and Element(f"exits{family}", (src, dev)) not in items
    kept = bool(known) and Element("reserved", (dev,)) in items
    return any(isinstance(i, Skeleton) and i != guard.ALTERED for i in items) and (listed or kept)
