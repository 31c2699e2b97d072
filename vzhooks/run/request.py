# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run is asked, and what it tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from vzhooks.config.settings import Settings
from vzhooks.kernel.apply import Failure, Watch
from vzhooks.model import Item, Problem
from vzhooks.policy import drift
from vzhooks.policy.consequences import Move
from vzhooks.policy.evidence import Asked, Event, Reading
from vzhooks.policy.facts import Facts
from vzhooks.policy.foreign import Other
from vzhooks.policy.health import Change, Standing
from vzhooks.policy.plan import Op
from vzhooks.policy.records import Records
from vzhooks.policy.trial import Trying
from vzhooks.policy.uplinks import Way

COMMAND, HOOK, LOOK, LEAVE = "command", "hook", "look", "leave"
"""A command refuses an ini that cannot be used; a hook goes by the last good copy, and only where vzhooks is
installed; a look goes by it as well, and keeps nothing; whoever takes vzhooks away needs no ini."""


@dataclass(frozen=True)
class Request:
    """Say what a run is about: some VEs (None for the node), a hook's event, and whether to change.

    door: who asks, which says what an error in the ini means; assign: uplinks that live VEs get whatever their
    configs say; expect: addresses that vzctl is about to give them, or is done with; devices: what it is about to
    make for a VE; installed: vzhooks was when the command began, and has to be still; harden: "on" or "off" where the
    operator asks for it; careful: change nothing where a live VE would lose its way or, for a command, the ini has an
    error; settings: go by these, whatever the ini says; held: VEs that stay as they are noted, whatever their configs
    say; force: not even then, nor where others lose theirs, and harden even where it leaves addresses unanswered;
    empty: the wanted state is nothing, as for uninstall; trying: put it on trial, or (dry) go by the ini that it names;
    drop: rules of others that are to go when all else is in place; wait_s: for the lock; watch: is told of the changes
    as they are made.
    """

    ctids: frozenset[str] | None = None
    event: Event | None = None
    conffile: str = ""
    door: str = COMMAND
    dry_run: bool = False
    assign: Mapping[str, str] = field(default_factory=dict)
    expect: Mapping[str, Asked] = field(default_factory=dict)
    devices: Mapping[str, str] = field(default_factory=dict)
    installed: bool = False
    harden: str = ""
    careful: bool = False
    settings: Settings | None = None
    held: frozenset[str] = frozenset()
    force: bool = False
    empty: bool = False
    trying: Trying | None = None
    drop: tuple[Other, ...] = ()
    wait_s: float = 10.0
    watch: Watch = field(default_factory=Watch, compare=False)

    @property
    def named(self) -> frozenset[str] | None:
        """Return the VEs that the run is about, None for the whole node."""
        return frozenset({self.event.ctid}) if self.event else self.ctids


@dataclass(frozen=True)
class Report:
    """Tell what a run found: ops made (or to make), ways of the VEs, problems, and what failed.

    moves: what becomes of live VEs; refused: why nothing was changed, "" where it was; moved: (address, device) of
    what neighbours must hear about; known, records: our notes on VEs as they were and as they should be; configs:
    those read; found: what is in the kernel; settings: by this node's device names; ini: as it names them;
    warnings: of the ini; remarks: what may be news; dropped: rules of others that are gone; hardened: the node's ARP
    was hardened by this run; now: seconds since boot, as in the notes; standing: who stands in for each uplink;
    changed: what is new in that; probed: the uplinks that the daemon's probes tell of; unnoted: why notes are missing
    that the next run makes up for, "" where none is; it is a problem too.
    """

    ops: tuple[Op, ...] = ()
    ways: tuple[Way, ...] = ()
    problems: tuple[Problem, ...] = ()
    failures: tuple[Failure, ...] = ()
    moves: tuple[Move, ...] = ()
    refused: str = ""
    tables: Mapping[str, int] = field(default_factory=dict)
    moved: tuple[tuple[str, str], ...] = ()
    facts: Facts = field(default_factory=lambda: Facts({}))
    known: Records = field(default_factory=dict)
    records: Records = field(default_factory=dict)
    configs: Mapping[str, Reading] = field(default_factory=dict)
    found: frozenset[Item] = frozenset()
    settings: Settings = field(default_factory=Settings)
    ini: Settings = field(default_factory=Settings)
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    dropped: tuple[Other, ...] = ()
    hardened: bool = False
    now: float = 0.0
    standing: Mapping[str, Standing] = field(default_factory=dict)
    changed: tuple[Change, ...] = ()
    probed: frozenset[str] = frozenset()
    unnoted: str = ""

    @cached_property
    def due(self) -> Mapping[str, list[Op]]:
        """Return the changes by the address of the VE that they concern, those of the node by ""."""
        return drift.by_address(self.ops)

    @cached_property
    def by_ve(self) -> Mapping[str, tuple[Way, ...]]:
        """Return the ways of each VE that lives, but for addresses that it is only about to be given."""
        found: dict[str, tuple[Way, ...]] = {}
        for way in self.ways:  # what a VE has comes first
            record, mine = self.records.get(way.ve.ctid), found.get(way.ve.ctid, ())
            if not mine or record is None or set(record.addresses).intersection(way.ve.addresses):
                found[way.ve.ctid] = (*mine, way)
        return found
