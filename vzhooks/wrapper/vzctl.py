# SPDX-License-Identifier: GPL-2.0-or-later
"""What the vzctl wrapper calls for `vzctl set VE --uplink NAME …`: ours around the real vzctl.

Ours is checked first, so that a wrong uplink changes nothing at all; then the real vzctl has all else;
then ours is done, since vzctl holds the VE's lock while it runs. Addresses that vzctl is about to
publish are closed before it does.
"""

from __future__ import annotations

import signal

from vzhooks.config.vzconf import addresses_in
from vzhooks.errors import DONE, FAILED, HostError, InputError, SettingsError, VzhooksError
from vzhooks.neighbours import follow
from vzhooks.node import host, log
from vzhooks.node.host import Paths
from vzhooks.policy.evidence import Asked as Expectation
from vzhooks.policy.records import Expected
from vzhooks.run import assign, events, reconcile
from vzhooks.run.assign import Assigned
from vzhooks.run.events import Event
from vzhooks.run.request import Report, Request
from vzhooks.wrapper import spawn, split
from vzhooks.wrapper.split import Asked

INVALID = 21
"""What both generations of vzctl end with for an option or a value that they do not take."""


def main(argv: list[str]) -> int:
    """Do what the words behind the real vzctl's path ask for; return vzctl's exit status, or ours."""
    real, words = argv[0], argv[1:]
    try:
        asked = split.split(words)
        return _set(real, asked) if asked else spawn.become(real, ["vzctl", *words])
    except VzhooksError as error:
        _say(str(error))
        return INVALID if isinstance(error, InputError) and not isinstance(error, SettingsError) else error.exit_code
    except KeyboardInterrupt:
        return spawn.end_alike(signal.SIGINT)
    finally:
        log.close_quietly()


def _set(real: str, asked: Asked) -> int:
    with spawn.held_back() as mask:
        job = _Job(real, asked)
        status = DONE if asked.alone else job.hand_over(mask)
        done = None if status else job.assign()
    return job.tell(done) if done else spawn.end_alike(status)


class _Job:
    """Hold one command that was found to be sound; its steps are the methods, in their order."""

    def __init__(self, real: str, asked: Asked) -> None:
        self.paths, self.real, self.asked = Paths(), real, asked
        self.installed = host.is_installed(self.paths)  # whoever uninstalls it meanwhile does not want it back
        self.name = assign.meant(asked.uplink)
        self.event = Event("set", asked.ve)
        self.ctid, runs = assign.check(self.paths, asked.ve, self.name)
        self.coming = addresses_in(asked.adds) if runs else ()

    def hand_over(self, mask: frozenset[int]) -> int:
        """Run the real vzctl with what is its own; return its wait status."""
        status = int(signal.SIGINT)
        try:
            self._close()
            if not spawn.is_called_off():
                status = spawn.run(self.real, ["vzctl", *self.asked.rest], mask)
                if status:
                    _say(f"VE {self.ctid}: vzctl {spawn.how(status)}, so --uplink {self.asked.uplink} was not done")
        finally:
            if status:
                self._open()
        return status

    def assign(self) -> Assigned:
        """Do our own part; say how to make up for it where vzctl's is done and ours cannot be."""
        try:
            return assign.assign(self.paths, self.ctid, self.name, self.asked.save, installed=self.installed)
        except VzhooksError as error:
            if not self.asked.alone:
                left = f"vzhooks set {self.ctid} --uplink {self.name or 'none'}{' --save' * self.asked.save}"
                _say(f"VE {self.ctid}: vzctl did its part; `{left}` does what is left")
            if isinstance(error, InputError):
                raise HostError(str(error)) from None  # not of the words typed: those were found sound
            raise
        finally:
            self._open()

    def tell(self, done: Assigned) -> int:
        """Tell the operator, and the neighbours; return our exit status."""
        self.event.ctid = done.ctid
        self.event.done(done.report, "stopped", to=self.asked.uplink, saved=done.saved)
        lines = [f"VE {p.ctid}: {p.text}" if p.ctid else p.text for p in done.problems]
        lines += [r for r in done.report.remarks if r.startswith(f"VE {done.ctid}: ")]
        end = done.remark if done.failed or self.asked.quiet else done.told(self.asked.uplink, self.event.ms)
        failures = (f.text for f in done.report.failures)
        for line in filter(None, [*lines, *failures, events.hardened(done.report), end]):
            _say(line)
        follow.announce_moved(done.report)
        if self.coming:
            follow.after_mount(self.paths, self.ctid, frozenset(self.coming))
        return FAILED if done.failed else DONE

    def _close(self) -> None:
        """Let the addresses that vzctl is about to publish have their uplink, or no way out at all."""
        if not self.coming:
            return
        report = self._expect(Expected(self.name, self.coming))
        owners = {a: w.ve.ctid for w in report.ways for a in w.ve.addresses if w.ve.ctid != self.ctid}
        # An address that is routed vzctl refuses itself.
        taken = [a for a in self.coming if a in owners and a not in report.facts.local]
        if taken:
            raise HostError(f"VE {self.ctid}: {taken[0]} is of VE {owners[taken[0]]}, which is mounted, so vzctl was "
                            "not called; take it from that one first")
        if report.refused:
            raise HostError(f"VE {self.ctid}: {report.refused}, so vzctl was not called; `vzhooks set --force` does it")
        failures = [f.text for f in report.failures if f.opens]
        if failures:
            raise HostError(f"VE {self.ctid}: {failures[0]}; {', '.join(self.coming)} could leave by any NIC, "
                            "so vzctl was not called")

    def _open(self) -> None:
        """Expect nothing any more: what is routed by now belongs to the VE, and all else is given back."""
        try:
            if self.coming:
                self._expect(frozenset(self.coming))
        except VzhooksError as error:  # what vzctl ended with counts for more
            _say(f"VE {self.ctid}: {error}")

    def _expect(self, expected: Expectation) -> Report:
        request = Request(ctids=frozenset({self.ctid}), expect={self.ctid: expected}, installed=self.installed)
        return reconcile.run(self.paths, request)


def _say(line: str) -> None:
    log.say(f"vzctl set: {line}")
