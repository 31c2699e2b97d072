# SPDX-License-Identifier: GPL-2.0-or-later
"""Probe the uplinks, and have their VEs go another way once one is down or works again.

What is found is noted in /run before anything is done about it, so that every run, be it a hook's own, goes by the
same. The daemon that is started next goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress

from vzhooks.config.settings import Settings
from vzhooks.daemon.happenings import READ, SWITCH, Board, Happening
from vzhooks.daemon.healer import Healer
from vzhooks.daemon.part import Part
from vzhooks.errors import HostError
from vzhooks.neighbours.probing import Prober, Verdict
from vzhooks.node import host, log, uplink_notes
from vzhooks.node.host import Paths
from vzhooks.policy import health, probes, uplinks
from vzhooks.policy.health import Health
from vzhooks.policy.roles import Nics
from vzhooks.run.request import Report

NOTE_S = uplink_notes.COUNTS_S / 3
"""How often our note is written anew, so that it goes on to count."""
_NO_NICS: Nics = {}


class Uplinks(Part):
    """Hold the health of each uplink, and who is asked about it."""

    def __init__(self, paths: Paths, board: Board, healer: Healer) -> None:
        self.paths, self.board, self.healer = paths, board, healer
        self._prober = Prober()
        self._settings, self._nics = Settings(), _NO_NICS
        self._health: dict[str, Health] = {}
        self._noted, self._failed = 0.0, False
        with suppress(HostError):  # a note that is not ours to read is written anew
            self._health = uplink_notes.load_health(paths.health, host.since_boot())
        board.listen(self._hear)

    def _hear(self, happening: Happening) -> None:
        if happening.kind == READ and happening.report:
            self._take(happening.report)

    def _take(self, report: Report) -> None:
        """Go on by what a run read: who is asked, and which links there are."""
        self._settings, self._nics = report.settings, report.facts.nics
        self._prober.aim(probes.targets(report.settings, report.facts), time.monotonic())
        if self._look():
            self._note()
        for change in report.changed:
            self.board.tell(Happening(SWITCH, change.uplink, str(change), change.why, report=report))

    def _look(self) -> bool:
        """Take in what links and the time say; tell whether an uplink's state is another by that."""
        before = self._health
        self._health = uplinks.healths(self._settings, self._nics, before, host.since_boot())
        return any(h.state != before.get(n, health.FRESH).state for n, h in self._health.items()) or (
            set(before) != set(self._health))

    def lost(self, index: int) -> None:
        """Let an uplink that is held begin anew, since its device lost its link, be it up again when that is read."""
        names = {n.name for n in self._nics.values() if n.index == index}
        for name, found in self._health.items():
            uplink = self._settings.uplinks.get(name)
            if uplink and uplink.device in names and found.state == health.HELD:
                self._health[name] = health.linked(found, f"{uplink.device} was down", uplink, host.since_boot())
                self._note()

    def fds(self) -> Iterable[int]:
        """Return the descriptors that answers come by."""
        return self._prober.fds()

    def due(self) -> float | None:
        """Return when somebody is to be asked, an uplink is held no more, or the note is to be written."""
        if not self._health:
            return None
        now, asked = host.since_boot(), self._prober.due()
        ends = [health.due(h, self._settings.uplinks[n]) for n, h in self._health.items()
                if n in self._settings.uplinks and not self._is_unproven(n, h)]
        times = [min(ends, default=health.NEVER) - now, self._noted + NOTE_S - now]
        return min([*times, asked - time.monotonic()] if asked is not None else times)

    def _is_unproven(self, name: str, found: Health) -> bool:
        """Tell whether an uplink waits for answers and not for a time."""
        uplink = self._settings.uplinks[name]
        return uplink.probe != health.LINK and found.streak < uplink.probe_ok

    def run(self, ready: frozenset[int]) -> None:
        """Ask, and take in answers; what changes is noted first, and then acted on."""
        changed = [v.uplink for v in self._prober.run(time.monotonic()) if self._judge(v)]
        held = [n for n, h in self._health.items() if h.state == health.HELD]
        self._look()
        changed += [n for n in held if self._health.get(n, health.FRESH).state == health.UP]
        if changed or host.since_boot() - self._noted >= NOTE_S:
            self._note()
        for name in changed:
            self.healer.want(f"uplink {name}", at_once=True)

    def _judge(self, verdict: Verdict) -> bool:
        """Take in a round's end; tell whether the uplink's state is another by it."""
        uplink, before = self._settings.uplinks.get(verdict.uplink), self._health.get(verdict.uplink)
        if not uplink or not before:
            return False
        after = health.probed(before, verdict.answered, verdict.why, uplink, host.since_boot())
        self._health[verdict.uplink] = after
        return after.state != before.state

    def _note(self) -> None:
        """Write down what counts now; where that cannot be, links alone count, and it is said once."""
        self._noted = host.since_boot()
        if not host.is_installed(self.paths):
            return  # and nothing of ours may come back
        try:
            uplink_notes.save_health(self.paths.health, self._health, self._noted)
            self._failed = False
        except HostError as error:
            if not self._failed:
                log.say(f"daemon: {error}; until then no probe counts, only links", log.ERROR)
            self._failed = True

    def close(self) -> None:
        """Leave a note for the daemon that comes next."""
        if self._health:
            self._note()
        self._prober.close()
