# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: one cmd_ function a verb, each returning an exit status.

Data goes to stdout, talk to stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from typing import Any

from vzhooks.cli import changed, kit, trying
from vzhooks.cli.saying import lines_of as _lines
from vzhooks.cli.saying import tell as _tell
from vzhooks.errors import DONE, DRIFT, FAILED, UsageError, VzhooksError, printable
from vzhooks.kernel.apply import Watch
from vzhooks.neighbours import follow
from vzhooks.node import host, interrupt, log
from vzhooks.node.host import Paths
from vzhooks.policy.gateways import doubts
from vzhooks.policy.shown import shell
from vzhooks.policy.uplinks import BLOCK
from vzhooks.run import events
from vzhooks.run.events import Event
from vzhooks.run.request import Report
from vzhooks.usage.commands import parser
from vzhooks.words import counted

LOGGED = ("resync", "set", "harden", "confirm", "migrate", "install", "uninstall")


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
        # Whoever uninstalls it meanwhile does not want it back.
        args.installed = args.command in LOGGED and host.is_installed(Paths())
        verb = globals().get(f"cmd_{args.command}") or getattr(kit, f"cmd_{args.command}")
        status: int = verb(args, event)
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
    report = _reconcile(args, event, args.ctids, args.dry_run, careful=True, force=args.force,
                        trying=trying.asked(args, args.dry_run))
    if report.refused:
        changed.show(args, report, args.dry_run)
        _tell(args, [*report.refused.splitlines(), *filter(None, [report.unnoted]),
                     "nothing was changed; mend that, or give --force"])
        return FAILED
    moves = [*map(str, report.changed), *map(str, report.moves)]
    said = {(m.ctid, m.why) for m in report.moves}
    _tell(args, _lines(p for p in report.problems if (p.ctid, p.text) not in said))
    _tell(args, [*moves, *report.remarks, *map(str, doubts(report.settings, report.facts.nics))])
    changed.show(args, report, args.dry_run)
    _tell(args, (), report.failures)
    done = "would be made" if args.dry_run else f"made in {event.ms} ms" if report.ops else "made"
    _tell(args, [f"{counted(len(report.ops), 'change')} {done}"])
    if args.dry_run:
        return DRIFT if report.ops else DONE
    cut_off = any(w.state == "blocked" and w.why != BLOCK for w in report.ways)
    return FAILED if report.failures or cut_off or any(p.refuses for p in report.problems) else DONE


def cmd_set(args: argparse.Namespace, event: Event) -> int:
    """Move a VE to another uplink."""
    from vzhooks.run import assign
    event.ctid = args.ctid
    done = assign.assign(Paths(), args.ctid, assign.meant(args.uplink), args.save, _watch(args), args.force,
                         args.installed)
    event.ctid = done.ctid
    event.done(done.report, "stopped", **{"from": done.former or "none", "to": args.uplink}, saved=done.saved)
    follow.announce_moved(done.report)
    mine = [r for r in done.report.remarks if not r.startswith("VE ") or r.startswith(f"VE {done.ctid}: ")]
    _tell(args, [*_lines(done.problems), *filter(None, [events.hardened(done.report)]), *mine], done.report.failures)
    _tell(args, [done.told(args.uplink, event.ms)])
    if args.diff:
        changed.show(args, done.report, False)
    if args.forget_flows and done.runs:
        from vzhooks.kernel import conntrack
        addresses = [a for w in done.report.ways if w.ve.ctid == done.ctid for a in w.ve.addresses]
        _tell(args, [f"VE {done.ctid}: {conntrack.forget(addresses) or 'no'} tracked connections forgotten"])
    return FAILED if done.failed else DONE


def cmd_status(args: argparse.Namespace, event: Event) -> int:
    """Show who leaves by what; return 3 where somebody has to do something."""
    from vzhooks.cli import overview, terminal
    from vzhooks.status import rows, table
    if args.prometheus:
        return _prometheus(args)
    if args.watch:
        from vzhooks.cli import watching
        return watching.watch(Paths(), args.ctids)
    view = overview.gather(Paths(), args.ctids)
    out = sys.stdout
    print(rows.as_json(view) if args.json else table.render(view, terminal.width(out), terminal.colour(out)))
    _tell(args, [*_lines(view.report.problems), *(f"due: {shell(op)}" for op in view.report.ops if args.verbose)])
    return rows.exit_code(view)


def _prometheus(args: argparse.Namespace) -> int:
    """Print numbers for Prometheus: of the node as a whole, whose series must not come and go."""
    from vzhooks.cli import measuring
    from vzhooks.status import metrics
    if args.ctids:
        raise UsageError("--prometheus is about the whole node; leave out the VEs")
    print(metrics.as_text(metrics.families(measuring.measure(Paths()))), end="")
    return DONE


