# SPDX-License-Identifier: GPL-2.0-or-later
"""Lay out the rows of `vzhooks status` as text: aligned columns that fold where the terminal is narrow. Pure.

Nothing is ever cut off: what does not fit goes on the next line. Without a width (no terminal) each
row is one line.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from vzhooks import status
from vzhooks.status import Row, View

VE = ("ve", "name", "addresses", "uplink", "device", "gateway", "state", "since", "why")
UPLINK = ("uplink", "device", "table", "gateways", "link", "carrier", "ves", "state", "why")
STACKED = ("addresses", "gateways")
GAP, INDENT = "  ", "    "
COLOURS = {"ok": "32", "backup": "33", "lan-only": "33", "drift": "31", "blocked": "31", "down": "31", "broken": "31"}

Cells = dict[str, tuple[str, ...]]


def render(view: View, width: int | None = None, colour: bool = False) -> str:
    """Return the table of VEs and, where there are any, that of uplinks."""
    text = _table(VE, [_ve_cells(row) for row in status.ves(view)], width, colour)
    uplinks = [_uplink_cells(row) for row in status.uplinks(view)]
    return "\n".join(text + (["", *_table(UPLINK, uplinks, width, colour)] if uplinks else []))


def _ve_cells(row: Row) -> Cells:
    return _cells(row, VE) | {"gateway": _words(_reach(row)), "since": _words(_since(row))}


def _uplink_cells(row: Row) -> Cells:
    ways = row["gateways"]
    assert isinstance(ways, list)
    carrier = "" if row["carrier"] is None else "yes" if row["carrier"] else "no"
    return _cells(row, UPLINK) | {"gateways": tuple(f"{g['address']} ({_answer(g)})" for g in ways) or ("-",),
                                  "table": _words(str(row["table"] or "")), "carrier": _words(carrier)}


def _cells(row: Row, columns: Iterable[str]) -> Cells:
    return {c: tuple(map(str, v)) or ("-",) if isinstance(v := row.get(c), list) else _words(v) for c in columns}


def _words(value: object) -> tuple[str, ...]:
    return ("-",) if value in (None, "") else (str(value),)


def _answer(gateway: Row) -> str:
    return "?" if gateway["reachable"] == "unknown" else str(gateway["reachable"])


def _reach(row: Row) -> str:
    """Return whether the VE's gateways answer: one word where all do alike, else each family's."""
    found = row["gateways"]
    assert isinstance(found, list)
    if not found:
        return "none" if row["device"] and row["state"] != status.STOPPED else ""
    if len({g["reachable"] for g in found}) == 1:
        return _answer(found[0])
    return ", ".join(f"v{6 if ':' in g['address'] else 4} {_answer(g)}" for g in found)


def _since(row: Row) -> str:
    """Return how long the VE is in its phase, which is told where it is not running."""
    age = row["since_s"]
    phase = "" if row["phase"] in ("running", status.STOPPED) else str(row["phase"])
    return " ".join(filter(None, (phase, age_of(age) if isinstance(age, int) else "")))


def age_of(seconds: int) -> str:
    """Return a span of time in its two greatest units, as 2d4h."""
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s")]
    first = next((n for n, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return "".join(f"{count}{unit}" for count, unit in parts[first:first + 2] if count) or "0s"


def _table(columns: Sequence[str], rows: list[Cells], width: int | None, colour: bool) -> list[str]:
    """Return the rows on one line each; folded, or as a list of fields, where that is too wide."""
    whole = _aligned(columns, [{c: (" ".join(v),) for c, v in row.items()} for row in rows], colour)
    if width is None or _widest(columns, rows, " ") <= width:
        return whole
    narrow = [c for c in columns if c != "why"]
    if _widest(narrow, rows, "\n") <= width:
        return _aligned(narrow, rows, colour, width)
    return [line for row in rows for line in _fields(columns, row, width, colour)]


def _widest(columns: Sequence[str], rows: list[Cells], joint: str) -> int:
    """Return how wide the columns are together, the parts of a cell beside each other or below."""
    widths = _widths(columns, [{c: tuple(joint.join(v).split("\n")) for c, v in row.items()} for row in rows])
    return sum(widths.values()) + len(GAP) * (len(columns) - 1)


def _widths(columns: Sequence[str], rows: list[Cells]) -> dict[str, int]:
    return {c: max([len(c), *(len(part) for row in rows for part in row[c])]) for c in columns}


def _aligned(columns: Sequence[str], rows: list[Cells], colour: bool, width: int = 0) -> list[str]:
    """Return a heading and the rows, parts of a cell below each other, a reason without a column below all."""
    widths = _widths(columns, rows)
    lines = [GAP.join(c.upper().ljust(widths[c]) for c in columns).rstrip()]
    for row in rows:
        for n in range(max(len(row[c]) for c in columns)):
            parts = {c: row[c][n] if n < len(row[c]) else "" for c in columns}
            padded = {c: part.ljust(widths[c]) for c, part in parts.items()}
            lines.append(GAP.join(_painted(c, padded[c], colour) for c in columns).rstrip())
        if "why" not in columns and row["why"] != ("-",):
            lines += _wrapped(row["why"][0], width, INDENT, INDENT)
    return lines


def _fields(columns: Sequence[str], row: Cells, width: int, colour: bool) -> list[str]:
    """Return one row as a list of its fields that say something."""
    lines = [f"{columns[0].upper()} {row[columns[0]][0]}"]
    for c in (c for c in columns[1:] if row[c] != ("-",)):
        head = f"  {c.ljust(max(map(len, columns)))}"
        texts = row[c] if c in STACKED else _wrapped(row[c][0], width - len(head) - 1, "", "")
        lines += [f"{head if not n else ' ' * len(head)} {_painted(c, t, colour)}" for n, t in enumerate(texts)]
    return lines


def _wrapped(text: str, width: int, first: str, later: str) -> list[str]:
    return textwrap.wrap(text, max(width, 20), initial_indent=first, subsequent_indent=later,
                         break_long_words=False, break_on_hyphens=False)


def _painted(column: str, text: str, colour: bool) -> str:
    code = COLOURS.get(text.strip()) if column == "state" else None
    return f"\x1b[{code}m{text}\x1b[0m" if colour and code else text
