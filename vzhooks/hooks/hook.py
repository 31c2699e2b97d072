# SPDX-License-Identifier: GPL-2.0-or-later
"""What the hook scripts call: vzctl's environment in, an exit status out.

vzctl gives a hook VEID and VE_CONFFILE and little else (reference: libvzctl lib/util.c, vzctl
src/lib/script.c). A mount hook's failure refuses the start; an unmount hook's would leave the VE
mounted and make the next start skip the mount hooks, so ours never fails.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress

from vzhooks.config.vzconf import VeConfig
from vzhooks.errors import DONE, FAILED, VzhooksError
from vzhooks.hooks.means import Means
from vzhooks.kernel import lean
from vzhooks.neighbours import follow
from vzhooks.node import host, interrupt, log
from vzhooks.node.host import Paths
from vzhooks.policy.evidence import Event, may_have_uplink
from vzhooks.policy.wanting import is_closed
from vzhooks.run import events, first, reconcile
from vzhooks.run.request import HOOK, Report, Request

LOCK_WAIT_S = 120.0
LEAST_WAIT_S = 1.0


def wait_s(start: float) -> float:
    """Return how long a hook that began at `start` (monotonic) may still wait for the lock, however often."""
    return max(LEAST_WAIT_S, LOCK_WAIT_S - (time.monotonic() - start))


def main(name: str, environ: Mapping[str, str] = os.environ) -> int:
    """Do what the event asks for; return 0, or 1 to refuse a start. Never raises.

    A Ctrl-C is meant for vzctl, which ends a start by itself.
    """
    log.open_standard()
    with interrupt.orderly():
        interrupt.hold()
        return serve(name, environ, Means())


def serve(name: str, environ: Mapping[str, str], means: Means) -> int:
    """Do the same by given means, whatever signals come; what is to be said goes to descriptor 2."""
    paths, veid, conffile = Paths(), environ.get("VEID", ""), environ.get("VE_CONFFILE", "")
    event = events.Event(name, veid)
    try:
        host.check_ctid(veid)
        return _mount(event, conffile, paths, means) if name == "mount" else _unmount(event, paths, means)
    except VzhooksError as error:
        line = str(error)
    except Exception as error:  # noqa: BLE001 - the hook's door: whatever it is, the operator reads one line
        line = f"VE {veid}: {lean.explained(error)}"
    log.say(f"{name}: {line}", log.ERROR)
    event.failed(line)
    return FAILED if name == "mount" and _may_be_assigned(paths, veid, conffile) else DONE


def boot(paths: Paths) -> int:
    """Bring rules, tables and the node's ARP back before VEs start; an ini with an error must not hinder it."""
    event = events.Event("boot")
    report = reconcile.run(paths, Request(door=HOOK, wait_s=LOCK_WAIT_S))
    for text in [*report.warnings, *filter(None, [report.refused, report.unnoted]), *(f.text for f in report.failures)]:
        log.say(f"boot: {text}")
    event.done(report)
    _say_hardened(report)
    follow.announce_moved(report)
    return FAILED if report.failures or report.refused or report.unnoted else DONE


def _say_hardened(report: Report) -> None:
    line = events.hardened(report)
    if line:
        log.say(line)


def _may_be_assigned(paths: Paths, veid: str, conffile: str) -> bool:
    """Tell whether the VE may have an uplink; one whose config cannot be read may."""
    try:
        config = host.read_config(paths, host.check_ctid(veid), conffile)
    except FileNotFoundError:
        return False
    except VzhooksError:
        return True
    return may_have_uplink(config)


def _unmount(event: events.Event, paths: Paths, means: Means) -> int:
    report = means.run(paths, Request(event=Event(event.name, event.ctid), door=HOOK, wait_s=LOCK_WAIT_S))
    for text in [*report.warnings, *filter(None, [report.unnoted]), *(f.text for f in report.failures)]:
        log.say(f"{event.name}: VE {event.ctid}: {text}", ve=event.ctid)
    event.done(report, "gone")
    if report.changed:  # all VEs of an uplink go another way by this run
        with suppress(OSError):
            follow.announce_moved(report)
    return DONE


