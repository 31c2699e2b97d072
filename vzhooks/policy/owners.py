# SPDX-License-Identifier: GPL-2.0-or-later
"""Leave each address with one owner: a running VE keeps its address against a cloned config. Pure."""

from __future__ import annotations

from dataclasses import replace

from vzhooks.model import Problem
from vzhooks.policy.evidence import Event, Evidence
from vzhooks.policy.records import Record, Records


def settle(after: dict[str, Record], before: Records, evidence: Evidence, event: Event | None) -> list[Problem]:
    """Leave each address with one owner; return a Problem for each VE that lost one."""
    claims: dict[str, list[str]] = {}
    for ctid, record in sorted(after.items()):
        for address in record.addresses:
            claims.setdefault(address, []).append(ctid)
    problems = []
    for address, claimants in claims.items():
        owner = _owner(address, claimants, before, evidence, event) if len(claimants) > 1 else claimants[0]
        owner = _squatted(address, owner, evidence, event)
        for loser in (c for c in claimants if c != owner):
            record = after[loser]
            after[loser] = replace(record, addresses=tuple(a for a in record.addresses if a != address))
            if event is None or event.ctid == loser:
                problems.append(Problem(loser, f"address {address} belongs to the running VE {owner}; "
                                        f"give VE {loser} another one", bool(record.uplink), address))
    return problems


def _squatted(address: str, owner: str, evidence: Evidence, event: Event | None) -> str:
    """Return who really has an address that the VE being mounted claims and no record knows."""
    if not (event and event.name == "mount" and event.ctid == owner and address in evidence.routed):
        return owner
    listed = [c for c, veip in evidence.veip.items() if address in veip and not evidence.is_dead(c)]
    return listed[0] if listed and owner not in listed else owner


def _owner(address: str, claimants: list[str], before: Records, evidence: Evidence, event: Event | None) -> str:
    listed = [c for c in claimants if address in evidence.veip.get(c, ()) and not evidence.is_dead(c)]
    recorded = [c for c in claimants if c in before and address in before[c].addresses]
    if address in evidence.routed and len(listed) == 1:
        return listed[0]
    if event and event.ctid in claimants and not _holds_on(address, recorded, event, evidence):
        return event.ctid
    return next((c for c in recorded if not (event and c == event.ctid)), claimants[0])


def _holds_on(address: str, recorded: list[str], event: Event, evidence: Evidence) -> bool:
    """Tell whether the recorded owner still has the address: by its route, or by a start under way."""
    others = [c for c in recorded if c != event.ctid and not evidence.is_dead(c)]
    return bool(others) and (address in evidence.routed or bool(evidence.starting.intersection(others)))
