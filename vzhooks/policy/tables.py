# SPDX-License-Identifier: GPL-2.0-or-later
"""Give each uplink, and each LAN NIC's own addresses, a table number that stays. Pure.

The number follows from the name alone, so it is the same after a reboot and on a fresh disk; only
where it is taken does the next free one count, and what was given once is recorded.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Callable

FIRST, COUNT = 10000, 10000
LESS = "main:without-reserved"
"""The key of the table that is main without the reserved devices."""


def uplink_key(name: str) -> str:
    """Return the key under which an uplink's table is recorded."""
    return f"uplink:{name}"


def own_key(device: str) -> str:
    """Return the key under which the table for a NIC's own addresses is recorded."""
    return f"own:{device}"


def is_key(text: str) -> bool:
    """Tell whether a table can be recorded under this key."""
    return text == LESS or bool(re.fullmatch(r"(uplink|own):[^\s/]{1,64}", text))


def is_number(value: Any) -> bool:
    """Tell whether a routing table of ours can have this number: none of the kernel's (rtnetlink(7))."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and 0 < value <= 0xFFFFFFFF and value not in (253, 254, 255)


def allocate(keys: Iterable[str], recorded: Mapping[str, int], pinned: Mapping[str, int],
             taken: Callable[[int], bool]) -> dict[str, int]:
    """Return a number for each key: pinned by the ini, else recorded, else by its name.

    `taken` tells whether somebody else uses a table; it is asked only about new numbers.
    """
    given = dict(pinned)
    free = {k: n for k, n in recorded.items() if k not in given and n not in given.values()}
    for key in sorted(keys):
        if key not in given:
            given[key] = free.pop(key, 0) or _next(key, {*given.values(), *free.values()}, taken)
    return given


def _next(key: str, used: set, taken: Callable[[int], bool]) -> int:
    start = zlib.crc32(key.encode())
    numbers = (FIRST + (start + step) % COUNT for step in range(COUNT))
    return next(n for n in numbers if n not in used and not taken(n))


def table_names(numbers: Mapping[str, int]) -> str:
    """Return the names of our tables as ip(8) reads them from rt_tables.d."""
    lines = [f"{number} vzhooks-{key.replace('uplink:', '').replace(':', '-')}\n" for key, number in numbers.items()]
    return "# written by vzhooks\n" + "".join(lines)