def _mount(event: events.Event, conffile: str, paths: Paths, means: Means) -> int:
    ctid = event.ctid
    try:
        report = _reconcile(paths, ctid, conffile, means)
    except VzhooksError as error:
        event.failed(str(error))
        return _end(ctid, [str(error)], _may_be_assigned(paths, ctid, conffile), False)
    config = report.configs.get(ctid)
    if config is None:
        log.say(f"mount: VE {ctid}: {conffile or paths.conf_dir}: no config yet, so nothing to do", log.INFO,
                quiet=True)
        return DONE
    cut_off = events.cut_off(report, ctid)
    refusals, notes = _sorted(report, ctid)
    for text in [*report.warnings, *(n for n in notes if not cut_off or n not in cut_off)]:
        log.say(f"mount: VE {ctid}: {text}", ve=ctid)
    shut = isinstance(config, VeConfig) and not (report.refused or report.unnoted or any(
        f.opens for f in report.failures))
    status = _end(ctid, refusals, may_have_uplink(config), shut and report.settings.on_error == "warn")
    if status:
        _give_back(paths, event, means)
        event.failed(refusals[0], "refused")
        return status
    if cut_off and not refusals:
        log.say(f"mount: {cut_off}", ve=ctid)
    return _started(paths, event, report, means)


def _started(paths: Paths, event: events.Event, report: Report, means: Means) -> int:
    """Put a start that goes on on record, and tell neighbours of it."""
    event.done(report, "unassigned")
    _say_hardened(report)
    try:
        _tell_neighbours(paths, event.ctid, report, means)
    except OSError as error:  # no process or socket to be had: no reason to refuse a VE whose way is right
        log.say(f"mount: VE {event.ctid}: neighbours are not told ({error.strerror}); "
                "`vzhooks resync` when it runs", ve=event.ctid)
    return DONE


def _tell_neighbours(paths: Paths, ctid: str, report: Report, means: Means) -> None:
    means.moved(report)
    # A closed node has a rule for each VE's device, and OpenVZ 9 makes that later.
    closed = is_closed(report.settings)
    ways = (w for w in report.ways if w.ve.ctid == ctid and (w.uplink or closed))
    addresses = frozenset(a for w in ways for a in w.ve.addresses)
    if addresses:
        means.mounted(paths, ctid, addresses)


def _reconcile(paths: Paths, ctid: str, conffile: str, means: Means) -> Report:
    return means.run(paths, Request(event=Event("mount", ctid), conffile=conffile, door=HOOK, wait_s=LOCK_WAIT_S))


def _sorted(report: Report, ctid: str) -> tuple[list[str], list[str]]:
    """Return what refuses the VE's start, and what is only worth a line."""
    ours = [p for p in report.problems if p.ctid in ("", ctid)]
    refusals = [_with_way_out(p.text, report) for p in ours if p.refuses] + [f.text for f in report.failures if f.opens]
    return refusals, [p.text for p in ours if not p.refuses] + [f.text for f in report.failures if not f.opens]


def _with_way_out(text: str, report: Report) -> str:
    """Say what to do about a first change that was taken back; all other refusals say it themselves."""
    return f"{text}; {first.WAY_OUT}" if text == report.refused else text


def _end(ctid: str, refusals: list[str], assigned: bool, warn: bool) -> int:
    """Say why a start is refused, or why it goes on all the same: `warn`, and the VE is surely cut off."""
    refuse = bool(refusals) and assigned and not warn
    for text in refusals:
        verdict = "start refused" if refuse else "goes on, cut off where needed" if assigned else "not hindered"
        log.say(f"mount: VE {ctid}: {verdict}: {text}", log.ERROR if refuse else log.WARNING, ve=ctid)
    return FAILED if refuse else DONE


def _give_back(paths: Paths, event: events.Event, means: Means) -> None:
    """Remove what a refused start left: vzctl runs no unmount hooks then (lib/fs.c)."""
    try:
        report = means.run(paths, Request(event=Event("refused", event.ctid), door=HOOK, wait_s=wait_s(event.start)))
        line = report.unnoted
    except VzhooksError as error:
        line = str(error)
    if line:
        log.say(f"mount: VE {event.ctid}: {line}", ve=event.ctid)
