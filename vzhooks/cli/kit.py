# SPDX-License-Identifier: GPL-2.0-or-later
"""The verbs around a change: judge an ini before it, keep what is on trial, move in, and tell a maintainer.

Each imports what it needs when it is called, as those of `main` do.
"""

from __future__ import annotations

import argparse

from vzhooks.cli.saying import tell
from vzhooks.errors import DONE, FAILED
from vzhooks.node.host import Paths
from vzhooks.run.events import Event


def cmd_check(args: argparse.Namespace, event: Event) -> int:
    """Judge an ini; print what is wrong with it and what is suspicious here, return 1 for an error."""
    from vzhooks.cli import judge
    found = judge.judge(Paths(), args.file)
    if args.json:
        print(judge.as_json(found))
    else:
        for one in found:
            print(one.text)
    bad = any(one.level == judge.ERROR for one in found)
    if not bad:
        tell(args, [f"{judge.name_of(Paths(), args.file)}: no error"])
    return FAILED if bad else DONE
