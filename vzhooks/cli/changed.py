# SPDX-License-Identifier: GPL-2.0-or-later
"""Print what a run changes: by VE with --diff, else as the commands that it equals."""

from __future__ import annotations

import argparse
import sys

from vzhooks.model import Sysctl
from vzhooks.policy.shown import shell
from vzhooks.run.request import Report


def show(args: argparse.Namespace, report: Report, dry: bool, sysctls: bool = False) -> None:
    """Print the changes, but for commands that --verbose has said already; sysctls: of commands, those alone."""
    if args.diff:
        _diff(report)
    elif dry or report.refused or not args.verbose:
        for op in report.ops:
            if isinstance(op.item, Sysctl) or not sysctls:
                print(shell(op))


def _diff(report: Report) -> None:
    from vzhooks.cli import terminal
    from vzhooks.status import difference
    if report.ops:
        print(difference.render(report, terminal.colour(sys.stdout)))
