# SPDX-License-Identifier: GPL-2.0-or-later
"""Keep the note of what is on trial: written before the first change, gone when it is confirmed or given back.

While it holds, every run goes by the ini that is tried; the good copy stays what it was. It outlives a reboot, as the
ini on the disk does that somebody edited: the first run after it puts the former ini back. But for `confirm` all here
is done under the lock of a run.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace

from vzhooks.errors import HostError, InputError, VzhooksError
from vzhooks.node import files, host, ini, log, notes
from vzhooks.node.host import Paths
from vzhooks.policy import trial
from vzhooks.policy.trial import Trial
from vzhooks.run.request import COMMAND, HOOK, Report, Request

KEEP = "`vzhooks confirm` keeps it"


def _boot() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def left(held: Trial) -> float:
    """Return how many seconds of a trial are left; less than none where it is over."""
    return held.left(host.since_boot(), _boot())


def pending(paths: Paths) -> Trial | None:
    """Return what is on trial, be it over; raises HostError where the note cannot be read."""
    return notes.load_trial(paths.trial)


def text(paths: Paths, request: Request) -> tuple[str, str] | None:
    """Return the text of the ini to go by, and where it is from, where a trial says so; None for the usual one."""
    if request.trying and request.trying.text is not None:
        return request.trying.text, request.trying.file
    held = None if request.empty else pending(paths)
    if held is None or held.tried is None:
        return None
    if left(held) > 0:
        return held.tried, held.file or paths.ini
    # It could not be put back, or this is a look at what a run will find.
    return (held.before or "", paths.good_ini) if held.own else None


def refuse_second(held: Trial | None, request: Request) -> None:
    """Raise HostError for a trial beside one that is on, and for hardening that would be given back with it."""
    if held and left(held) > 0 and not request.dry_run and not request.empty and (request.trying or request.harden):
        raise HostError(f"{said(held)}; give the command again after that")


def said(held: Trial) -> str:
    """Return what there is to know of a trial that is on."""
    seconds = left(held)
    clock = time.strftime("%H:%M:%S", time.localtime(time.time() + seconds))
    what = f"{held.file} is" if held.file else "the changes are"
    return f"{what} on trial until {clock} ({seconds:.0f} s): {KEEP}"


def begin(paths: Paths, request: Request, tried: str | None, report: Report, before: trial.Hardening) -> None:
    """Note down a trial, where there is anything to give back.

    tried: the text of the ini that the run went by. Raises HostError where there is no former ini to give back.
    """
    asked = request.trying
    if asked is None:
        return
    good = ini.copy(paths)
    if asked.text is None and good is None and tried and any(r.uplink for r in report.known.values()):
        raise HostError(f"{paths.ini}: there is no copy of the ini in force before, so nothing was changed; put "
                        "that one back, and try the new one by --ini FILE")
    ini_differs = not request.harden and (asked.text is not None or tried != good)
    if not report.ops and not ini_differs:
        return
    notes.save_trial(paths.trial, Trial(
        asked.token, host.since_boot() + asked.seconds, _boot(), (tried or "") if ini_differs else None, asked.file,
        good, trial.moved(report.known, report.records), before))
    log.event(log.NOTICE, {"event": "trial", "seconds": asked.seconds, "ini": asked.file, "changes": len(report.ops)})


def forget(paths: Paths) -> None:
    """Remove the note."""
    with suppress(FileNotFoundError):
        os.unlink(paths.trial)


def request_back(paths: Paths, held: Trial) -> Request:
    """Return what a run is asked that gives back what was on trial."""
    hardening = notes.load_hardening(paths.harden)
    return Request(door=HOOK, assign=trial.back(held, notes.load_ves(paths.ves)),
                   harden=trial.order(held, hardening), force=trial.forced(held))


def restore(paths: Paths, held: Trial) -> bool:
    """Put the ini back that was in force before, the one that was tried beside it; tell whether all is in order."""
    if not held.own:
        return True
    try:
        found = files.content(paths.ini).decode("utf-8", "surrogateescape") if os.path.lexists(paths.ini) else None
        if held.returned and found != held.tried:
            return True  # somebody has written it anew since
        if found is not None and found != held.before:
            files.replace(paths.tried_ini, found.encode("utf-8", "surrogateescape"), 0o600)
        if held.before is None:
            with suppress(FileNotFoundError):
                os.unlink(paths.ini)
        elif found != held.before:
            ini.write(paths, held.before)
        return True
    except (OSError, HostError) as error:
        log.say(f"the former ini cannot be put back ({error}); going by it all the same", log.ERROR, quiet=True)
        return False


def end(paths: Paths, held: Trial, report: Report, restored: bool) -> str:
    """Note down that a trial was given back; return the line that says so.

    Where a full disk keeps what was decided about hardening from being noted, the trial stays noted: the next run ends
    it.
    """
    given = "what was on trial was not confirmed in time, so it is given back"
    log.event(log.WARNING, {"event": "given-back", "changes": len(report.ops), "failed": len(report.failures) or ""})
    try:
        if not held.hardening.on and notes.load_hardening(paths.harden) != held.hardening:
            notes.save_hardening(paths.harden, held.hardening)
    except HostError as error:
        return f"{given}; {error}"
    if restored:
        forget(paths)
    else:
        with suppress(HostError):
            notes.save_trial(paths.trial, replace(held, uplinks={}, returned=True))
    aside = f"; the ini that was tried is {paths.tried_ini}" if held.own and restored else ""
    return f"{given}{aside}"


def confirm(paths: Paths) -> list[str]:
    """Keep what is on trial; return what there is to say.

    Raises LockBusy, InputError where nothing is, HostError where it cannot be written down: all is as it was then.
    """
    with host.lock(paths.lock, 10.0):
        return _confirm(paths)


def _confirm(paths: Paths) -> list[str]:
    held = pending(paths)
    if held is None:
        raise InputError("nothing is on trial; `vzhooks resync --confirm SECONDS` begins a trial")
    lines = ["kept: what was on trial holds from now on"]
    if held.tried is not None:
        ini.keep(paths, held.tried)
        if held.file:
            ini.write(paths, held.tried)
            lines = [f"kept: {held.file} is {paths.ini} now"]
        elif (files.content(paths.ini) if os.path.exists(paths.ini) else b"") != held.tried.encode():
            lines.append(f"{paths.ini} was edited since; `vzhooks resync` applies that")
    forget(paths)
    return lines


def told(paths: Paths, request: Request, report: Report, news: str) -> Report:
    """Return a report that tells of a trial: that it is on, or was given back; hooks say only the latter."""
    held = None if request.empty else pending(paths)
    lines = [news] if news else []
    if held and left(held) > 0:
        lines += [said(held)] if request.door != HOOK else []
    elif held and request.dry_run:
        lines.append("the time of what was on trial is over; `vzhooks resync` gives it back now")
    elif request.trying and not request.dry_run and not report.refused:
        lines.append("there is nothing to change, so nothing is on trial")
    if request.door == COMMAND:
        return replace(report, remarks=(*report.remarks, *lines))
    return replace(report, warnings=(*report.warnings, *lines))


def give_up(error: VzhooksError) -> str:
    """Return what to say where a trial cannot be given back yet."""
    return f"what was on trial cannot be given back yet: {error}"
