# SPDX-License-Identifier: GPL-2.0-or-later
"""Say in words what the kernel would do with a VE's packet, and whether that is as configured. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vzhooks.model import MAIN, Lookup, Rule
from vzhooks.policy import FROM_VE, TO_VE
from vzhooks.uplinks import Way

LOCAL_TABLE = 255


@dataclass(frozen=True)
class Answer:
    """Hold the lines to print and, in one line, how the answer contradicts the config ("" if not)."""

    lines: tuple[str, ...]
    contradiction: str = ""


def explain(lookup: Lookup, src: str, dst: str, way: Way, rules: Iterable[Rule], tables: Mapping[str, int]) -> Answer:
    """Return rule, table, device and source of the packet, and why."""
    rule = _rule(lookup, src, dst, rules)
    names = {number: f" ({key.partition(':')[2]})" for key, number in tables.items()}
    names.update({MAIN: " (main)", LOCAL_TABLE: " (local)"})
    table = f"{lookup.table}{names.get(lookup.table, '')}" if lookup.table else "-"
    via = f" via {lookup.gateway}" if lookup.gateway else ""
    device = f"{lookup.dev}{via}" if lookup.dev else "none"
    lines = [f"rule    {rule}", f"table   {table}", f"device  {device}", f"source  {src}",
             f"why     {_why(lookup, dst, way)}"]
    return Answer(tuple(lines), _contradiction(lookup, way))


def _rule(lookup: Lookup, src: str, dst: str, rules: Iterable[Rule]) -> str:
    """Return the first of our rules that leads to the table found, else whose rule it must be."""
    if lookup.local:
        return "from all lookup local priority 0"
    for rule in sorted(rules, key=lambda r: r.priority):
        fits = _holds(rule.src, src) and _holds(rule.dst, dst) and rule.priority in (TO_VE, FROM_VE)
        leads = rule.unreachable or rule.table == lookup.table or (not lookup.table and rule.priority == FROM_VE)
        if fits and leads:
            return str(rule).rpartition(" protocol")[0]
    return "none of vzhooks"


def _holds(network: str, address: str) -> bool:
    return not network or ipaddress.ip_address(address) in ipaddress.ip_network(network)


def _why(lookup: Lookup, dst: str, way: Way) -> str:
    ctid = way.ve.ctid
    if lookup.local:
        return f"{dst} is an address of this node, so the packet stays here"
    if lookup.to_ve:
        return f"{dst} is a VE of this node, so the packet stays here whatever the uplinks"
    if lookup.error:
        reason = way.why or "its uplink's table has no way there"
        return f"the kernel answers: {lookup.error}. VE {ctid} is cut off: {reason}"
    if way.uplink and lookup.dev == way.uplink.device:
        how = f"by its gateway {lookup.gateway}" if lookup.gateway else "which has it on its own LAN"
        return f"VE {ctid} goes by the uplink {way.uplink.name}, {how}"
    if not way.uplink and way.state == "unassigned":
        return f"VE {ctid} has no uplink, so main decides"
    return "a rule or route that is not of vzhooks decides; `vzhooks doctor` may name it"


def _contradiction(lookup: Lookup, way: Way) -> str:
    stays = lookup.local or lookup.to_ve or lookup.error
    if stays or way.state == "unassigned" or (way.uplink and way.uplink.device == lookup.dev):
        return ""
    want = f"leave by {way.uplink.device}" if way.uplink else "be cut off"
    return (f"VE {way.ve.ctid} should {want}, but routing says {lookup.dev}; the guard drops such packets. "
            "Run `vzhooks resync`")
