# SPDX-License-Identifier: GPL-2.0-or-later
"""What is on trial: applied, and given back unless it is confirmed in time, as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vzhooks.policy.harden import FORCED, OFF, ON, Hardening
from vzhooks.policy.records import Records


@dataclass(frozen=True)
class Trying:
    """Ask for a trial: for how many seconds, of which ini (text None: the node's own), known by what name."""

    seconds: int
    token: str
    file: str = ""
    text: str | None = None


@dataclass(frozen=True)
class Trial:
    """Hold what is on trial, and all that it takes to give it back.

    until: seconds since the boot whose id is `boot`; tried: the text of the ini to go by meanwhile, None where the
    ini is not on trial; file: where that comes from, "" for the node's own ini; before: the text of the node's own ini
    in force before, None for none; uplinks: by VE the uplink it had and has by the trial; hardening: as it was;
    returned: all but the ini is given back already.
    """

    token: str
    until: float
    boot: str
    tried: str | None = None
    file: str = ""
    before: str | None = None
    uplinks: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    hardening: Hardening = field(default_factory=Hardening)
    returned: bool = False

    @property
    def own(self) -> bool:
        """Tell whether the node's own ini is on trial, where it stands."""
        return self.tried is not None and not self.file

    def left(self, now: float, boot: str) -> float:
        """Return how many seconds are left; a reboot ends a trial."""
        return self.until - now if boot == self.boot else 0.0


def moved(known: Records, records: Records) -> dict[str, tuple[str, str]]:
    """Return the uplinks that VEs had and have; one that nobody has noted down before went by main."""
    return {c: (known[c].uplink if c in known else "", r.uplink) for c, r in records.items()
            if r.uplink != (known[c].uplink if c in known else "")}


def back(trial: Trial, known: Records) -> dict[str, str]:
    """Return the uplinks to give back: not to a VE that somebody has moved since."""
    return {c: before for c, (before, after) in trial.uplinks.items() if c in known and known[c].uplink == after}


def order(trial: Trial, now: Hardening) -> str:
    """Return what is to be said about hardening so that it is as it was, "" for nothing."""
    if trial.hardening.on == now.on:
        return ""
    return ON if trial.hardening.on else OFF


def forced(trial: Trial) -> bool:
    """Tell whether the node was hardened by force before."""
    return trial.hardening.mode == FORCED
