# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of uplinks, and lists of them: as a VE's UPLINK, the command line and our notes have them. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}")
_BETWEEN = re.compile(r"[\s,]+")


@lru_cache(maxsize=1024)  # thousands of VEs name the same few
def names_in(text: str) -> tuple[str, ...]:
    """Return the uplinks that a text names, blanks or commas between, in order; one named twice counts once."""
    return tuple(dict.fromkeys(filter(None, _BETWEEN.split(text))))


@lru_cache(maxsize=1024)
def listed(text: str) -> str:
    """Return a list of names as we write it, with commas; what is no such list stays as it is, and is no uplink."""
    names = names_in(text)
    return ",".join(names) if names and all(map(NAME.fullmatch, names)) else text
