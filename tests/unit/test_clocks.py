# SPDX-License-Identifier: GPL-2.0-or-later
"""The time of day is only shown: an administrator or NTP sets it, and nothing may happen sooner or later by that."""

import ast
from pathlib import Path

import vzhooks

ROOT = Path(vzhooks.__file__).parent
OF_DAY = {"time", "time_ns", "localtime", "gmtime", "ctime", "strftime", "mktime", "CLOCK_REALTIME", "datetime"}
SHOWN = {"cli/bundle.py": "the name and the entries of an archive", "cli/watching.py": "when a line was said",
         "run/trial.py": "until when something is on trial"}


def asks(path):
    """Return the words of the module time, or of datetime, by which a file asks for the time of day."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)
             and n.value.id in ("time", "datetime", "date")}
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module in ("time", "datetime")
                for a in n.names}
    return (found | imported) & OF_DAY


def test_nothing_is_done_by_the_time_of_day():
    found = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py") if asks(path)}
    assert found == set(SHOWN)
