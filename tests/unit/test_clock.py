# SPDX-License-Identifier: GPL-2.0-or-later
"""A wall clock that jumps changes nothing: what waits, expires or compares goes by the seconds since boot."""

import ast
from pathlib import Path

import vzhooks

ROOT = Path(vzhooks.__file__).parent
WALL = {"time", "time_ns", "localtime", "gmtime", "ctime", "asctime", "strftime", "mktime", "CLOCK_REALTIME"}
SHOWS = {"cli/watching.py", "cli/bundle.py", "run/trial.py"}
"""What tells people the time."""


def asks(tree):
    """Tell whether code asks what time it is by the wall clock."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "time":
            yield node.attr in WALL
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield any(name.name in WALL for name in node.names)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield "datetime" in [getattr(node, "module", None), *(name.name for name in node.names)]


def test_only_what_is_shown_goes_by_the_wall_clock():
    found = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py")
             if any(asks(ast.parse(path.read_text(encoding="utf-8"))))}
    assert found == SHOWS
