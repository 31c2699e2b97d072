# SPDX-License-Identifier: GPL-2.0-or-later
"""Put into the pages what commands really say, on the example node: `python -m docs.make`, as root.

A page holds, between two comments, what the block of that name said last. `vzhooks` is the one of the Python that
runs this. The state of the node before and after goes to docs/node.json, of which the picture of it is made.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from docs.scenes import SCENES, measured

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(<!-- out: ([\w.-]+) -->\n)```\n.*?```\n(<!-- end -->)", re.DOTALL)


def blocks() -> dict[str, str]:
    """Run every scene on a node of its own; return what was typed and said, by the name of the block."""
    return {f"{name}.{part}": text for name, scene in SCENES.items() for part, text in scene().items()}


def filled(page: str, said: dict[str, str]) -> str:
    """Return a page with its blocks as said."""
    return BLOCK.sub(lambda m: f"{m[1]}```\n{said[m[2]]}```\n{m[3]}", page)


def named(page: str) -> list[str]:
    """Return the names of the blocks of a page."""
    return [name for _, name, _ in BLOCK.findall(page)]


def main() -> None:
    """Write all pages and the data anew."""
    said = blocks()
    for path in PAGES:
        path.write_text(filled(path.read_text("utf-8"), said), "utf-8")
    (ROOT / "docs/node.json").write_text(json.dumps(measured(), indent=1) + "\n", "utf-8")
    unused = set(said) - {name for path in PAGES for name in named(path.read_text("utf-8"))}
    if unused:
        sys.exit(f"in no page: {', '.join(sorted(unused))}")


if __name__ == "__main__":
    main()
