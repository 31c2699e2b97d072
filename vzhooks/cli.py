# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: one cmd_ function a verb, each returning an exit status.

Data goes to stdout, talk to stderr.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vzhooks import log
from vzhooks.commands import parser
from vzhooks.errors import DONE, DRIFT, FAILED, VzhooksError
from vzhooks.host import Paths
from vzhooks.model import Problem

if TYPE_CHECKING:
    from vzhooks.apply import Failure, Watch
    from vzhooks.reconcile import Report


def main(argv: list[str] | None = None) -> int:
    """Run one command; return the exit status of design: 0, 1, 2 usage, 3 drift, 75 busy."""
    args = parser().parse_args(argv)
    try:
        return globals()[f"cmd_{args.command}"](args)
    except VzhooksError as error:
        print(f"vzhooks {args.command}: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        return FAILED
    finally:
        log.close_quietly()


def cmd_resync(args: argparse.Namespace) -> int:
    """Make found equal wanted; print the changes."""
    from vzhooks import follow
    from vzhooks.apply import shell
    report = _reconcile(args, args.ctids, args.dry_run)
    for op in report.ops:
        print(shell(op))
    follow.announce_moved(report)
    _tell(args, _lines(report.problems), report.failures)
    done = "would be made" if args.dry_run else "made"
    print(f"vzhooks resync: {len(report.ops) or 'no'} changes {done}", file=sys.stderr)
    return FAILED if report.failures or any(p.refuses for p in report.problems) else DONE


def cmd_set(args: argparse.Namespace) -> int:
    """Move a VE to another uplink."""
    from vzhooks import assign, follow, ini
    paths = Paths()
    name = "" if args.uplink == "none" else args.uplink
    done = assign.assign(paths, ini.load(paths), args.ctid, name, args.save, _watch(args))
    follow.announce_moved(done.report)
    _tell(args, _lines(done.problems), done.report.failures)
    if done.remark:
        print(f"vzhooks set: {done.remark}", file=sys.stderr)
    return FAILED if done.failed else DONE


def cmd_status(args: argparse.Namespace) -> int:
    """Show who leaves by what; return 3 where the kernel differs from what should be."""
    from vzhooks import ini, overview, status, table, terminal
    paths = Paths()
    view = overview.gather(paths, ini.load(paths), args.ctids)
    out = sys.stdout
    print(status.as_json(view) if args.json else table.render(view, terminal.width(out), terminal.colour(out)))
    _tell(args, _lines(view.report.problems))
    return DRIFT if view.report.ops else DONE


def cmd_route(args: argparse.Namespace) -> int:
    """Show rule, table, device and source of a VE's packet; return 3 where that contradicts the config."""
    from vzhooks import ini, where
    answers = where.ask(Paths(), ini.load(Paths()), args.ctid, args.dest)
    for n, answer in enumerate(answers):
        print("\n".join(answer.lines if not n else ("", *answer.lines)))
        if answer.contradiction:
            print(f"vzhooks route: {answer.contradiction}", file=sys.stderr)
    return DRIFT if any(a.contradiction for a in answers) else DONE


def cmd_harden(args: argparse.Namespace) -> int:
    """Harden the HN's own ARP, give it back, or tell whether it is soft."""
    from vzhooks import follow
    from vzhooks.apply import shell
    from vzhooks.model import Sysctl
    report = _reconcile(args, [], args.check, harden="off" if args.undo else "on", force=args.force)
    soft = [op for op in report.ops if isinstance(op.item, Sysctl)]
    for op in soft:
        print(shell(op))
    follow.announce_moved(report)
    _tell(args, _lines(p for p in report.problems if not p.ctid), report.failures)
    if args.check and soft:
        return DRIFT
    return FAILED if report.failures or any(p.refuses and not p.ctid for p in report.problems) else DONE


def cmd_doctor(args: argparse.Namespace) -> int:
    """Print what would break the node, with evidence and fix."""
    from vzhooks import doctor, examine
    findings = doctor.examine(examine.gather(Paths(), args.probe))
    if args.json:
        print(doctor.as_json(findings))
    elif findings:
        print(doctor.as_text(findings))
    print(f"vzhooks doctor: {len(findings) or 'no'} findings", file=sys.stderr)
    return DRIFT if findings else DONE


def _reconcile(args: argparse.Namespace, given: list[str], dry_run: bool, **more: Any) -> Report:
    from vzhooks import assign, ini, reconcile
    paths = Paths()
    ctids = frozenset(assign.find_all(paths, given)) or None
    request = reconcile.Request(ctids=ctids, dry_run=dry_run, watch=_watch(args), **more)
    return reconcile.run(paths, ini.load(paths), request)


def _watch(args: argparse.Namespace) -> Watch:
    from vzhooks import apply, terminal
    return terminal.Counter(args.command) if terminal.is_terminal(sys.stderr) else apply.Watch()


def _tell(args: argparse.Namespace, lines: Iterable[str], failures: Iterable[Failure] = ()) -> None:
    for text in [*lines, *(f.text for f in failures)]:
        print(f"vzhooks {args.command}: {text}", file=sys.stderr)


def _lines(problems: Iterable[Problem]) -> list[str]:
    return [f"VE {p.ctid}: {p.text}" if p.ctid else p.text for p in problems]


def cmd_install(args: argparse.Namespace) -> int:
    """Put our files in place, keeping what stands there."""
    from vzhooks import install
    return _done(args, install.install(Paths.below(args.destdir), args.python or sys.executable, args.vzctl_wrapper))


def cmd_uninstall(args: argparse.Namespace) -> int:
    """Take our files and all of our state away again."""
    from vzhooks import install
    return _done(args, install.uninstall(Paths.below(args.destdir), args.force))


def _done(args: argparse.Namespace, lines: Iterable[str]) -> int:
    changed = False
    for line in lines:
        print(line)
        changed = True
    if not changed:
        print(f"vzhooks {args.command}: nothing to do", file=sys.stderr)
    return DONE


def cmd_hook(args: argparse.Namespace) -> int:
    """Do what a hook script does, in the environment vzctl gives it."""
    from vzhooks import hook
    return hook.boot(Paths()) if args.name == "boot" else hook.main(args.name)

