# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: one cmd_ function a verb, each returning an exit status.

Data goes to stdout, talk to stderr.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vzhooks import events, follow, interrupt, log
from vzhooks.apply import Failure, Watch, shell
from vzhooks.commands import parser
from vzhooks.errors import DONE, DRIFT, FAILED, UsageError, VzhooksError, printable
from vzhooks.events import Event
from vzhooks.host import Paths
from vzhooks.model import Problem
from vzhooks.reconcile import Report

if TYPE_CHECKING:
    from vzhooks.assign import Assigned

LOGGED = ("resync", "set", "harden", "install", "uninstall")


def main(argv: list[str] | None = None) -> int:
    """Run one command; return the exit status of design: 0, 1, 2 usage, 3 drift, 75 busy."""
    log.open_standard()
    with interrupt.orderly():
        args = parser().parse_args(argv)
        status = _run(args)
        struck = interrupt.struck()
        if struck:
            _tell(args, ["interrupted; what had begun was brought to its end"])
        return struck or status


def _run(args: argparse.Namespace) -> int:
    event = events.Event(args.command)
    try:
        status: int = globals()[f"cmd_{args.command}"](args, event)
        if sys.stdout:
            sys.stdout.flush()
        return status
    except VzhooksError as error:
        _tell(args, [str(error)])
        if args.command in LOGGED and not isinstance(error, UsageError) and not _is_look(args):
            event.failed(str(error))
        return error.exit_code
    except BrokenPipeError:
        return FAILED
    except OSError as error:
        _tell(args, [f"{error.filename or 'stdout'}: {error.strerror}; mend that and give the command again"])
        return FAILED
    finally:
        log.close_quietly()


def cmd_resync(args: argparse.Namespace, event: Event) -> int:
    """Make found equal wanted; print the changes."""
    report = _reconcile(args, event, args.ctids, args.dry_run)
    for op in report.ops:
        print(shell(op))
    _tell(args, _lines(report.problems), report.failures)
    done = "would be made" if args.dry_run else f"made in {event.ms} ms" if report.ops else "made"
    _tell(args, [f"{len(report.ops) or 'no'} changes {done}"])
    return FAILED if report.failures or any(p.refuses for p in report.problems) else DONE


def cmd_set(args: argparse.Namespace, event: Event) -> int:
    """Move a VE to another uplink."""
    from vzhooks import assign, ini
    paths = Paths()
    name = "" if args.uplink == "none" else args.uplink
    event.ctid = args.ctid
    done = assign.assign(paths, ini.load(paths), args.ctid, name, args.save, _watch(args))
    event.ctid = done.ctid
    event.done(done.report, "stopped", **{"from": done.former or "none", "to": args.uplink}, saved=done.saved)
    follow.announce_moved(done.report)
    _tell(args, _lines(done.problems), done.report.failures)
    _tell(args, [_what_set_did(done, args.uplink, event.ms)])
    if args.forget_flows and done.runs:
        from vzhooks import flows
        addresses = [a for w in done.report.ways if w.ve.ctid == done.ctid for a in w.ve.addresses]
        _tell(args, [f"VE {done.ctid}: {flows.forget(addresses) or 'no'} tracked connections forgotten"])
    return FAILED if done.failed else DONE


def _what_set_did(done: Assigned, name: str, ms: int) -> str:
    ve = f"VE {done.ctid}: uplink {name}"
    if not done.runs:
        return done.remark or f"{ve} saved; it does not run and has it from its next start"
    return f"{ve}, {len(done.report.ops) or 'no'} changes made in {ms} ms; {done.remark or 'saved'}"


def cmd_status(args: argparse.Namespace, event: Event) -> int:
    """Show who leaves by what; return 3 where the kernel differs from what should be."""
    from vzhooks import ini, overview, status, table, terminal
    paths = Paths()
    view = overview.gather(paths, ini.load(paths), args.ctids)
    out = sys.stdout
    print(status.as_json(view) if args.json else table.render(view, terminal.width(out), terminal.colour(out)))
    _tell(args, [*_lines(view.report.problems), *(f"due: {shell(op)}" for op in view.report.ops if args.verbose)])
    return DRIFT if view.report.ops else DONE


