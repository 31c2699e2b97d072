# SPDX-License-Identifier: GPL-2.0-or-later
"""Close what a process that lives on by itself must not hold."""

from __future__ import annotations

import os
from collections.abc import Container
from contextlib import suppress


def close_all(kept: Container[int] = ()) -> None:
    """Close every descriptor that is open but these, also what vzctl leaked into us."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            with suppress(OSError):  # the listing's own is gone already
                os.close(int(name))
