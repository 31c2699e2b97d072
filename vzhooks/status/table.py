# SPDX-License-Identifier: GPL-2.0-or-later
"""Lay out the rows of `vzhooks status` as text: aligned columns, one line a row however narrow the terminal. Pure.

Nothing is lost: what a narrow line cuts short or leaves out is told in full below the table. Without a
width (no terminal) each row is one whole line.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from vzhooks.status import rows
from vzhooks.status.rows import Row
from vzhooks.status.view import STOPPED, View

VE = ("ve", "name", "addresses", "uplink", "device", "gateway", "state", "up", "why")
UPLINK = ("uplink", "device", "table", "gateways", "link", "carrier", "ves", "state", "since", "why")
LEFT_OUT = ("why", "table", "gateway", "up", "carrier", "link", "since", "uplink", "name", "ves", "device", "gateways",
            "addresses")
"""Columns that a narrow line does without, in this order: the first in line and the state stay."""
CUT_TO = {"name": 8, "addresses": 15, "gateways": 18}
"""Columns that a narrow line cuts short before it leaves one out, and to what width at least."""
GAP, INDENT = "  ", "    "
RED, YELLOW, GREEN = "31", "33", "32"
COLOURS = {"ok": GREEN, "backup": YELLOW, "held": YELLOW, "lan-only": YELLOW, **dict.fromkeys(
    ("drift", "blocked", "diverted", "no-gateway", "mounted", "down", "broken"), RED)}

Cells = dict[str, tuple[str, ...]]


def render(view: View, width: int | None = None, colour: bool = False) -> str:
    """Return the table of VEs, a line on the node where it is not in order, and the table of uplinks if any."""
    text = [*_node(view, width, colour), *_table(VE, [_ve_cells(row) for row in rows.ves(view)], width, colour)]
    uplinks = [_uplink_cells(row) for row in rows.uplinks(view)]
    return "\n".join(text + (["", *_table(UPLINK, uplinks, width, colour)] if uplinks else []))


def _node(view: View, width: int | None, colour: bool) -> list[str]:
    row = rows.node(view)
    warnings = row["warnings"]
    assert isinstance(warnings, list)
    lines = [f"warning: {text}" for text in warnings]
    lines += [f"node: {_painted('state', str(row['state']), colour)}: {row['why']}"] if row["why"] else []
    lines += _daemon(view)
    return [part for line in lines for part in (_wrapped(line, width, "", INDENT) if width else [line])]


def _daemon(view: View) -> list[str]:
    row = rows.daemon(view)
    since = row["since_s"] if row else 0
    line = f"daemon: pid {row['pid']}, up {age_of(since)}" if row and isinstance(since, int) else ""
    return [f"{line}; waiting: {row['waiting']}" if row and row["waiting"] else line] if line else []


def _ve_cells(row: Row) -> Cells:
    return _cells(row, VE) | {"gateway": _words(_reach(row)), "up": _words(_up(row))}


def _uplink_cells(row: Row) -> Cells:
    ways, since = row["gateways"], row["since_s"]
    assert isinstance(ways, list)
    carrier = "" if row["carrier"] is None else "yes" if row["carrier"] else "no"
    return _cells(row, UPLINK) | {"gateways": tuple(f"{g['address']} ({_answer(g)})" for g in ways) or ("-",),
                                  "table": _words(str(row["table"] or "")), "carrier": _words(carrier),
                                  "since": _words(age_of(since) if isinstance(since, int) else "")}


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
        return "none" if row["device"] and row["state"] != STOPPED else ""
    if len({g["reachable"] for g in found}) == 1:
        return _answer(found[0])
    return ", ".join(f"v{6 if ':' in g['address'] else 4} {_answer(g)}" for g in found)


def _up(row: Row) -> str:
    """Return how long the VE runs, or is in another phase, which is then told."""
    age = row["since_s"]
    phase = "" if row["phase"] in ("running", STOPPED) else str(row["phase"])
    return " ".join(filter(None, (phase, age_of(age) if isinstance(age, int) else "")))


def age_of(seconds: int) -> str:
    """Return a span of time in its two greatest units, as 2d4h."""
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s")]
    first = next((n for n, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return "".join(f"{count}{unit}" for count, unit in parts[first:first + 2] if count) or "0s"


def _table(columns: Sequence[str], rows: list[Cells], width: int | None, colour: bool) -> list[str]:
    """Return the rows on one line each, with notes below on what did not fit; as lists of fields if all is too wide."""
    whole = [{c: " ".join(v) for c, v in row.items()} for row in rows]
    if width is None or _total(columns, whole) <= width:
        return _aligned(columns, whole, colour)
    shown = _fitting(columns, rows, width)
    if not shown:
        return [line for row in rows for line in _fields(columns, row, width, colour)]
    lines = [{c: text for c, text in row.items() if c in shown[0]} for row in shown]
    notes = [note for full, line in zip(whole, lines) for note in _notes(columns, full, line, width)]
    return _aligned(tuple(shown[0]), lines, colour) + (["", *notes] if notes else [])


def _fitting(columns: Sequence[str], rows: list[Cells], width: int) -> list[dict[str, str]]:
    """Return the rows cut to one line each, long texts before whole columns; nothing where all is too wide."""
    left = list(columns)
    for gone in (c for c in LEFT_OUT if c in columns[1:]):
        left.remove(gone)
        short = [{c: _first(c, row[c]) for c in left} for row in rows]
        least = [{c: _cut(text, CUT_TO.get(c, 1 << 16)) for c, text in row.items()} for row in short]
        spare = width - _total(left, least)
        if spare >= 0:
            return _widened(left, short, spare)
    return []


def _widened(columns: Sequence[str], rows: list[dict[str, str]], spare: int) -> list[dict[str, str]]:
    """Return the rows with long texts cut, each as little as the spare width allows."""
    limits = dict.fromkeys(columns, 1 << 16)
    for c in (c for c in columns if c in CUT_TO):
        widest = max(len(row[c]) for row in rows)
        limits[c] = min(widest, max(CUT_TO[c], len(c)) + spare)
        spare -= max(0, limits[c] - max(CUT_TO[c], len(c)))
    return [{c: _cut(text, limits[c]) for c, text in row.items()} for row in rows]


def _first(column: str, parts: tuple[str, ...]) -> str:
    return f"{parts[0]} +{len(parts) - 1}" if column in CUT_TO and parts[1:] else " ".join(parts)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[:width - 1] + "…"


def _notes(columns: Sequence[str], full: dict[str, str], line: dict[str, str], width: int) -> list[str]:
    """Return what a row has and its line does not show."""
    rest = "; ".join(f"{c} {full[c]}" for c in columns if full[c] not in ("-", line.get(c)))
    return _wrapped(f"{full[columns[0]]}: {rest}", width, "", INDENT) if rest else []


def _total(columns: Sequence[str], rows: list[dict[str, str]]) -> int:
    return sum(_widths(columns, rows).values()) + len(GAP) * (len(columns) - 1)


def _widths(columns: Sequence[str], rows: list[dict[str, str]]) -> dict[str, int]:
    return {c: max([len(c), *(len(row[c]) for row in rows)]) for c in columns}


def _aligned(columns: Sequence[str], rows: list[dict[str, str]], colour: bool) -> list[str]:
    """Return a heading and the rows, a line each."""
    widths = _widths(columns, rows)
    head = GAP.join(c.upper().ljust(widths[c]) for c in columns).rstrip()
    return [head, *(GAP.join(_painted(c, row[c].ljust(widths[c]), colour) for c in columns).rstrip() for row in rows)]


def _fields(columns: Sequence[str], row: Cells, width: int, colour: bool) -> list[str]:
    """Return one row as a list of its fields that say something."""
    lines = [f"{columns[0].upper()} {row[columns[0]][0]}"]
    for c in (c for c in columns[1:] if row[c] != ("-",)):
        head = f"  {c.ljust(max(map(len, columns)))}"
        texts = row[c] if len(row[c]) > 1 else _wrapped(row[c][0], width - len(head) - 1, "", "")
        lines += [f"{head if not n else ' ' * len(head)} {_painted(c, t, colour)}" for n, t in enumerate(texts)]
    return lines


def _wrapped(text: str, width: int, first: str, later: str) -> list[str]:
    return textwrap.wrap(text, max(width, 20), initial_indent=first, subsequent_indent=later,
                         break_long_words=False, break_on_hyphens=False)


def _painted(column: str, text: str, colour: bool) -> str:
    code = COLOURS.get(text.strip()) if column == "state" else None
    return f"\x1b[{code}m{text}\x1b[0m" if colour and code else text
