# SPDX-License-Identifier: GPL-2.0-or-later
"""What the packages say of themselves, read from the places that have it: CHANGELOG, setup.py, the list of bundled.

The date of a build is that of the newest release in CHANGELOG.md, so that it needs neither git nor a clock.
"""

from __future__ import annotations

import datetime
import os
import re
from dataclasses import dataclass
from pathlib import Path

from vzhooks import __version__

ROOT = Path(__file__).parent.parent
MAINTAINER = "vzhooks maintainers <vzhooks@packages.vzhooks.invalid>"
SUMMARY = "own uplink for every OpenVZ container"
DESCRIPTION = """\
A hardware node of OpenVZ or Virtuozzo has several NICs. A container whose
config says UPLINK="eth3" leaves the node by eth3 or not at all: routing
rules and, independently, an nftables guard hold that. Only eth3 answers
for the addresses of the container. The command vzhooks shows who leaves
by what, moves running containers, and finds what would break the node."""
UNRELEASED = datetime.date(2026, 1, 1)
"""Stands for the date while nothing was released yet."""


@dataclass(frozen=True)
class Release:
    """Hold the version, and its time in seconds since 1970."""

    version: str
    epoch: int

    @property
    def date(self) -> datetime.datetime:
        """Return the time as a date, UTC."""
        return datetime.datetime.fromtimestamp(self.epoch, datetime.timezone.utc)


def release(version: str = "") -> Release:
    """Return this tree's release, or one that differs in version; SOURCE_DATE_EPOCH counts where it is set."""
    dates = re.findall(r"^## \[[\d.]+\] - (\d{4}-\d\d-\d\d)$", text("CHANGELOG.md"), re.MULTILINE)
    day = datetime.date.fromisoformat(max(dates)) if dates else UNRELEASED
    noon = datetime.datetime(day.year, day.month, day.day, 12, tzinfo=datetime.timezone.utc)
    return Release(version or __version__, int(os.environ.get("SOURCE_DATE_EPOCH") or noon.timestamp()))


def changes() -> list[str]:
    """Return the points of the newest part of CHANGELOG.md, each in one line."""
    newest = re.split(r"^## ", text("CHANGELOG.md"), flags=re.MULTILINE)[1]
    return [" ".join(point.split()) for point in re.findall(r"^- (.*(?:\n  .*)*)", newest, re.MULTILINE)]


def text(name: str) -> str:
    """Return a text file of the tree."""
    return (ROOT / name).read_text("utf-8")


def bundled() -> dict[str, str]:
    """Return the version of each module that the packages carry, by its name."""
    return dict(re.findall(r"^([\w-]+)==(\S+)", text("pack/bundled.txt"), re.MULTILINE))


def required() -> dict[str, str]:
    """Return what setup.py says we need at run time, extras included: name and range of versions."""
    lists = re.findall(r"(?:install_requires=|extras_require=.*?: )\[(.*?)\]", text("setup.py"), re.DOTALL)
    return dict(re.findall(r'"([\w-]+)([^"]*)"', " ".join(lists)))
