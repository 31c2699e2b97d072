# SPDX-License-Identifier: GPL-2.0-or-later
"""Say things on stderr, as every verb does: a line each, with the verb's name before it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from contextlib import suppress

from vzhooks.errors import printable
from vzhooks.kernel.apply import Failure
from vzhooks.model import Problem


def tell(args: argparse.Namespace, lines: Iterable[str], failures: Iterable[Failure] = ()) -> None:
    """Say lines, and what failed where --verbose has not said that already."""
    for text in [*lines, *(f.text for f in failures if not args.verbose)]:
        with suppress(OSError, ValueError):  # nobody may be there to read it
            print(f"vzhooks {args.command}: {printable(text)}", file=sys.stderr)


def lines_of(problems: Iterable[Problem]) -> list[str]:
    """Return problems as lines, with the VE that they concern."""
    return [f"VE {p.ctid}: {p.text}" if p.ctid else p.text for p in problems]
