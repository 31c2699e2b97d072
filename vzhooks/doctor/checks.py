# SPDX-License-Identifier: GPL-2.0-or-later
"""Find what would break a node: all checks in their order, and their findings as text. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

from vzhooks.doctor import node_checks, rule_checks, uplink_checks, ve_checks
from vzhooks.doctor.findings import Exam, Finding

CHECKS = (*node_checks.FIRST, *ve_checks.CHECKS, *uplink_checks.CHECKS, *rule_checks.CHECKS, *node_checks.CHECKS)


def examine(exam: Exam) -> list[Finding]:
    """Return what all checks find, in their order; empty for a healthy node."""
    return [finding for check in CHECKS for finding in check(exam)]


def as_json(findings: Iterable[Finding]) -> str:
    """Return the findings as a JSON list."""
    return json.dumps([asdict(f) for f in findings], indent=2)


def as_text(findings: Iterable[Finding]) -> str:
    """Return the findings for a reader, three lines each."""
    return "\n".join(f"{f.level}: {f.check}: {f.subject}\n  found: {f.evidence}\n  fix:   {f.fix}" for f in findings)
