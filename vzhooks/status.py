# SPDX-License-Identifier: GPL-2.0-or-later
"""Turn a dry run's report into what `vzhooks status` shows: rows of values, and JSON of them. Pure.

docs/status-json.md describes every key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vzhooks.apply import shell
from vzhooks.errors import InputError, printable
from vzhooks.model import Problem, Uplink, Ve, family_of
from vzhooks.plan import address_of
from vzhooks.reconcile import Report
from vzhooks.records import RUNNING, STARTING
from vzhooks.settings import Settings
from vzhooks.uplinks import Way, gateway_of, resolve, way_of, why_down
from vzhooks.vzconf import VeConfig

SCHEMA = 1
STOPPED = "stopped"
LAN_ONLY = "lan-only"
Row = dict[str, object]


@dataclass(frozen=True)
class View:
    """Hold what is shown: a dry run's report, the VEs asked for (none: all), and which gateways answer.

    reachable: by (address, device), what the neighbour cache knows; the rest is unknown.
    """

    report: Report
    settings: Settings
    ctids: Sequence[str] = ()
    reachable: Mapping[tuple[str, str], bool] = field(default_factory=dict)


def ways(view: View) -> list[Way]:
    """Return the ways of the VEs asked for, all that live for none; a stopped one has that of its config."""
    live: dict[str, Way] = {}
    for way in view.report.ways:  # what a VE is about to be given comes after what it has
        live.setdefault(way.ve.ctid, way)
    return [live.get(ctid) or _stopped(ctid, view) for ctid in view.ctids] if view.ctids else list(live.values())


def _stopped(ctid: str, view: View) -> Way:
    config = view.report.configs.get(ctid)
    if not isinstance(config, VeConfig):
        return Way(Ve(ctid, ()), STOPPED, why=config.text if isinstance(config, Problem) else "")
    way = way_of(Ve(ctid, config.addresses, config.uplink), view.settings, view.report.facts.nics)
    return Way(way.ve, STOPPED, way.uplink, way.why)


def ves(view: View) -> list[Row]:
    """Return one row a VE."""
    drifted = {address_of(op.item) for op in view.report.ops}
    node = any(not address_of(op.item) for op in view.report.ops)
    return [_ve(way, bool(drifted.intersection(way.ve.addresses)) or (node and way.state == "ok"), view)
            for way in ways(view)]


def _ve(way: Way, drift: bool, view: View) -> Row:
    ve, uplink = way.ve, way.uplink
    config, record = view.report.configs.get(ve.ctid), view.report.records.get(ve.ctid)
    state, why = _with_gateway(way, view)
    bridged = [printable(n) for n in config.bridged] if isinstance(config, VeConfig) else []
    why = "; ".join(filter(None, (why, _past_us(bridged))))
    return {
        "ve": ve.ctid, "name": printable(config.name) if isinstance(config, VeConfig) else "",
        "addresses": list(ve.addresses), "uplink": ve.uplink, "device": uplink.device if uplink else "",
        "table": _table(uplink, view), "gateways": _gateways(uplink, view, {family_of(a) for a in ve.addresses}),
        "state": "drift" if drift and way.state != STOPPED else state,
        "phase": record.phase if record else STOPPED,
        "since_s": _age(ve.ctid, view), "bridged": bridged, "why": printable(why),
    }


def _past_us(bridged: Sequence[str]) -> str:
    """Return what is to say of NICs that send by a bridge of the node, past its routing."""
    return f"bridged, so past vzhooks: {', '.join(bridged)}" if bridged else ""


def _age(ctid: str, view: View) -> int | None:
    """Return for how many seconds the VE is in its phase; a record that this very run makes does not know.

    One that started and runs now, though no run has noted it yet, runs since its start.
    """
    before, after, now = view.report.known.get(ctid), view.report.records.get(ctid), view.report.now
    if after and after.since < now:
        return round(now - after.since)
    started = before and after and before.phase == STARTING and after.phase == RUNNING
    return round(now - before.since) if before and started else None


def _with_gateway(way: Way, view: View) -> tuple[str, str]:
    """Return state and reason, with what the lack of a gateway that `auto` looks for means to this VE."""
    families = {family_of(a) for a in way.ve.addresses}
    missing = _missing(way.uplink, view) & families if way.uplink and way.state in ("ok", "backup") else set()
    if not way.uplink or not missing:
        return way.state, way.why
    which = " and ".join(f"IPv{f}" for f in sorted(missing))
    why = f"no {which} gateway known for {way.uplink.device}, so by {which} it reaches that LAN only"
    state = LAN_ONLY if missing == families and way.state == "ok" else way.state
    return state, "; ".join(filter(None, (way.why, why)))


def uplinks(view: View) -> list[Row]:
    """Return one row an uplink: those that the ini names and those in use; of named VEs, their own."""
    shown = ways(view)
    names = dict.fromkeys(w.uplink.name for w in shown if w.uplink)
    if not view.ctids:
        names = dict.fromkeys([*view.settings.uplinks, *view.settings.broken, *names])
    counts = [w.uplink.name for w in view.report.ways if w.uplink]
    return [_uplink(name, counts.count(name), view) for name in names]


def _uplink(name: str, count: int, view: View) -> Row:
    nics = view.report.facts.nics
    try:
        uplink = resolve(name, view.settings, nics)
    except InputError as error:
        broken = view.settings.uplinks.get(name)
        return {"uplink": name, "device": broken.device if broken else "", "table": 0, "gateways": [], "link": "",
                "carrier": None, "ves": count, "state": "broken", "why": printable(str(error))}
    nic, down = nics.get(uplink.device), why_down(uplink, nics)
    gateways, why = _gateways(uplink, view, {4, 6}), down
    if not down and not gateways and 4 in _missing(uplink, view):
        why = f"no gateway known for {uplink.device}, so its VEs reach that LAN only; set gateway = in the ini"
    return {
        "uplink": name, "device": uplink.device, "table": _table(uplink, view), "gateways": gateways,
        "link": ("up" if nic.up else "down") if nic else "missing", "carrier": nic.carrier if nic and nic.up else None,
        "ves": count, "state": "down" if down else LAN_ONLY if why else "ok", "why": why,
    }


def _table(uplink: Uplink | None, view: View) -> int:
    return view.report.tables.get(f"uplink:{uplink.name}", 0) if uplink else 0


def places(view: View) -> list[tuple[str, str]]:
    """Return the (gateway, device) pairs of all uplinks there are."""
    every = {w.uplink.name: w.uplink for w in ways(view) if w.uplink}
    every.update(view.settings.uplinks)
    return list(dict.fromkeys(p for uplink in every.values() for p in _hops(uplink, view).values() if p[0]))


def _hops(uplink: Uplink, view: View) -> dict[int, tuple[str, str]]:
    """Return (gateway, device) by family; "" for a gateway that `auto` does not find; none for `none`."""
    nic, facts = view.report.facts.nics.get(uplink.device), view.report.facts
    asked = {4: uplink.gateway, 6: uplink.gateway6}
    return {f: (gateway_of(nic, f, text, facts.gateways), nic.name) for f, text in asked.items()
            if nic and text != "none" and f in facts.families}


def _missing(uplink: Uplink, view: View) -> set[int]:
    return {family for family, (address, _) in _hops(uplink, view).items() if not address}


def _gateways(uplink: Uplink | None, view: View, families: Iterable[int]) -> list[Row]:
    hops = _hops(uplink, view) if uplink else {}
    known = {True: "yes", False: "no", None: "unknown"}
    return [{"address": hop[0], "reachable": known[view.reachable.get(hop)]}
            for family, hop in hops.items() if hop[0] and family in families]


def as_json(view: View) -> str:
    """Return the view as one JSON object."""
    report = view.report
    data = {"schema": SCHEMA, "ves": ves(view), "uplinks": uplinks(view), "changes": [shell(op) for op in report.ops],
            "problems": [{"ve": p.ctid, "text": printable(p.text)} for p in report.problems]}
    return json.dumps(data, indent=2)
