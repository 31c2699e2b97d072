# SPDX-License-Identifier: GPL-2.0-or-later
"""Plots as SVG: a field with axes, lines through points, bars along time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from docs.svg import COLOURS, text


@dataclass(frozen=True)
class Field:
    """Hold a rectangle of a picture and what it shows: x0 to x1, and from its foot up y0 to y1; log: powers of y."""

    left: float
    top: float
    width: float
    height: float
    x0: float
    x1: float
    y0: float = 0.0
    y1: float = 1.0
    log: bool = False

    def x(self, value: float) -> float:
        """Tell where a value of x stands; what is outside stands at the edge."""
        return self.left + self.width * (min(max(value, self.x0), self.x1) - self.x0) / (self.x1 - self.x0)

    def y(self, value: float) -> float:
        """Tell where a value of y stands."""
        low, high, at = ((math.log10(v) for v in (self.y0, self.y1, value)) if self.log
                         else (self.y0, self.y1, value))
        return self.top + self.height * (1 - (min(max(at, low), high) - low) / (high - low))

    def foot(self, ticks: dict[float, str], grid: bool = True) -> list[str]:
        """Draw the axis of x below the field, with words at these values."""
        bottom = self.top + self.height
        parts = [rule(self.x(v), self.top, self.x(v), bottom) for v in ticks if grid]
        return [*parts, rule(self.left, bottom, self.left + self.width, bottom, "axis"),
                *(text(self.x(v), bottom + 18, words, "dim small", "middle") for v, words in ticks.items())]

    def side(self, ticks: dict[float, str]) -> list[str]:
        """Draw the axis of y at the left, with words at these values."""
        return [part for v, words in ticks.items() for part in (
            rule(self.left, self.y(v), self.left + self.width, self.y(v)),
            text(self.left - 8, self.y(v) + 4, words, "dim small", "end"))]


def rule(x1: float, y1: float, x2: float, y2: float, kind: str = "grid") -> str:
    """Return a thin straight line, of kind grid, axis or mark."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def line(points: Sequence[tuple[float, float]], colour: str, dashed: bool = False) -> str:
    """Return a line through points of the picture."""
    path = "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dash = ' stroke-dasharray="6 5"' if dashed else ""
    return f'<path class="way" d="{path}" style="stroke:{COLOURS[colour]}"{dash}/>'


def dot(x: float, y: float, colour: str, words: str = "") -> str:
    """Return a point; words are shown where a pointer rests on it."""
    said = f"<title>{words}</title>" if words else ""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" style="fill:{COLOURS[colour]}">{said}</circle>'


def bar(x: float, y: float, width: float, height: float, colour: str) -> str:
    """Return a filled bar without an edge."""
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}" '
            f'style="fill:{COLOURS[colour]}"/>')


def spread(x: float, low: float, high: float, colour: str) -> str:
    """Return the span from the least figure to the most, as a thin upright line."""
    return (f'<line x1="{x:.1f}" y1="{low:.1f}" x2="{x:.1f}" y2="{high:.1f}" '
            f'style="stroke:{COLOURS[colour]};stroke-width:1.2"/>')
