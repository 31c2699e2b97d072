# SPDX-License-Identifier: GPL-2.0-or-later
"""A few shapes as SVG, in colours for light and dark."""

from __future__ import annotations

from html import escape

STYLE = """
svg { --paper: #ffffff; --box: #f3f5f7; --ink: #1f2328; --dim: #59636e; --a: #0a58ca; --b: #1a7f37; --bad: #c4252f;
  --c: #8250df; --d: #9a6700; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #0d1117; --box: #1c232c; --ink: #e6edf3; --dim: #9da7b1; --a: #6cb0ff; --b: #56d364; --bad: #ff7b72;
    --c: #d2a8ff; --d: #e3b341; }
}
text { font: 14px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink); }
.head { font-size: 17px; font-weight: 600; }
.dim { fill: var(--dim); }
.mono { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 13px; }
.box { fill: var(--box); stroke: var(--dim); }
.way { fill: none; stroke-width: 2.5; }
.paper { fill: var(--paper); }
.small { font-size: 12px; }
.strong { font-weight: 600; }
.big { font-size: 26px; font-weight: 600; }
.onbar { fill: var(--paper); }
.grid { stroke: var(--dim); stroke-opacity: 0.3; }
.axis, .mark { stroke: var(--dim); }
"""
COLOURS = {name: f"var(--{name})" for name in ("a", "b", "c", "d", "bad", "ink", "dim")}


def picture(width: int, height: int, title: str, parts: list[str]) -> str:
    """Return a whole picture; its title is what a screen reader says."""
    heads = "".join(f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
                    f'orient="auto-start-reverse"><path d="M0 0 10 5 0 10z" fill="{colour}"/></marker>'
                    for name, colour in COLOURS.items())
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-label="{escape(title)}">\n<title>{escape(title)}</title>\n'
            f"<style>{STYLE}</style>\n<defs>{heads}</defs>\n"
            f'<rect class="paper" width="{width}" height="{height}"/>\n' + "\n".join(parts) + "\n</svg>\n")


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start", colour: str = "") -> str:
    """Return one line of text, its base at y."""
    style = f' style="fill:{COLOURS[colour]}"' if colour else ""
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}"{style}>{escape(words)}</text>'


def lines(x: float, y: float, words: list[str], kind: str = "", anchor: str = "start", step: int = 18) -> list[str]:
    """Return lines of text below each other."""
    return [text(x, y + n * step, line, kind, anchor) for n, line in enumerate(words)]


def box(x: float, y: float, width: float, height: float, colour: str = "") -> str:
    """Return a box with round corners."""
    style = f' style="stroke:{COLOURS[colour]};stroke-width:2"' if colour else ""
    return f'<rect class="box" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"{style}/>'


def way(points: list[tuple[float, float]], colour: str, both: bool = False, dashed: bool = False,
        head: bool = True) -> str:
    """Return a line through points with a head at its end, or at both."""
    path = "M" + " L".join(f"{x:g} {y:g}" for x, y in points)
    ends = (f' marker-end="url(#{colour})"' if head else "") + (f' marker-start="url(#{colour})"' if both else "")
    dash = ' stroke-dasharray="6 5"' if dashed else ""
    return f'<path class="way" d="{path}" style="stroke:{COLOURS[colour]}"{ends}{dash}/>'


def number(x: float, y: float, n: int) -> list[str]:
    """Return a number in a disc."""
    return [f'<circle cx="{x:g}" cy="{y:g}" r="12" style="fill:{COLOURS["a"]}"/>',
            f'<text x="{x:g}" y="{y + 5:g}" text-anchor="middle" style="fill:var(--paper);font-weight:600">{n}</text>']
