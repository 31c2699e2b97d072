# SPDX-License-Identifier: GPL-2.0-or-later
"""Carry what a full disk keeps from being noted to the end of a run, where its report says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from vzhooks.errors import HostError
from vzhooks.model import Problem
from vzhooks.run.request import Report


class Unnoted:
    """Hold why notes could not be written, each once."""

    def __init__(self) -> None:
        self.errors: list[HostError] = []

    @contextmanager
    def carried(self) -> Iterator[None]:
        """Go on behind a note that cannot be written; only where the next run makes up for it."""
        try:
            yield
        except HostError as error:
            if str(error) not in map(str, self.errors):
                self.errors.append(error)

    def told(self, report: Report) -> Report:
        """Return a report that says it as well."""
        problems = tuple(Problem("", str(error), True) for error in self.errors)
        return replace(report, problems=(*report.problems, *problems), unnoted="; ".join(p.text for p in problems))
