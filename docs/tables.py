# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of the pages that hold what `python -m bench` found. Pure.

A page holds each between `<!-- table: NAME -->` and `<!-- end -->`; `python -m docs.pictures` puts them in.
"""

from __future__ import annotations

import json
import re
from typing import Any

from bench.table import figure, markdown
from docs.rates import DATA

BLOCK = re.compile(r"(<!-- table: ([\w.-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def tables() -> dict[str, str]:
    """Return each table by its name: one for every part of the benchmark, the limits, and what it was measured on."""
    data = json.loads(DATA.read_text("utf-8"))
    parts = dict.fromkeys(row["part"] for row in data["rows"])
    return {"about": _about(data), "limits": _limits(data["limits"]),
            **{part: "\n" + markdown([row for row in data["rows"] if row["part"] == part]) + "\n" for part in parts}}


def filled(page: str) -> str:
    """Return a page with its tables."""
    known = tables()
    missing = sorted(set(named(page)) - set(known))
    if missing:
        raise SystemExit(f"{DATA}: nothing there of {', '.join(missing)}; let `python -m bench` measure all parts")
    return BLOCK.sub(lambda m: f"{m[1]}{known[m[2]]}{m[4]}", page)


def named(page: str) -> list[str]:
    """Return the names of the tables of a page."""
    return [name for _, name, _, _ in BLOCK.findall(page)]


def _about(data: dict[str, Any]) -> str:
    return (f"vzhooks {data['vzhooks']}, {data['cores']} processors, kernel {data['kernel']}, "
            f"Python {data['python']}.\n")


def _limits(limits: list[dict[str, Any]]) -> str:
    lines = [f"| {m['name']} | {figure(m['value'])} | {'at least' if m['least'] else 'at most'} {m['limit']:g} | "
             f"{'held' if m['held'] else '**broken**'} |" for m in limits]
    return "\n".join(["\n| | measured | limit | |", "|---|---|---|---|", *lines]) + "\n\n"
