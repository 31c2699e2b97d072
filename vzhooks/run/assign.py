# SPDX-License-Identifier: GPL-2.0-or-later
"""Give a VE another uplink, as `vzctl set` would: at once while it runs, for good with --save."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace

from vzhooks.config.confedit import with_uplink
from vzhooks.config.names import listed
from vzhooks.config.vzconf import VeConfig, shown
from vzhooks.errors import HostError, InputError, UsageError
from vzhooks.kernel.apply import Watch
from vzhooks.model import Problem
from vzhooks.node import host, notes, vzlock
from vzhooks.node.files import content
from vzhooks.node.host import Paths
from vzhooks.policy import uplinks
from vzhooks.run import reconcile
from vzhooks.run.request import Report, Request
from vzhooks.words import counted

BRACES = re.compile(r"\{([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}")
NAME = re.compile(r"(?![-\s])[^/]{1,64}(?<!\s)")


@dataclass(frozen=True)
class Assigned:
    """Tell what was done: whether the VE runs, the run's report (empty where it does not), whether it was saved.

    former: the uplink it had.
    """

    ctid: str
    runs: bool
    saved: bool
    report: Report
    former: str = ""

    @property
    def problems(self) -> list[Problem]:
        """Return what stands in the way of this VE."""
        return [p for p in self.report.problems if p.ctid in ("", self.ctid)]

    @property
    def failed(self) -> bool:
        """Tell whether something asked for could not be."""
        return bool(self.report.failures) or any(p.refuses for p in self.problems)

    @property
    def remark(self) -> str:
        """Return what an operator may not expect, "" for nothing."""
        if not self.runs and not self.saved:
            return f"VE {self.ctid} does not run and --save was not given, so nothing was changed"
        return "" if self.saved else f"not saved; VE {self.ctid} has its old uplink again after its next stop"

    def told(self, name: str, ms: int) -> str:
        """Return the line that says what was done."""
        ve = f"VE {self.ctid}: uplink {name}"
        if not self.runs:
            return self.remark or f"{ve} saved; it does not run and has it from its next start"
        changes = counted(len(self.report.ops), "change")
        return f"{ve}, {changes} made in {ms} ms; {self.remark or 'saved'}"


def find_all(paths: Paths, given: Iterable[str]) -> list[str]:
    """Return the ids of VEs given by id or by name, once each; raises as `find`, UsageError before all else."""
    checked = [_check(text) for text in given]
    return list(dict.fromkeys(find(paths, text) for text in checked))


def _check(given: str) -> str:
    """Refuse what can be neither an id nor a name; return it without the braces that a UUID may have."""
    given = BRACES.sub(r"\1", given)
    is_id = host.CTID.fullmatch(given) and given != "0"
    if not is_id and (given.isdecimal() or not NAME.fullmatch(given) or not given.isprintable()):
        raise UsageError(f"{shown(given)} is no VE's id or name; give its number, UUID or name as `vzlist` shows it")
    return given


def find(paths: Paths, given: str) -> str:
    """Return the id of the VE given by id or by name.

    A number may have leading zeros, and a UUID braces, as vzctl takes them. Raises UsageError for what is
    neither, InputError where there is none, or more than one of that name.
    """
    given = _check(given)
    host.require_root()
    for ctid in (given, given.lstrip("0") if given.isdecimal() else ""):
        if host.CTID.fullmatch(ctid) and os.path.exists(os.path.join(paths.conf_dir, f"{ctid}.conf")):
            return ctid
    named = [c for c, r in host.read_configs(paths).items() if isinstance(r, VeConfig) and r.name == given]
    if len(named) > 1:
        raise InputError(f"{given}: the name of more than one VE ({', '.join(named)}); give the id")
    if not named:
        raise InputError(f"{given}: no such VE on this node; `vzlist -a` shows those there are")
    return named[0]


def meant(text: str) -> str:
    """Return the uplink that a --uplink means, a list by commas, "" for none."""
    return "" if text == "none" else listed(text)


def check(paths: Paths, given: str, name: str) -> tuple[str, bool]:
    """Return the id of a VE that may be given the uplink `name`, or the list, and whether it runs; change nothing.

    Raises InputError for a VE or an uplink that there is not.
    """
    config, runs, _ = _look(paths, given, name)
    return config.ctid, runs


def _look(paths: Paths, given: str, name: str) -> tuple[VeConfig, bool, str]:
    """Return the VE's config, whether it runs, and the uplink it has; raises as `check`."""
    ctid = find(paths, given)
    config = host.read_config(paths, ctid)
    if isinstance(config, Problem):
        raise InputError(config.text)
    before = reconcile.run(paths, Request(ctids=frozenset({ctid}), assign={ctid: name}, dry_run=True))
    if name:
        uplinks.resolve_all(name, before.settings, before.facts.nics)
    runs = any(w.ve.ctid == ctid for w in before.ways)
    return config, runs, before.known[ctid].uplink if runs and ctid in before.known else config.uplink


