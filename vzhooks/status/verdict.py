# SPDX-License-Identifier: GPL-2.0-or-later
"""Judge one VE: its state, and why it is not plain ok, by our items and by what the kernel answers. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from vzhooks.addresses import family_of
from vzhooks.config.vzconf import VeConfig
from vzhooks.model import Lookup
from vzhooks.policy import drift
from vzhooks.policy.foreign import Other, culprit, mend, said_of, unheard
from vzhooks.policy.records import STARTING, STOPPING
from vzhooks.policy.uplinks import Way
from vzhooks.status.view import FAR, STOPPED, View, destinations, hops, missing, sources
from vzhooks.words import joined

OK, UNASSIGNED, BACKUP, LAN_ONLY = "ok", "unassigned", "backup", "lan-only"
DRIFT, BLOCKED, DIVERTED, NO_GATEWAY, MOUNTED = "drift", "blocked", "diverted", "no-gateway", "mounted"
ROUTE_S = 120
"""How long a start may take to its first route; vzctl needs up to 7 s, and longer on a busy node."""
CALM = frozenset({OK, UNASSIGNED, BACKUP, LAN_ONLY, STOPPED})
"""The states in which nobody needs to do anything now."""


@dataclass(frozen=True)
class Wrong:
    """Hold one packet that the kernel does not send where it should, and the rule of others that does it."""

    src: str
    dst: str
    lookup: Lookup
    rule: Other | None = None


def judge(way: Way, view: View) -> tuple[str, str]:
    """Return a VE's state and why it is so, "" where there is nothing to say."""
    if way.state == STOPPED:
        return way.state, way.why
    key = (way.ve.ctid, way.name, *way.ve.addresses)
    if key not in view.judged:
        state, why = _state(way, view)
        view.judged[key] = state, joined((why, given_by_hand(way, view), *_unheard(way, view)))
    return view.judged[key]


def _unheard(way: Way, view: View) -> list[str]:
    rules = [o for a in way.ve.addresses for o in unheard(a, view.others, view.first)] if way.uplink else []
    return [said_of(rule) for rule in dict.fromkeys(rules)]


def _state(way: Way, view: View) -> tuple[str, str]:
    due = drift.words(op for a in dict.fromkeys(way.ve.addresses) for op in view.report.due.get(a, ()))
    wrong = astray(way, view)
    if wrong and wrong.rule:
        return DIVERTED, joined((_diverted(wrong), way.why, due))
    if due:
        return DRIFT, joined((f"{due}; run `vzhooks resync`", way.why))
    if wrong and view.report.due.get(""):
        return DRIFT, f"{sent(wrong)}, since the node's own items drift; run `vzhooks resync`"
    if wrong:
        return DIVERTED, f"{sent(wrong)}, though all of vzhooks is in place; see `ip rule` and `vzhooks doctor`"
    if is_only_mounted(way, view):
        return MOUNTED, joined((f"mounted, but no address of it is routed here, so it does not run or cannot be "
                                f"reached; `vzctl status {way.ve.ctid}`, then start or umount it", way.why))
    return _with_gateway(way, view)


def astray(way: Way, view: View) -> Wrong | None:
    """Return the first packet that goes a wrong way, one that a rule of others takes before all."""
    found = []
    for src in sources(way, view) if way.uplink else ():
        for dst in destinations(src, way, view):
            lookup = view.lookups.get((src, dst))
            if lookup and _is_wrong(lookup, src, way, view):
                found.append(Wrong(src, dst, lookup, culprit(lookup, src, dst, view.others, view.first)))
    return next((w for w in found if w.rule), found[0] if found else None)


def _is_wrong(lookup: Lookup, src: str, way: Way, view: View) -> bool:
    if lookup.local or lookup.to_ve or way.uplink is None:
        return False
    if lookup.dev:
        return lookup.dev != way.uplink.device
    gateway = hops(way.uplink, view).get(family_of(src), ("", ""))[0]
    return way.state in (OK, BACKUP) and bool(gateway)


def sent(wrong: Wrong) -> str:
    """Return in words where the kernel sends such a packet."""
    beyond = "beyond its gateway" if wrong.dst == FAR[family_of(wrong.dst)] else f"to {wrong.dst}"
    where = f"by {wrong.lookup.dev}" if wrong.lookup.dev else f"nowhere ({wrong.lookup.error})"
    return f"the kernel sends {wrong.src} {beyond} {where}"


def _diverted(wrong: Wrong) -> str:
    assert wrong.rule
    return f"{sent(wrong)}: another's rule comes before ours: {wrong.rule.named}; {mend(wrong.rule)}"


def is_only_mounted(way: Way, view: View) -> bool:
    """Tell whether a VE counts as running, or as starting for long, though no address of it is routed here."""
    record, config = view.report.records.get(way.ve.ctid), view.report.configs.get(way.ve.ctid)
    if record and record.phase == STARTING and view.report.now - record.since < ROUTE_S:
        return False
    addresses = {*way.ve.addresses, *(record.addresses if record else ())}
    routed = any(a in view.report.facts.local for a in addresses)
    bridged = isinstance(config, VeConfig) and config.bridged
    return bool(record and record.phase != STOPPING and addresses and not routed and not bridged)


def _with_gateway(way: Way, view: View) -> tuple[str, str]:
    """Return state and reason, with what a gateway that is not known or does not answer means to this VE."""
    if not way.uplink or way.state not in (OK, BACKUP):
        return way.state, joined((way.why, _by_reserved(way, view)))
    dumb = " and ".join(f"{gateway} on {device}" for gateway, device in silent(way, view))
    if dumb:
        why = f"gateway {dumb} does not answer; look for it with `ping`, or correct it in the ini"
        return NO_GATEWAY, joined((why, way.why))
    families = {family_of(a) for a in way.ve.addresses}
    lost = missing(way.uplink, view) & families
    if not lost:
        return way.state, way.why
    which = " and ".join(f"IPv{f}" for f in sorted(lost))
    why = f"no {which} gateway known for {way.uplink.device}, so by {which} it reaches that LAN only"
    return LAN_ONLY if lost == families and way.state == OK else way.state, joined((way.why, why))


def silent(way: Way, view: View) -> list[tuple[str, str]]:
    """Return (gateway, device) of a VE's gateways that do not answer, while its uplink works."""
    families = {family_of(a) for a in way.ve.addresses}
    used = hops(way.uplink, view) if way.uplink and way.state in (OK, BACKUP) else {}
    return [hop for family, hop in used.items() if family in families and view.reachable.get(hop) is False]


def _by_reserved(way: Way, view: View) -> str:
    """Return what is to say of a VE that main would send by a device that is kept from VEs."""
    sent = [view.lookups.get((src, FAR[family_of(src)])) for src in sources(way, view)]
    devices = {s.dev for s in sent if s and s.dev in view.settings.reserved}
    return f"main sends it by {', '.join(sorted(devices))}, which is reserved, so it is dropped" if devices else ""


def given_by_hand(way: Way, view: View) -> str:
    """Return what is to say of an uplink that `vzhooks set` gave without --save."""
    record, config = view.report.records.get(way.ve.ctid), view.report.configs.get(way.ve.ctid)
    if record is None or record.override is None:
        return ""
    saved = config.uplink or "none" if isinstance(config, VeConfig) else "another"
    return f"uplink {record.override or 'none'} by `vzhooks set` without --save; its config says {saved}"
