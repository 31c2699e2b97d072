# SPDX-License-Identifier: GPL-2.0-or-later
"""What was found as text: for the terminal, and as a table of a page. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

Data = dict[str, Any]
"""A row or limit as `found.as_data` gives it."""


def figure(value: float) -> str:
    """Write a figure with three digits that count, thousands apart."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def terminal(rows: Sequence[Data]) -> str:
    """Return rows as lines, a heading for each thing measured."""
    lines = []
    for (what, unit), group in groupby(rows, lambda r: (r["what"], r["unit"])):
        lines.append(f"\n{f'{what}, {unit}':56}{'median':>10}{'min':>10}{'max':>10}{'x first':>10}")
        for r in group:
            times = "" if r["ratio"] is None else f"{r['ratio']:.3f}" if r["ratio"] < 1 else f"{r['ratio']:.2f}"
            name = f"  {r['where']:26}  {r['who']}" if r["where"] else f"  {r['who']}"
            lines.append(f"{name:56}{figure(r['median']):>10}{figure(r['min']):>10}{figure(r['max']):>10}{times:>10}")
    return "\n".join(lines)


def verdicts(limits: Sequence[Data]) -> str:
    """Return limits as lines."""
    return "\n".join(f"{m['name']:56}{figure(m['value']):>10} (at {'least' if m['least'] else 'most'} {m['limit']:g}): "
                     f"{'held' if m['held'] else 'BROKEN'}" for m in limits)


def markdown(rows: Sequence[Data]) -> str:
    """Return rows as a table of a page: a line for each place, a column for each rival, ratios in brackets."""
    names = list(dict.fromkeys(r["who"] for r in rows))
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for what, unit, where in dict.fromkeys((r["what"], r["unit"], r["where"]) for r in rows):
        cells = {r["who"]: _cell(r) for r in rows if (r["what"], r["where"]) == (what, where)}
        label = ", ".join(filter(None, (what, where, unit)))
        lines.append(f"| {label} | " + " | ".join(cells.get(n, "") for n in names) + " |")
    return "\n".join(lines) + "\n"


def _cell(row: Data) -> str:
    return figure(row["median"]) + ("" if row["ratio"] is None else f" ({figure(row['ratio'])} x)")
