# SPDX-License-Identifier: GPL-2.0-or-later
"""Say numbers and lists as plain English, and what two doors say alike. Pure."""

from __future__ import annotations

from collections.abc import Iterable

NEEDS_NAME = "--uplink needs the name of an uplink, or none"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return "no changes", "1 change", "8 changes"."""
    return f"{number or 'no'} {noun if number == 1 else plural or noun + 's'}"


def joined(parts: Iterable[str]) -> str:
    """Return the parts that say something, as one line."""
    return "; ".join(part for part in parts if part)
