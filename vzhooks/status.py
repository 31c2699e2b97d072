# SPDX-License-Identifier: GPL-2.0-or-later
"""Turn a dry run's report into what `vzhooks status` shows. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from vzhooks.apply import shell
from vzhooks.model import Ve
from vzhooks.plan import address_of
from vzhooks.reconcile import Report
from vzhooks.uplinks import Way

COLUMNS = ("ve", "addresses", "uplink", "device", "state", "why")


def rows(report: Report) -> list[dict[str, object]]:
    """Return one row a VE: ve, addresses, uplink, device, table, state, why.

    state: ok, backup, blocked or unassigned; drift where the kernel differs from what should be.
    """
    drifted = {address_of(op.item) for op in report.ops}
    node = any(not address_of(op.item) for op in report.ops)
    return [_row(way, bool(drifted.intersection(way.ve.addresses)) or (node and way.state == "ok"), report)
            for way in report.ways]


def only(report: Report, ctids: Sequence[str]) -> Report:
    """Return the report with the ways of these VEs alone, all for none; one that does not live is stopped."""
    if not ctids:
        return report
    live = {way.ve.ctid: way for way in report.ways}
    return replace(report, ways=tuple(live.get(c, Way(Ve(c, ()), "stopped")) for c in ctids))


def _row(way: Way, drift: bool, report: Report) -> dict[str, object]:
    uplink = way.uplink
    return {
        "ve": way.ve.ctid, "addresses": list(way.ve.addresses), "uplink": way.ve.uplink,
        "device": uplink.device if uplink else "",
        "table": (report.tables or {}).get(f"uplink:{uplink.name}", 0) if uplink else 0,
        "state": "drift" if drift else way.state, "why": way.why,
    }


def as_json(report: Report) -> str:
    """Return the report as one JSON object: ves, changes (to make), problems."""
    data = {"ves": rows(report), "changes": [shell(op) for op in report.ops],
            "problems": [{"ve": p.ctid, "text": p.text} for p in report.problems]}
    return json.dumps(data, indent=2)


def as_table(report: Report) -> str:
    """Return the report as aligned columns with a heading."""
    lines = [tuple(c.upper() for c in COLUMNS)]
    for row in rows(report):
        lines.append(tuple(" ".join(v) if isinstance(v, list) else str(v) or "-" for v in (row[c] for c in COLUMNS)))
    widths = [max(len(line[n]) for line in lines) for n in range(len(COLUMNS))]
    return "\n".join("  ".join(v.ljust(w) for v, w in zip(line, widths)).rstrip() for line in lines)
