# SPDX-License-Identifier: GPL-2.0-or-later
"""The verbs around a change: judge an ini before it, keep what is on trial, move in, and tell a maintainer.

Each imports what it needs when it is called, as those of `main` do.
"""

from __future__ import annotations

import argparse

from vzhooks.cli.saying import tell
from vzhooks.errors import DONE, FAILED
from vzhooks.neighbours import follow
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


def cmd_confirm(args: argparse.Namespace, event: Event) -> int:
    """Keep what is on trial; return 1 where nothing is, or the time is over."""
    from vzhooks.node import host
    from vzhooks.run import reconcile
    host.require_root()
    late = reconcile.give_back(Paths())
    if late:
        follow.announce_moved(late[0])
        tell(args, [f"too late: {late[1]}"])
        return FAILED
    lines = reconcile.confirm(Paths())
    event.counted(0)
    tell(args, lines)
    return DONE
