# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture of a flap and its healing, of what docs/flap.py measured."""

from __future__ import annotations

import json
from typing import Any

from docs.chart import Field, bar, rule
from docs.flap import DATA
from docs.svg import picture, text

WORDS = {"VE 101 to client": "VE 101 sends to the client", "client to VE 101": "the client sends to VE 101",
         "VE 102 to client": "VE 102 sends, by eth4"}
LEFT, WIDTH, LANE = 250, 640, 38
ZOOM_MS = (10.0, 110.0)  # before link-up and after it


def flap() -> str:
    """Draw which packets arrived while a link was away, and what the daemon did; below it link-up alone, larger."""
    data = json.loads(DATA.read_text("utf-8"))
    up, end = data["up"], data["end"]
    lanes = 2 + len(data["flows"])
    height = lanes * LANE
    whole = Field(LEFT, 80, WIDTH, height, data["start"], end)
    near = Field(LEFT, 80 + height + 100, WIDTH, height, up - ZOOM_MS[0], up + ZOOM_MS[1])
    seconds = {1000.0 * n / 4: f"{n / 4:g} s" for n in range(-1, int(end / 250) + 1)}
    steps = {up + n: "link up" if n == 0 else f"+{n} ms" for n in range(0, int(ZOOM_MS[1]) + 1, 20)}
    astray = sum(data["astray"].values())
    return picture(920, 80 + 2 * height + 180, "A flap and its healing", [
        text(20, 34, "A flap: eth3 is down for a second, and nothing of VE 101 leaves by another NIC", "head"),
        text(20, 58, _summary(data), "dim"), *whole.foot(seconds), *_lanes(whole, data),
        text(20, near.top - 20, "The same, larger: from link-up on", "head"), *near.foot(steps), *_lanes(near, data),
        text(20, near.top + height + 50, f"Packets of VE 101 that left by eth0 or eth4 meanwhile: {astray}.", "",
             "start", "b" if not astray else "bad")])


def _summary(data: dict[str, Any]) -> str:
    first = max(data["flows"][f]["arrived"][-1][0] for f in ("VE 101 to client", "client to VE 101")) - data["up"]
    return (f"Packets go every {data['interval_ms']:g} ms. Link-up to the first packets again, both ways: "
            f"{first:.0f} ms. VE 102 lost {data['flows']['VE 102 to client']['lost']}.")


def _lanes(field: Field, data: dict[str, Any]) -> list[str]:
    y, up = field.top, data["up"]
    parts = [*_lane(field, y, "link of eth3", [(data["start"], 0.0), (up, data["end"])], "ink"),
             *_stretch(field, y, 0.0, up, "bad", "down")]
    for name, flow in data["flows"].items():
        y += LANE
        parts += _lane(field, y, WORDS[name], flow["arrived"], "b" if "102" in name else "a")
    return parts + _log(field, y + LANE, data["log"])


def _lane(field: Field, y: float, words: str, stretches: list[Any], colour: str) -> list[str]:
    return [text(20, y + 22, words), *(part for first, last in stretches
                                       for part in _stretch(field, y, first, last, colour))]


def _stretch(field: Field, y: float, first: float, last: float, colour: str, words: str = "") -> list[str]:
    """Draw a bar from one time to another, as far as the field shows it."""
    if last <= field.x0 or first >= field.x1:
        return []
    x, end = field.x(first), field.x(last)
    said = [text((x + end) / 2, y + 21, words, "small onbar", "middle")] if words and end - x > 50 else []
    return [bar(x, y + 8, end - x, 18, colour), *said]


def _log(field: Field, y: float, log: list[Any]) -> list[str]:
    """Draw when the daemon logged a mending; a line is written when it is done."""
    parts, seen = [text(20, y + 22, "the daemon mends, and logs it")], [e for e in log if field.x0 < e[0] < field.x1]
    for when, said in seen:
        fields = dict(word.partition("=")[::2] for word in said.split())
        x, start = field.x(when), field.x(when - float(fields["ms"]))
        parts += [bar(start, y + 8, x - start, 18, "dim"), rule(x, y + 4, x, y + 30, "mark"),
                  text(x + 6, y + 22, f"{fields['changes']} changes in {fields['ms']} ms", "small")]
    return parts
