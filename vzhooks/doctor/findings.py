# SPDX-License-Identifier: GPL-2.0-or-later
"""What `doctor` judges and what it finds, as values; what its checks share. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from vzhooks.config.settings import Settings
from vzhooks.model import Lookup, Nic
from vzhooks.policy.compare import Flow
from vzhooks.policy.facts import Facts
from vzhooks.policy.foreign import Other
from vzhooks.policy.nat import Nat
from vzhooks.policy.uplinks import Way
from vzhooks.run.request import Report
from vzhooks.status.view import View

ERROR, WARNING = "error", "warning"
STEPS = ("check", "choose", "correct", "declare", "give", "install", "mend", "move", "name", "remove", "run", "set",
         "start", "stop", "take", "try", "upgrade")
"""Verbs with which the part of a message begins that says what to do."""


@dataclass(frozen=True)
class Finding:
    """Hold one thing found: by which check, how bad, about what, the evidence, and the fix."""

    check: str
    level: str
    subject: str
    evidence: str
    fix: str


@dataclass(frozen=True)
class Exam:
    """Hold all that the checks judge.

    unread: what could not be read at all; broken: what is wrong with the ini and its uplinks;
    unknown: VE -> why its UPLINK cannot be; sysctls: by key; hooks: file -> what is wrong with it;
    host_routes: main's /32 and /128 by LAN NICs as (destination, device); strangers: table -> what
    others have in it; networkd: it runs and takes foreign rules away; answers: address -> MACs that
    answered the probe, macs: device -> MAC; reachable, lookups, others: as in View; nat: address
    translations of others; untrusted: what of our code others than root can change; silent: the daemon is installed
    where it should run, and does not answer; moved, lost: who asked for nothing and goes another way, or nowhere, by
    rules of ours, with the line that says it; walk_us: what rules cost a packet here, in microseconds.
    """

    report: Report = field(default_factory=Report)
    settings: Settings = field(default_factory=Settings)
    facts: Facts = field(default_factory=lambda: Facts({}))
    unread: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    hooks: Mapping[str, str] = field(default_factory=dict)
    host_routes: tuple[tuple[str, str], ...] = ()
    strangers: Mapping[int, str] = field(default_factory=dict)
    networkd: bool = False
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    macs: Mapping[str, str] = field(default_factory=dict)
    untrusted: tuple[str, ...] = ()
    reachable: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    lookups: Mapping[tuple[str, str], Lookup] = field(default_factory=dict)
    others: tuple[Other, ...] = ()
    nat: tuple[Nat, ...] = ()
    silent: bool = False
    moved: Mapping[Flow, str] = field(default_factory=dict)
    lost: Mapping[Flow, str] = field(default_factory=dict)
    walk_us: float = 0.0

    @property
    def view(self) -> View:
        """Return the same as `vzhooks status` judges it."""
        return View(self.report, self.settings, (), self.reachable, self.lookups, self.others)

    @property
    def assigned(self) -> Iterator[tuple[Way, str]]:
        """Return each way of a VE with an uplink, with each of its addresses."""
        return ((way, address) for way in self.report.ways if way.uplink for address in way.ve.addresses)


def lan(exam: Exam) -> list[Nic]:
    """Return the LAN NICs."""
    return exam.facts.lan


def value(exam: Exam, key: str) -> int:
    """Return a sysctl as a number, 0 where it is not there."""
    text = exam.sysctls.get(key, "0")
    return int(text) if text.lstrip("-").isdigit() else 0


def effective(exam: Exam, nic: Nic, name: str) -> int:
    """Return the value in force: the greater of `all` and the NIC (kernel include/linux/inetdevice.h)."""
    return max(value(exam, f"net/ipv4/conf/{where}/{name}") for where in ("all", nic.name))


def step_of(text: str, otherwise: str) -> str:
    """Return what a message says is to be done, `otherwise` where it says nothing of the kind."""
    last = text.rpartition("; ")[2]
    return last if last.split(" ", 1)[0].strip("`") in STEPS else otherwise
