# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks on the health of uplinks: what is down, who stands in, and what cannot be probed. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from vzhooks.addresses import family_of
from vzhooks.doctor.findings import ERROR, WARNING, Exam, Finding
from vzhooks.errors import InputError
from vzhooks.model import Uplink
from vzhooks.policy import health, probes
from vzhooks.policy.uplinks import chain, resolve
from vzhooks.status import rows
from vzhooks.status.table import age_of


def _uplinks(exam: Exam) -> Iterator[Uplink]:
    """Return the uplinks of the ini that VEs can have."""
    for name in exam.settings.uplinks:
        try:
            yield resolve(name, exam.settings, exam.facts.nics)
        except InputError:
            continue  # which the VEs of it are told


def down(exam: Exam) -> Iterator[Finding]:
    """Uplinks whose VEs, if any, go by a backup or nowhere."""
    for row in rows.uplinks(exam.view):
        if row["health"] not in ("", health.UP):
            since, by = row["since_s"], row["by"]
            age = f" since {age_of(since)}" if isinstance(since, int) else ""
            fix = "mend that; its VEs come back by themselves where the daemon runs, else by `vzhooks resync`"
            yield Finding("uplink-down", WARNING if by else ERROR, f"uplink {row['uplink']}",
                          f"{row['health']}{age}: {row['why']}", fix)


def backups(exam: Exam) -> Iterator[Finding]:
    """Backups that could not stand in for anybody."""
    for uplink in _uplinks(exam):
        line = chain(uplink, exam.settings, exam.facts.nics)
        if uplink.backup and len(line) == 1:
            try:
                resolve(uplink.backup, exam.settings, exam.facts.nics)
            except InputError as error:
                yield Finding("backup", ERROR, f"uplink {uplink.name}", f"its backup cannot be used: {error}",
                              "name another one, or correct that one")
        if len(line) > 1 and line[1].device == uplink.device:
            yield Finding("backup", WARNING, f"uplink {uplink.name}", f"its backup {line[1].name} goes by "
                          f"{uplink.device} as well, so it has no link either when that has none", "name another one")


def unprobed(exam: Exam) -> Iterator[Finding]:
    """Probes that nobody makes, or that cannot be made as the ini says."""
    wished = [u for u in _uplinks(exam) if u.probe != health.LINK]
    lost = [u.name for u in wished if u.name not in exam.report.probed]
    if lost:
        yield Finding("probe", WARNING, f"uplink {', '.join(lost)}", "the daemon probes it and does not run, so only "
                      "its link counts", "`systemctl start vzhooks`, or start `vzhooks daemon` otherwise")
    for uplink in wished:
        nic = exam.facts.nics.get(uplink.device)
        asks = list(probes.asks_of(uplink, exam.facts)) if nic else []
        if nic and not asks:
            what = "no gateway is known" if uplink.probe == probes.GATEWAY else f"{nic.name} has no address"
            yield Finding("probe", WARNING, f"uplink {uplink.name}", f"{what}, so probe = {uplink.probe} asks nobody "
                          "and only its link counts", "set gateway = in the ini, or another probe")
        elif any(a.source == "" and a.address != uplink.probe for a in asks) and uplink.probe != probes.GATEWAY:
            yield Finding("probe", WARNING, f"uplink {uplink.name}", f"{uplink.device} has no "
                          f"IPv{family_of(uplink.probe)} address to ping {uplink.probe} from, so its gateway is asked "
                          "instead", "give it an address, or set probe = gateway")


CHECKS = (down, backups, unprobed)
