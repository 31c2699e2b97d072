# SPDX-License-Identifier: GPL-2.0-or-later
"""What we note down of VEs: their phases, what was put in place, what is expected, as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

STARTING, RUNNING, STOPPING = "starting", "running", "stopping"


@dataclass(frozen=True)
class Expected:
    """Hold addresses that a running vzctl is about to give a VE, the uplink they get, and since when.

    uplink: None, in what is asked for alone, for the one that they have been promised, else the VE's own.
    """

    uplink: str | None
    addresses: tuple[str, ...]
    since: float = 0.0


@dataclass(frozen=True)
class Record:
    """Hold what we know of one VE: its phase, since when (seconds since boot), what was put in place.

    override: the uplink that `vzhooks set` without --save gave it, until it stops or its config names another one
    than `base`; None for none; devices: its own on the node, by vzctl's data; root: where it is mounted.
    """

    phase: str
    since: float
    uplink: str = ""
    addresses: tuple[str, ...] = ()
    override: str | None = None
    expected: Expected | None = None
    base: str = ""
    devices: tuple[str, ...] = ()
    root: str = ""

    @property
    def all(self) -> tuple[str, ...]:
        """Return the addresses it has and those it is about to get."""
        return self.addresses + (self.expected.addresses if self.expected else ())


Records = Mapping[str, Record]
