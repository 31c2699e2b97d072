# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture of the dashboard, of what docs/dashboard.py got from Prometheus for each of its panels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs.chart import Field, bar, line
from docs.dashboard import DATA
from docs.svg import COLOURS, box, picture, text

BOARD = Path(__file__).parents[1] / "contrib/grafana/vzhooks.json"
COLUMN, ROW, GAP, TOP, SIDE = 40, 31, 8, 70, 20
KNOWN = {"ok": "b", "backup": "d", "blocked": "bad"}
HOLE_S = 1.5
PALETTE = ("a", "b", "d", "c", "bad", "ink", "dim")
SCALES = {"bps": ((1e6, "Mb/s"), (1e3, "kb/s"), (0.0, "b/s")), "pps": ((0.0, "/s"),), "short": ((0.0, ""),),
          "s": ((1.0, "s"), (0.0, "ms"))}
"""For each unit of Grafana what it is called, from which size on."""
Answers = list[dict[str, Any]]


def dashboard() -> str:
    """Draw every panel of the dashboard where Grafana would, with what its queries gave."""
    data, panels = json.loads(DATA.read_text("utf-8")), json.loads(BOARD.read_text("utf-8"))["panels"]
    height = TOP + max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels) * ROW + 20
    parts = [text(SIDE, 32, "The dashboard, over a flap of two uplinks", "head"), text(SIDE, 54, _story(data), "dim")]
    for panel in panels:
        parts += _panel(panel, data["panels"][str(panel["id"])], data["times"])
    return picture(24 * COLUMN + 2 * SIDE, height, "The Grafana dashboard over a flap", parts)


def _story(data: dict[str, Any]) -> str:
    said = ", ".join(f"{name} at {at:.0f} s" for name, at in data["times"].items() if name != "end")
    return f"What Prometheus, scraping once a second, gave to each panel: {said}."


def _panel(panel: dict[str, Any], answers: Answers, times: dict[str, float]) -> list[str]:
    at = panel["gridPos"]
    x, y = SIDE + at["x"] * COLUMN, TOP + at["y"] * ROW
    width, height = at["w"] * COLUMN - GAP, at["h"] * ROW - GAP
    series = [s for answer in answers for s in answer["series"]]
    draw = {"stat": _stat, "table": _table, "state-timeline": _timeline, "timeseries": _lines}[panel["type"]]
    return [box(x, y, width, height), text(x + 10, y + 20, panel["title"], "small strong"),
            *draw(panel, series, times, (x + 10, y + 28, width - 20, height - 36))]


def _stat(panel: dict[str, Any], series: Answers, times: dict[str, float], room: tuple[float, ...]) -> list[str]:
    """Draw each series' last value, in the words and the colour that the panel gives it."""
    x, y, width, height = room
    parts = []
    for n, s in enumerate(series):
        value = s["values"][-1][1]
        words, colour = _mapped(panel, value)
        middle = x + width * (n + 0.5) / len(series)
        parts += [f'<text x="{middle:.0f}" y="{y + height / 2 + 8:.0f}" class="big" text-anchor="middle" '
                  f'style="fill:{COLOURS[colour]}">{words}</text>',
                  text(middle, y + height - 6, s["legend"], "dim small", "middle")]
    return parts


def _mapped(panel: dict[str, Any], value: float) -> tuple[str, str]:
    defaults = panel["fieldConfig"]["defaults"]
    steps = [s for s in defaults["thresholds"]["steps"] if s["value"] is None or value >= s["value"]]
    options = {k: v for m in defaults.get("mappings", ()) for k, v in m["options"].items()}
    known = options.get(f"{value:g}", {"text": f"{value:g}", "color": steps[-1]["color"]})
    return known["text"], {"red": "bad", "green": "b"}.get(known["color"], "d")


def _table(panel: dict[str, Any], series: Answers, times: dict[str, float], room: tuple[float, ...]) -> list[str]:
    x, y, width, _ = room
    return [part for n, s in enumerate(series) for part in (
        text(x, y + 24 + 20 * n, s["legend"]), text(x + width, y + 24 + 20 * n, f"{s['values'][-1][1]:g}", "", "end"))]


def _timeline(panel: dict[str, Any], series: Answers, times: dict[str, float], room: tuple[float, ...]) -> list[str]:
    """Draw each series as a bar whose colour changes with its value."""
    x, y, width, height = room
    field = Field(x + 90, y + 6, width - 100, height - 30, 0, times["end"])
    step, parts = field.height / len(series), []
    for n, s in enumerate(series):
        top = field.top + n * step
        parts.append(text(field.left - 8, top + step / 2 + 4, s["legend"], "dim small", "end"))
        starts = [v for before, v in zip([[0, None], *s["values"]], s["values"]) if before[1] != v[1]]
        for (start, value), (end, _) in zip(starts, [*starts[1:], [times["end"], 0]]):
            parts.append(bar(field.x(start), top + 6, field.x(end) - field.x(start), step - 12,
                             _mapped(panel, value)[1]))
    return [*parts, *field.foot(_seconds(times["end"]), False)]


def _lines(panel: dict[str, Any], series: Answers, times: dict[str, float], room: tuple[float, ...]) -> list[str]:
    """Draw each series that is not always nought as a line, and name the others."""
    x, y, width, height = room
    seen = [s for s in series if any(value for _, value in s["values"])]
    most = max((value for s in seen for _, value in s["values"]), default=1.0)
    shown = [*(s["legend"] for s in seen), *(["all others: 0"] if len(seen) < len(series) else [])]
    field = Field(x + 66, y + 8, width - 72, height - 54, 0, times["end"], 0, most * 1.1)
    scale, unit = _scale(panel["fieldConfig"]["defaults"].get("unit", "short"), most)
    parts = [*field.side({most * n / 2: f"{most * n / 2 / scale:.3g} {unit}".strip() for n in range(3)}),
             *field.foot(_seconds(times["end"]), False)]
    left = x
    for n, legend in enumerate(shown):
        colour = KNOWN.get(legend, PALETTE[n % len(PALETTE)]) if n < len(seen) else ""
        if colour:
            parts += [line([(field.x(at), field.y(v)) for at, v in run], colour) for run in _runs(seen[n]["values"])]
            parts.append(bar(left, y + height - 7, 12, 4, colour))
        parts.append(text(left + 16, y + height - 1, legend, "dim small"))
        left += 30 + 6.6 * len(legend)
    return parts


def _runs(values: list[list[float]]) -> Iterator[list[list[float]]]:
    """Yield values that follow each other without a hole; where there are none for a while no line is drawn."""
    run: list[list[float]] = []
    for value in values:
        if run and value[0] - run[-1][0] > HOLE_S:
            yield run
            run = []
        run.append(value)
    if len(run) > 1:
        yield run


def _scale(unit: str, most: float) -> tuple[float, str]:
    size, name = next((size, name) for size, name in SCALES[unit] if most >= size)
    return {"ms": 1e-3}.get(name, size or 1.0), name


def _seconds(end: float) -> dict[float, str]:
    return {float(n): f"{n} s" for n in range(0, int(end) + 1, 10)}
