# SPDX-License-Identifier: GPL-2.0-or-later
"""Turn a dry run's report into what `vzhooks status` shows: rows of values, and JSON of them. Pure.

docs/status-json.md describes every key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from vzhooks.addresses import family_of
from vzhooks.config.vzconf import VeConfig
from vzhooks.errors import DONE, InputError, printable
from vzhooks.errors import DRIFT as DUE
from vzhooks.model import Uplink
from vzhooks.policy import drift
from vzhooks.policy.health import HELD, Health, due
from vzhooks.policy.records import RUNNING, STARTING
from vzhooks.policy.shown import shell
from vzhooks.policy.uplinks import Way, link_alone, resolve, standing_in
from vzhooks.status.verdict import CALM, DRIFT, LAN_ONLY, NO_GATEWAY, OK, judge
from vzhooks.status.view import STOPPED, View, hops, missing, ways
from vzhooks.words import joined

SCHEMA = 1
Row = dict[str, object]


def exit_code(view: View) -> int:
    """Return 0 where all VEs shown and the node are as they should be, else 3."""
    calm = all(judge(way, view)[0] in CALM for way in ways(view))
    return DONE if calm and not view.report.ops else DUE


def ves(view: View) -> list[Row]:
    """Return one row for each uplink that a VE goes by, one for a VE without any."""
    return [_ve(way, view) for way in ways(view)]


def _ve(way: Way, view: View) -> Row:
    ve, uplink = way.ve, way.uplink
    config, record = view.report.configs.get(ve.ctid), view.report.records.get(ve.ctid)
    state, why = judge(way, view)
    bridged = [printable(n) for n in config.bridged] if isinstance(config, VeConfig) else []
    return {
        "ve": ve.ctid, "name": printable(config.name) if isinstance(config, VeConfig) else "",
        "addresses": list(ve.addresses), "uplink": way.name, "device": uplink.device if uplink else "",
        "table": _table(uplink, view), "gateways": _gateways(uplink, view, {family_of(a) for a in ve.addresses}),
        "state": state, "phase": record.phase if record else STOPPED, "since_s": _age(ve.ctid, view),
        "override": record.override if record else None,
        "bridged": bridged, "why": printable(joined((why, _past_us(bridged)))),
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


def node(view: View) -> Row:
    """Return what is to say of the node itself."""
    due = drift.words(drift.of_node(view.report.ops))
    return {"state": DRIFT if due else OK, "why": f"{due}; run `vzhooks resync`" if due else "",
            "warnings": [printable(text) for text in view.warnings]}


def daemon(view: View) -> Row | None:
    """Return what is to say of the daemon, None where none answers."""
    said = view.daemon
    return {"pid": said.get("pid", 0), "since_s": said.get("since_s", 0),
            "waiting": printable(str(said.get("waiting", "")))} if said else None


def uplinks(view: View) -> list[Row]:
    """Return one row an uplink: those that the ini names and those in use; of named VEs, their own."""
    shown = ways(view)
    names = dict.fromkeys(w.uplink.name for w in shown if w.uplink)
    if not view.ctids:
        names = dict.fromkeys([*view.settings.uplinks, *view.settings.broken, *names])
    return [_uplink(name, view) for name in names]


def _uplink(name: str, view: View) -> Row:
    nics = view.report.facts.nics
    count = len({w.ve.ctid for w in view.report.ways if w.uplink and w.uplink.name == name})
    try:
        uplink = resolve(name, view.settings, nics)
    except InputError as error:
        broken = view.settings.uplinks.get(name)
        return {"uplink": name, "device": broken.device if broken else "", "table": 0, "gateways": [], "link": "",
                "carrier": None, "ves": count, "health": "", "since_s": None, "by": "", "state": "broken",
                "why": printable(str(error))}
    nic, gateways, health = nics.get(uplink.device), _gateways(uplink, view, {4, 6}), health_of(uplink, view)
    stands, works, _ = standing_in(uplink, view.settings, nics, view.report.facts.health)
    state, why = _uplink_state(uplink, gateways, view)
    return {
        "uplink": name, "device": uplink.device, "table": _table(uplink, view), "gateways": gateways,
        "link": ("up" if nic.up else "down") if nic else "missing", "carrier": nic.carrier if nic and nic.up else None,
        "ves": count, "health": health.state, "since_s": _since(name, health, view), "by": stands.name if works else "",
        "state": state, "why": why,
    }


def _since(name: str, found: Health, view: View) -> int | None:
    """Return for how many seconds an uplink is as it is, as far as the daemon or an earlier run has seen it."""
    now, stands = view.report.now, view.report.standing.get(name)
    noted = [since for since in (found.since, stands.since if stands else 0.0) if 0 < since < now]
    return round(now - noted[0]) if noted else None


def _uplink_state(uplink: Uplink, gateways: Sequence[Row], view: View) -> tuple[str, str]:
    found, silent = health_of(uplink, view), [g["address"] for g in gateways if g["reachable"] == "no"]
    stands, works, _ = standing_in(uplink, view.settings, view.report.facts.nics, view.report.facts.health)
    other = f"{stands.name} stands in" if works and stands.name != uplink.name else ""
    if not found.works:
        return "down", joined((found.why, other))
    if found.state == HELD:
        left = round(due(found, uplink) - view.report.now)
        back = f"VEs come back in {max(left, 1)} s if that lasts" if other else ""
        return HELD, joined((found.why, other, back))
    if silent:
        return NO_GATEWAY, f"gateway {' and '.join(map(str, silent))} does not answer"
    if not gateways and 4 in missing(uplink, view):
        return LAN_ONLY, (f"no gateway known for {uplink.device}, so its VEs reach that LAN only; "
                          "set gateway = in the ini")
    return OK, ""


def health_of(uplink: Uplink, view: View) -> Health:
    """Return the health of an uplink that VEs can have."""
    facts = view.report.facts
    return facts.health.get(uplink.name) or link_alone(uplink, facts.nics)


def _table(uplink: Uplink | None, view: View) -> int:
    return view.report.tables.get(f"uplink:{uplink.name}", 0) if uplink else 0


def _gateways(uplink: Uplink | None, view: View, families: Iterable[int]) -> list[Row]:
    known = {True: "yes", False: "no", None: "unknown"}
    return [{"address": hop[0], "reachable": known[view.reachable.get(hop)]}
            for family, hop in (hops(uplink, view) if uplink else {}).items() if hop[0] and family in families]


def as_json(view: View) -> str:
    """Return the view as one JSON object."""
    report = view.report
    data = {"schema": SCHEMA, "ves": ves(view), "uplinks": uplinks(view), "node": node(view),
            "daemon": daemon(view),
            "changes": [shell(op) for op in report.ops],
            "problems": [{"ve": p.ctid, "text": printable(p.text)} for p in report.problems]}
    return json.dumps(data, indent=2)
