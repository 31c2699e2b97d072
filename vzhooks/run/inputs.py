# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what a run decides by, under its lock: the ini, VE configs, and where VEs are mounted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Callable, TypeVar

from vzhooks.config.settings import Settings, parse
from vzhooks.config.vzconf import VeConfig, of_ve
from vzhooks.errors import HostError, InputError, SettingsError
from vzhooks.model import Problem
from vzhooks.node import evidence, host, ini, uplink_notes
from vzhooks.node.host import Paths
from vzhooks.policy.evidence import Reading
from vzhooks.policy.health import Health, Standing
from vzhooks.policy.records import Records
from vzhooks.run import trial
from vzhooks.run.doors import Doors
from vzhooks.run.request import COMMAND, HOOK, LEAVE, Request

_Note = TypeVar("_Note")


@dataclass(frozen=True)
class Inputs:
    """Hold what a run's files say, each read once: the settings and what is to be said of the ini, our notes, configs.

    vz_conf: what all VEs have that do not say otherwise, by key; health: of uplinks, by what the daemon last found;
    standing: who stood in for whom; tried: the text of the ini of a run that puts it on trial, None where there is
    none.
    """

    settings: Settings
    warnings: tuple[str, ...]
    known: Records
    configs: Mapping[str, Reading]
    vz_conf: Mapping[str, str]
    health: Mapping[str, Health] = field(default_factory=dict)
    standing: Mapping[str, Standing] = field(default_factory=dict)
    tried: str | None = None


def read(paths: Paths, request: Request, now: float, doors: Doors) -> Inputs:
    """Read all of them; raises SettingsError, HostError or InputError where a run cannot go by what is there.

    now: seconds since boot.
    """
    used, warnings, tried = _used(paths, request)
    known = doors.known(paths)
    health, more = _or_nothing(lambda: uplink_notes.load_health(paths.health, now))
    standing, still_more = _or_nothing(lambda: uplink_notes.load_standing(paths.standing))
    found = {c: _held(c) if c in request.held else r for c, r in configs(paths, request).items()}
    return Inputs(used, (*warnings, *more, *still_more), known, found, evidence.vz_conf(paths), health, standing,
                  tried)


def _or_nothing(load: Callable[[], dict[str, _Note]]) -> tuple[dict[str, _Note], tuple[str, ...]]:
    """Return a note that a run can do without, and what is wrong with it: then links alone tell who is down."""
    try:
        return load(), ()
    except HostError as error:
        return {}, (str(error),)


def _held(ctid: str) -> Problem:
    return Problem(ctid, f"its config would take its way, so it goes on as before; `vzhooks resync {ctid} --force`")


def _used(paths: Paths, request: Request) -> tuple[Settings, tuple[str, ...], str | None]:
    """Return the settings to go by, what is to be said of the ini, and its text where a trial decides about it."""
    held = trial.text(paths, request)
    if held:
        return parse(*held), (), held[0]
    if request.trying and not request.harden:  # not kept yet
        text = ini.text(paths)
        return parse(text or "", paths.ini), (), text
    if request.settings:
        return request.settings, (), None
    return (*settings(paths, request), None)


def settings(paths: Paths, request: Request) -> tuple[Settings, tuple[str, ...]]:
    """Return the settings of the ini, and what is to be said of it; raises SettingsError without any."""
    # Whoever hardens the node does not mean to apply what was typed wrong in the ini meanwhile.
    if request.door == COMMAND and not request.harden:
        return ini.load(paths, keep=not request.dry_run), ()
    try:
        found, warnings = ini.load_for_hook(paths, keep=request.door in (HOOK, COMMAND) and not request.dry_run)
        return found, tuple(warnings)
    except SettingsError as error:
        if request.door != LEAVE:
            raise
        return Settings(), (str(error),)


def configs(paths: Paths, request: Request) -> dict[str, Reading]:
    """Return the VE configs that a run needs; raises InputError for a VE named that there is not."""
    ctids = request.named
    if request.empty:
        return {}  # whatever they say
    if ctids is None:
        return host.read_configs(paths)
    # Without our notes (the first hook after boot, or they were lost) all VEs are judged by evidence.
    found: dict[str, Reading] = {} if os.path.exists(paths.ves) else host.read_configs(paths)
    for ctid in ctids:
        try:
            found[ctid] = host.read_config(paths, ctid, request.conffile)
        except FileNotFoundError:
            if request.event is None and ctid not in request.expect:  # which outlives a VE that is destroyed
                raise InputError(f"{ctid}: no such VE on this node; `vzlist -a` shows those there are") from None
    return found


def roots(paths: Paths, inputs: Inputs, listed: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return where VEs are mounted: those whose config was read, and who else has an address of theirs.

    listed: addresses by VE, as vzctl has them.
    """
    usual = inputs.vz_conf.get("VE_ROOT", "")
    configured = {c.ctid: c for c in inputs.configs.values() if isinstance(c, VeConfig)}
    claimed = {a for c in configured.values() for a in c.addresses}
    found = {ctid: c.root for ctid, c in configured.items()}
    found.update({c: r.root for c, r in inputs.known.items() if c not in found and claimed.intersection(r.addresses)})
    for ctid in [c for c, addresses in listed.items() if c not in found and claimed.intersection(addresses)]:
        found[ctid] = _root(paths, ctid)
    return {c: root or of_ve(usual, c) for c, root in found.items() if root or usual}


def _root(paths: Paths, ctid: str) -> str:
    """Return where a VE's own config has it mounted, "" where it does not say so."""
    try:
        config = host.read_config(paths, ctid)
    except FileNotFoundError:
        return ""
    return config.root if isinstance(config, VeConfig) else ""