def assign(paths: Paths, given: str, name: str, save: bool, watch: Watch | None = None,
           force: bool = False, installed: bool = False) -> Assigned:
    """Give a VE the uplink `name`, several by a list of them, "" for none.

    force: also where somebody who asked for nothing is cut off by it; installed: vzhooks was when the command began.

    Raises InputError for a VE or an uplink that there is not, LockBusy, HostError where the config
    cannot be written: nothing is changed then.
    """
    config, runs, former = _look(paths, given, name)
    ctid, watch = config.ctid, watch or Watch()
    report = Report()
    with saved(paths, config, name, watch) if save else nullcontext():
        if runs:
            report = reconcile.run(paths, Request(ctids=frozenset({ctid}), assign={ctid: name}, watch=watch,
                                                  force=force, installed=installed))
            if report.refused:
                raise HostError(f"VE {ctid}: {report.refused}, so nothing was changed; mend that, or give --force")
    if runs and save:
        forget_override(paths, ctid)
    return Assigned(ctid, runs, save, report, former)


def forget_override(paths: Paths, ctid: str) -> None:
    """Note that a VE's config says now what `set` gave it, so that later edits of the config count."""
    with host.lock(paths.lock, 10.0):
        known = notes.load_ves(paths.ves)
        if ctid in known and known[ctid].override is not None:
            notes.save_ves(paths.ves, {**known, ctid: replace(known[ctid], override=None, base="")})


@contextmanager
def saved(paths: Paths, config: VeConfig, name: str, watch: Watch) -> Iterator[None]:
    """Change the UPLINK line of a VE's config as safely as vzctl does, once the body has done its work.

    Through its symbolic link, under vzctl's locks, by a new file under the old name with the old mode and
    owner. The new file is written before the body begins, so that a full disk changes nothing at all.
    Raises LockBusy while vzctl is at work on the VE, HostError where it cannot be written.
    """
    path = os.path.realpath(os.path.join(paths.conf_dir, f"{config.ctid}.conf"))
    temporary = f"{path}.vzhooks"
    with vzlock.of_the_ve(paths, config):
        watch.begin(0)
        try:
            with vzlock.of_the_config(paths, config.ctid):
                old = _write(temporary, path, name)
            yield
            with vzlock.of_the_config(paths, config.ctid):
                if content(path) != old:  # by one of vzctl's commands that take no lock
                    _write(temporary, path, name)
                os.replace(temporary, path)
        except OSError as error:
            raise HostError(f"{path}: cannot be written ({error.strerror}), so UPLINK was not saved; "
                            "mend that and give the command again") from None
        finally:
            with suppress(OSError):
                os.unlink(temporary)


def _write(temporary: str, path: str, name: str) -> bytes:
    """Write a config's text with another uplink beside it; return the text it has."""
    old, found = content(path), os.stat(path)
    with open(temporary, "wb") as file:
        os.fchown(file.fileno(), found.st_uid, found.st_gid)
        os.fchmod(file.fileno(), found.st_mode & 0o7777)
        file.write(with_uplink(old, name))
        file.flush()
        os.fsync(file.fileno())
    return old