def cmd_route(args: argparse.Namespace, event: Event) -> int:
    """Show rule, table, device and source of a VE's packet; return 3 where that contradicts the config."""
    from vzhooks import ini, where
    answers = where.ask(Paths(), ini.load(Paths()), args.ctid, args.dest)
    for n, answer in enumerate(answers):
        print("\n".join(answer.lines if not n else ("", *answer.lines)))
        if answer.contradiction:
            _tell(args, [answer.contradiction])
    return DRIFT if any(a.contradiction for a in answers) else DONE


def cmd_harden(args: argparse.Namespace, event: Event) -> int:
    """Harden the HN's own ARP, give it back, or tell whether it is soft."""
    from vzhooks.model import Sysctl
    report = _reconcile(args, event, [], args.check, harden="off" if args.undo else "on", force=args.force)
    soft = [op for op in report.ops if isinstance(op.item, Sysctl)]
    for op in soft:
        print(shell(op))
    _tell(args, _lines(p for p in report.problems if not p.ctid), report.failures)
    if args.check and soft:
        return DRIFT
    return FAILED if report.failures or any(p.refuses and not p.ctid for p in report.problems) else DONE


def cmd_doctor(args: argparse.Namespace, event: Event) -> int:
    """Print what would break the node, with evidence and fix."""
    from vzhooks import doctor, examine, host
    host.require_root()
    findings = doctor.examine(examine.gather(Paths(), args.probe))
    if args.json:
        print(doctor.as_json(findings))
    elif findings:
        print(doctor.as_text(findings))
    _tell(args, [f"{len(findings) or 'no'} findings"])
    return DRIFT if findings else DONE


def _reconcile(args: argparse.Namespace, event: Event, given: list[str], dry_run: bool, **more: Any) -> Report:
    """Run; put on record and announce what was changed, before a reader of our output can go away."""
    from vzhooks import assign, ini, reconcile
    paths = Paths()
    ctids = assign.find_all(paths, given)
    event.ctid = ",".join(ctids)
    request = reconcile.Request(ctids=frozenset(ctids) or None, dry_run=dry_run, watch=_watch(args), **more)
    report = reconcile.run(paths, ini.load(paths), request)
    if not dry_run:
        event.done(report)
        follow.announce_moved(report)
    return report


def _watch(args: argparse.Namespace) -> Watch:
    from vzhooks import terminal
    if args.verbose:
        return terminal.Verbose(args.command)
    return terminal.Counter(args.command) if terminal.is_terminal(sys.stderr) else terminal.Quiet()


def _tell(args: argparse.Namespace, lines: Iterable[str], failures: Iterable[Failure] = ()) -> None:
    for text in [*lines, *(f.text for f in failures if not args.verbose)]:
        with suppress(OSError, ValueError):  # nobody may be there to read it
            print(f"vzhooks {args.command}: {printable(text)}", file=sys.stderr)


def _is_look(args: argparse.Namespace) -> bool:
    return bool(getattr(args, "dry_run", False) or getattr(args, "check", False))


def _lines(problems: Iterable[Problem]) -> list[str]:
    return [f"VE {p.ctid}: {p.text}" if p.ctid else p.text for p in problems]


def cmd_install(args: argparse.Namespace, event: Event) -> int:
    """Put our files in place, keeping what stands there."""
    from vzhooks import install
    python = args.python or sys.executable
    return _done(args, event, install.install(Paths.below(args.destdir), python, args.vzctl_wrapper))


def cmd_uninstall(args: argparse.Namespace, event: Event) -> int:
    """Take our files and all of our state away again."""
    from vzhooks import install
    return _done(args, event, install.uninstall(Paths.below(args.destdir), args.force, _watch(args)))


def _done(args: argparse.Namespace, event: Event, lines: Iterable[str]) -> int:
    """Print each change of files and put them on record; what has begun is brought to its end."""
    interrupt.hold()
    changes = 0
    for line in lines:
        print(printable(line))
        changes += 1
    event.counted(changes)
    if not changes:
        _tell(args, ["nothing to do"])
    return DONE


def cmd_hook(args: argparse.Namespace, event: Event) -> int:
    """Do what a hook script does, in the environment vzctl gives it."""
    from vzhooks import hook
    return hook.boot(Paths()) if args.name == "boot" else hook.main(args.name)
