# SPDX-License-Identifier: GPL-2.0-or-later
"""The values of the model of what vzhooks promises: NICs, an ini, ways, VEs. It imports nothing of vzhooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

STOPPED, MOUNTED, RUNNING = "stopped", "mounted", "running"
OK, REFUSED = "ok", "refused"
RULES, NFT = "rules", "nft"
ANYWHERE = "*"
Fact = tuple[str, ...]
"""Something seen: (out, SOURCE, DESTINATION, NIC), (reply, WHO ANSWERED, WHO ASKED), (answer, ADDRESS, NIC)."""


@dataclass
class Nic:
    """Hold the state of one NIC; addresses: those it has now, of both families."""

    addresses: frozenset[str] = frozenset()
    up: bool = True
    carrier: bool = True

    @property
    def works(self) -> bool:
        """Tell whether frames can leave."""
        return self.up and self.carrier


@dataclass(frozen=True)
class Ini:
    """Hold what a node's ini says.

    uplinks: device and backup by name, none declared where empty; refuse: on_error; usable: the ini as a whole has no
    error; broken: uplinks that have one.
    """

    uplinks: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    unassigned: str = "main"
    reserved: frozenset[str] = frozenset()
    refuse: bool = True
    usable: bool = True
    broken: frozenset[str] = frozenset()
    there: bool = True

    @property
    def devices(self) -> frozenset[str]:
        """Return the devices that it names for uplinks; a section with an error tells of none."""
        return frozenset(device for name, (device, _) in self.uplinks.items() if name not in self.broken)


NO_INI = Ini(there=False)


@dataclass(frozen=True)
class Way:
    """Say by which NIC frames may leave: a device, by main (all but the reserved ones), or none."""

    device: str = ""
    main: bool = False
    reserved: frozenset[str] = frozenset()

    def lets(self, nic: str) -> bool:
        """Tell whether a frame may leave by this NIC."""
        return nic == self.device or (self.main and nic not in self.reserved)

    @property
    def reach(self) -> int:
        """Return how far it may lead: nowhere, as far as main leads without reserved NICs, or anywhere."""
        return 0 if self == NOWHERE else 1 if self.main and self.reserved else 2


NOWHERE = Way()


@dataclass
class Ve:
    """Hold one container: what its config says, what it has, and the ways that are right for it now.

    sure: its UPLINK line is one that vzctl itself would write; any other counts, or is refused. loose: addresses that
    nobody told vzhooks of yet; due: uplinks that it had in the config before edits that no run has seen; last: those
    that it had when it ended.
    """

    addresses: tuple[str, ...] = ()
    uplink: str = ""
    sure: bool = True
    phase: str = STOPPED
    live: set[str] = field(default_factory=set)
    loose: set[str] = field(default_factory=set)
    ways: frozenset[Way] = frozenset()
    override: str | None = None
    base: str = ""
    edited: bool = False
    due: set[str] = field(default_factory=set)
    last: set[str] = field(default_factory=set)

    @property
    def names(self) -> set[str]:
        """Return the uplinks that may count: one given without --save holds until the config says something else.

        Where it said something else for a while, nobody may have looked.
        """
        if self.override is None or self.base != self.uplink:
            return {self.uplink}
        return {self.override, self.uplink} if self.edited else {self.override}


def fits(one: str, other: str) -> bool:
    """Tell whether two addresses are of one family."""
    return (":" in one) == (":" in other)
