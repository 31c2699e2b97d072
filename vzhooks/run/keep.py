# SPDX-License-Identifier: GPL-2.0-or-later
"""Write down what must survive a reboot: table numbers, what was hardened, and what sysctl(8) sets at boot."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from vzhooks.config.settings import Settings
from vzhooks.errors import HostError
from vzhooks.kernel import sysctl
from vzhooks.model import Sysctl
from vzhooks.node import files, notes, uplink_notes
from vzhooks.node.host import Paths
from vzhooks.policy import harden, sources, tables
from vzhooks.policy.harden import OFF, Hardening, Outcome
from vzhooks.policy.health import Standing
from vzhooks.policy.roles import Nics
from vzhooks.policy.uplinks import Way


def save_node(paths: Paths, numbers: Mapping[str, int], before: Hardening, hard: Outcome, empty: bool) -> None:
    """Note down what a run decided for the node, where it differs from what is noted."""
    if empty:  # what is noted explains all until it is gone, and a full disk must not keep it
        return _persist(paths.sysctl_d, "")
    if numbers != notes.load_tables(paths.tables):
        notes.save_tables(paths.tables, numbers)
        if os.path.exists(paths.rt_tables):
            _persist(paths.rt_tables, tables.table_names(numbers))
    if hard.hardening != before:
        notes.save_hardening(paths.harden, hard.hardening)
    if hard.hardening.on:
        ours = [s for s in hard.wanted if s.key in hard.hardening.former and s.key != harden.VENET]
        # udev(7) has systemd-sysctl apply it when the device comes.
        ours += [Sysctl(harden.VENET, "1")] if harden.VENET in hard.hardening.former else []
        _persist(paths.sysctl_d, harden.drop_in(ours))
    elif before.on or before.former:
        _persist(paths.sysctl_d, "")


def save_networks(paths: Paths, ways: Iterable[Way], settings: Settings, nics: Nics) -> None:
    """Note down which networks LAN NICs have, where that decides about the way of any VE."""
    now = sources.remembered(settings, nics)
    if sources.decide((w.ve for w in ways), settings) and now != settings.seen:
        notes.save_networks(paths.networks, now)


def save_standing(paths: Paths, before: Mapping[str, Standing], found: Mapping[str, Standing]) -> None:
    """Note down who stands in for whom, where that is new; a full disk keeps no VE from its backup."""
    if dict(before) != dict(found):
        with suppress(HostError):
            uplink_notes.save_standing(paths.standing, found)


def save_engaged(paths: Paths, engaged: bool) -> None:
    """Note down that there is something of ours in the kernel that concerns all VEs, or no more."""
    if engaged != os.path.exists(paths.engaged):
        files.replace(paths.engaged, "", 0o600) if engaged else os.unlink(paths.engaged)


def is_quiet(paths: Paths) -> bool:
    """Tell whether the kernel has nothing of ours that a hook of a VE without an uplink would have to look at."""
    return not os.path.exists(paths.engaged) and not is_loose(paths)


def is_loose(paths: Paths) -> bool:
    """Tell whether a venet0 came after hardening, and with another filter than it would have had."""
    return sysctl.read([harden.VENET]) == {harden.VENET: "2"} and (
        harden.VENET in notes.load_hardening(paths.harden).former)


def settle_undo(paths: Paths, done: Outcome, whole: bool) -> None:
    """Note down, where an undo was done whole, that all is back: from now on the values are their owner's."""
    found = settled = done.hardening
    if found.former and not found.on:
        settled = replace(settled, mode=OFF, former={})
    if any(s.key == harden.VALID_MARK and s.value != "1" for s in done.wanted):
        settled = replace(settled, unmarked="")
    if whole and settled != found:
        notes.save_hardening(paths.harden, settled)


def forget_hardening(paths: Paths, before: Hardening) -> None:
    """Note down what was decided before a run that was taken back."""
    notes.save_hardening(paths.harden, before)
    if not before.on:
        _persist(paths.sysctl_d, "")


def _persist(path: str, text: str) -> None:
    """Let a file of ours hold this text, or be gone."""
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        raise HostError(f"{path}: cannot be read ({error}); remove it and run `vzhooks harden`") from None
    if text:
        files.replace(path, text, 0o644)
    elif os.path.exists(path):
        os.unlink(path)
