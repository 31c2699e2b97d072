# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture of packet rate and round trip over the number of VEs, of what `python -m bench` found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.rate import MIDDLE, PACKETS
from docs.chart import Field, dot, line, spread
from docs.svg import picture, text

DATA = Path(__file__).parent / "bench.json"
COLOURS = {"nothing": "dim", "rule": "bad", "map": "a", "auto": "b"}
WORDS = {"nothing": "without vzhooks", "rule": "datapath = rule", "map": "datapath = map", "auto": "datapath = auto"}


def rates() -> str:
    """Draw the share of the bare node's packet rate that is left, and the round trip, for each datapath."""
    data = json.loads(DATA.read_text("utf-8"))
    rows = data["rows"]
    sizes = list(dict.fromkeys(r["where"] for r in rows if r["what"] == PACKETS))
    ticks = {float(n): size.split()[0] for n, size in enumerate(sizes)}
    share = Field(80, 100, 340, 260, -0.3, len(sizes) - 0.7, 0.0, 1.2)
    trip = Field(520, 100, 340, 260, -0.3, len(sizes) - 0.7, 1.0, 1000.0, log=True)
    parts = [text(20, 34, "What one VE's packets cost beside others", "head"),
             text(20, 58, "Median of each, with the least and the most; all in turns, in one run.", "dim"),
             text(40, 86, "packets a second, of the bare node's"), text(480, 86, "there and back, microseconds"),
             *share.foot(ticks, False), *share.side({n / 4: f"{25 * n} %" for n in range(5)}),
             *trip.foot(ticks, False), *trip.side({10.0 ** n: f"{10 ** n:,}" for n in range(4)})]
    for field in (share, trip):
        parts.append(text(field.left + field.width / 2, 400, "VEs with an uplink on the node", "dim small", "middle"))
    left = 50.0
    for who in (who for who in COLOURS if any(r["who"] == who for r in rows if r["what"] == PACKETS)):
        parts += [*_curve(share, rows, PACKETS, who, sizes, True), *_curve(trip, rows, MIDDLE, who, sizes, False),
                  line([(left, 426), (left + 30, 426)], COLOURS[who], who == "auto"),
                  text(left + 38, 431, WORDS[who] + (", the default" if who == data["default"] else ""))]
        left += 195
    return picture(900, 450, "Packet rate and round trip over the number of VEs", parts)


def _curve(field: Field, rows: list[dict[str, Any]], what: str, who: str, sizes: list[str], share: bool) -> list[str]:
    """Draw a line through the medians; share: as parts of the bare node's median beside as many VEs."""
    found = {(r["where"], r["who"]): r for r in rows if r["what"] == what}
    points, parts = [], []
    for n, size in enumerate(sizes):
        row, of = found[size, who], found[size, "nothing"]["median"] if share else 1.0
        x, (low, middle, high) = field.x(n), (field.y(row[key] / of) for key in ("min", "median", "max"))
        points.append((x, middle))
        parts += [spread(x, low, high, COLOURS[who]),
                  dot(x, middle, COLOURS[who], f"{size}, {WORDS[who]}: {row['median']:g} {row['unit']}")]
    return [line(points, COLOURS[who], who == "auto"), *parts]
