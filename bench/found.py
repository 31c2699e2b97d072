# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run found, as values: rows of figures, and limits that hold or are broken. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """Hold all figures of one thing: `who` did `what`, `where`; rows of one what and where are rivals.

    base: whether the rivals are given as ratios to this one.
    """

    part: str
    what: str
    where: str
    who: str
    unit: str
    values: tuple[float, ...]
    base: bool = False

    @property
    def median(self) -> float:
        """Return the middle of the figures."""
        return statistics.median(self.values)


@dataclass(frozen=True)
class Limit:
    """Say how large a figure may be at most, or with `least` how small."""

    name: str
    value: float
    bound: float
    least: bool = False

    @property
    def held(self) -> bool:
        """Tell whether the figure is within the limit."""
        return self.value >= self.bound if self.least else self.value <= self.bound


@dataclass
class Found:
    """Gather what a part found."""

    rows: list[Row] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)

    def row(self, part: str, what: str, where: str, who: str) -> Row:
        """Find a row; LookupError when it was not measured."""
        for row in self.rows:
            if (row.part, row.what, row.where, row.who) == (part, what, where, who):
                return row
        raise LookupError(f"{part}: nothing measured for {what}, {where}, {who}")


def ratio(row: Row, rows: Sequence[Row]) -> float | None:
    """Return how many times the base's figure a row's is; None for the base, and where there is none."""
    base = next((r for r in rows if r.base and (r.part, r.what, r.where) == (row.part, row.what, row.where)), None)
    return None if base is None or base is row or not base.median else row.median / base.median


def as_data(found: Found, part: str) -> dict[str, Any]:
    """Return what a part found for JSON: rows with median, least, most, ratio; limits with whether they hold."""
    rows = [{"part": r.part, "what": r.what, "where": r.where, "who": r.who, "unit": r.unit, "taken": len(r.values),
             "median": _short(r.median), "min": _short(min(r.values)), "max": _short(max(r.values)),
             "ratio": _short(ratio(r, found.rows)), "base": r.base} for r in found.rows]
    limits = [{"part": part, "name": m.name, "value": _short(m.value), "limit": m.bound, "least": m.least,
               "held": m.held} for m in found.limits]
    return {"rows": rows, "limits": limits}


def merged(before: dict[str, Any], now: dict[str, Any], order: Sequence[str]) -> dict[str, Any]:
    """Return the data of a run, with what another one had found of parts that it did not measure; order: of all."""
    measured = {entry["part"] for entry in now["rows"]}
    kept = {key: [entry for entry in before.get(key, ()) if entry["part"] not in measured] + now[key]
            for key in ("rows", "limits")}
    return {**now, **{key: sorted(kept[key], key=lambda entry: order.index(entry["part"])) for key in kept}}


def _short(value: float | None) -> float | None:
    """Return a figure with the four digits that mean something."""
    return None if value is None else float(f"{value:.4g}")
