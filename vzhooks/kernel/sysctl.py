# SPDX-License-Identifier: GPL-2.0-or-later
"""Read and write /proc/sys of this network namespace; the only file that does."""

from __future__ import annotations

import os
from collections.abc import Iterable

from vzhooks.errors import KernelError
from vzhooks.model import Sysctl

ROOT = "/proc/sys"


def read(keys: Iterable[str]) -> dict[str, str]:
    """Return the values by key; a key that does not exist (its NIC is gone) is left out.

    Raises KernelError where one is there and cannot be read.
    """
    found = {}
    for key in keys:
        try:
            with open(os.path.join(ROOT, key), encoding="ascii") as file:
                found[key] = file.read().strip()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise KernelError(f"{key}: cannot be read ({error.strerror})") from None
    return found


def write(item: Sysctl) -> None:
    """Set one value; raises KernelError where the kernel refuses."""
    try:
        with open(os.path.join(ROOT, item.key), "w", encoding="ascii") as file:
            file.write(item.value)
    except OSError as error:
        raise KernelError(f"cannot be written ({error.strerror})") from None
