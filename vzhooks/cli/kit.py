# SPDX-License-Identifier: GPL-2.0-or-later
"""The verbs around a change: judge an ini before it, keep what is on trial, move in, and tell a maintainer.

Each imports what it needs when it is called, as those of `main` do.
"""

from __future__ import annotations

import argparse

from vzhooks.cli.saying import tell
from vzhooks.errors import DONE, DRIFT, FAILED
from vzhooks.neighbours import follow
from vzhooks.node.host import Paths
from vzhooks.run import events
from vzhooks.run.events import Event
from vzhooks.words import counted


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
    from vzhooks.run import reconcile, trial
    host.require_root()
    late = reconcile.give_back(Paths())
    if late:
        follow.announce_moved(late[0])
        tell(args, [f"too late: {late[1]}"])
        return FAILED
    lines = trial.confirm(Paths())
    event.counted(0)
    tell(args, lines)
    return DONE


def cmd_migrate(args: argparse.Namespace, event: Event) -> int:
    """Show how VEs get uplinks in place of an older script's rules, return 3 where some can; or do it."""
    from vzhooks.cli import terminal
    from vzhooks.node import host, leftovers
    from vzhooks.run import migrate
    from vzhooks.status import migration
    host.require_root()
    found = migrate.look(Paths())
    left = [str(one) for one in leftovers.find(Paths())]
    texts = {Paths().ini: found.ini, **{path: (_shown(old), _shown(new)) for path, (old, new) in found.configs.items()}}
    if args.json:
        print(migration.as_json(texts, found.plan, left))
    elif not found.plan.empty:
        print(migration.diff(texts, found.report.facts.theirs, found.plan))
    tell(args, found.plan.notes)
    if found.plan.empty or not args.write:
        tell(args, [*left, "nothing to migrate" if found.plan.empty else "nothing was changed; --write does it"])
        return DONE if found.plan.empty else DRIFT
    done = migrate.write(Paths(), found, terminal.Quiet())
    event.done(done, dropped=len(done.dropped))
    follow.announce_moved(done)
    tell(args, filter(None, [events.hardened(done), done.unnoted]), done.failures)
    tell(args, [f"{counted(len(found.plan.uplinks), 'VE')} moved to uplinks, {counted(len(done.dropped), 'rule')} of "
                f"others dropped in {event.ms} ms", *left])
    return FAILED if done.failures or done.unnoted else DONE


def cmd_report(args: argparse.Namespace, event: Event) -> int:
    """Put what a maintainer needs to know of this node into one file; print its name."""
    from vzhooks.cli import bundle
    from vzhooks.node import host
    host.require_root()
    path = bundle.path_of(args.output)
    found, missing = bundle.gathered(Paths(), args.mask)
    bundle.write(path, found)
    print(path)
    tell(args, [f"{counted(len(found), 'part')}; not to be had: {', '.join(m.partition(':')[0] for m in missing)} "
                f"(why: {bundle.MISSING} in it)" if missing else counted(len(found), "part")])
    if not args.mask:
        tell(args, ["it holds addresses and names of VEs; --mask hides them"])
    return DONE


def _shown(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