def cmd_route(args: argparse.Namespace, event: Event) -> int:
    """Show rule, table, device and source of a VE's packet; return 3 where that contradicts the config."""
    from vzhooks.cli import where
    answers, warnings = where.ask(Paths(), args.ctid, args.dest)
    _tell(args, warnings)
    for n, answer in enumerate(answers):
        print("\n".join(answer.lines if not n else ("", *answer.lines)))
        if answer.contradiction:
            _tell(args, [answer.contradiction])
    return DRIFT if any(a.contradiction for a in answers) else DONE


def cmd_harden(args: argparse.Namespace, event: Event) -> int:
    """Harden the HN's own ARP, give it back, or tell whether it is soft."""
    from vzhooks.model import Sysctl
    report = _reconcile(args, event, [], args.check, harden="off" if args.undo else "on", force=args.force,
                        trying=trying.asked(args, args.check))
    soft = [op for op in report.ops if isinstance(op.item, Sysctl)]
    changed.show(args, report, args.check, sysctls=True)
    _tell(args, [*_lines(p for p in report.problems if not p.ctid), *report.remarks], report.failures)
    if args.check and soft:
        return DRIFT
    return FAILED if report.failures or any(p.refuses and not p.ctid for p in report.problems) else DONE


def cmd_doctor(args: argparse.Namespace, event: Event) -> int:
    """Print what would break the node, with evidence and fix."""
    from vzhooks.doctor import checks, gather
    host.require_root()
    findings = checks.examine(gather.gather(Paths(), args.probe))
    if args.json:
        print(checks.as_json(findings))
    elif findings:
        print(checks.as_text(findings))
    _tell(args, [f"{len(findings) or 'no'} findings"])
    return DRIFT if findings else DONE


def _reconcile(args: argparse.Namespace, event: Event, given: list[str], dry_run: bool, **more: Any) -> Report:
    """Run; put on record and announce what was changed, before a reader of our output can go away."""
    from vzhooks.run import assign, reconcile
    from vzhooks.run.request import Request
    ctids = assign.find_all(Paths(), given)
    event.ctid = ",".join(ctids)
    watch, asked = _watch(args), more["trying"]
    watch = trying.Keeping(watch, asked.token) if asked and not dry_run else watch
    request = Request(ctids=frozenset(ctids) or None, dry_run=dry_run, watch=watch, installed=args.installed, **more)
    report = reconcile.run(Paths(), request)
    if not dry_run and not report.refused:
        event.done(report)
        _tell(args, filter(None, [events.hardened(report)]))
        follow.announce_moved(report)
    return report


def _watch(args: argparse.Namespace) -> Watch:
    from vzhooks.cli import terminal
    if args.verbose:
        return terminal.Verbose(args.command)
    return terminal.Counter(args.command) if terminal.is_terminal(sys.stderr) else terminal.Quiet()


def _is_look(args: argparse.Namespace) -> bool:
    return bool(getattr(args, "dry_run", False) or getattr(args, "check", False))


def cmd_install(args: argparse.Namespace, event: Event) -> int:
    """Put our files in place, keeping what stands there."""
    from vzhooks.install import install
    paths = Paths.below(args.destdir)
    first = not (paths.root or os.path.exists(paths.manifest))
    python = args.python or sys.executable
    changes = _done(args, event, install.install(paths, python, args.vzctl_wrapper, args.dry_run))
    if first and changes and not args.dry_run:
        _tell(args, install.next_steps(paths))
    return DONE


def cmd_uninstall(args: argparse.Namespace, event: Event) -> int:
    """Take our files and all of our state away again."""
    from vzhooks.install import install
    paths = Paths.below(args.destdir)
    _done(args, event, install.uninstall(paths, args.force, _watch(args), args.dry_run))
    return DONE


def _done(args: argparse.Namespace, event: Event, lines: Iterable[str]) -> int:
    """Print each change of files and put them on record; what has begun is brought to its end."""
    interrupt.hold()
    changes = 0
    for line in lines:
        print(printable(line))
        changes += not line.startswith(("left ", "now run: "))
    if not args.dry_run:
        event.counted(changes)
    made = "would be made" if args.dry_run else "made"
    if not (changes and args.destdir):
        _tell(args, [f"{changes} change{'s' * (changes != 1)} {made}" if changes else "nothing to do"])
    return changes


def cmd_daemon(args: argparse.Namespace, event: Event) -> int:
    """Stay on the node until told to end."""
    from vzhooks.daemon import resident
    resident.run(Paths(), lambda words: main(list(words)))
    return DONE


def cmd_hook(args: argparse.Namespace, event: Event) -> int:
    """Do what a hook script does, in the environment vzctl gives it."""
    from vzhooks.hooks import hook
    return hook.boot(Paths()) if args.name == "boot" else hook.main(args.name)
