# SPDX-License-Identifier: GPL-2.0-or-later
"""Read how many bytes came and went by each device."""

from __future__ import annotations

from vzhooks.errors import HostError

DEV = "/proc/self/net/dev"
BYTES_IN, BYTES_OUT = 0, 8  # columns behind the name (proc(5))


def bytes_by_device() -> dict[str, tuple[int, int]]:
    """Return bytes received and sent since the device is there; raises HostError where the kernel does not tell."""
    try:
        with open(DEV, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rpartition(":") for line in file if ":" in line]
        return {name.strip(): (int(f[BYTES_IN]), int(f[BYTES_OUT])) for name, _, rest in lines if (f := rest.split())}
    except (OSError, ValueError, IndexError) as error:
        raise HostError(f"{DEV}: cannot be read ({error}); look at that file") from None
