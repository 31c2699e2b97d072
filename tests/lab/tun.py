# SPDX-License-Identifier: GPL-2.0-or-later
"""A cable between two taps, as of a virtual machine's process, or a line between two point-to-point devices."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import threading
from collections.abc import Callable

from tests.lab.box import Box

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_TAP, IFF_NO_PI = 0x0001, 0x0002, 0x1000


def _open(box: Box, name: str, kind: int) -> int:
    with box.netns():
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), kind | IFF_NO_PI))
    return tap


def join(one: Box, name: str, other: Box, its: str, kind: int = IFF_TAP) -> Callable[[], None]:
    """Make a tap in each box and carry frames between them as long as both exist; what is returned takes both away."""
    ends = _open(one, name, kind), _open(other, its, kind)
    watched, kept = os.pipe()
    thread = threading.Thread(target=_carry, args=(*ends, watched), daemon=True)
    thread.start()

    def part() -> None:
        os.close(kept)
        thread.join()
    return part


def _carry(one: int, other: int, watched: int) -> None:
    """Copy frames both ways; a tap that is down, or gone with its namespace, gives an error."""
    try:
        while True:
            for ready in select.select([one, other, watched], [], [])[0]:
                if ready == watched:
                    return
                frame = os.read(ready, 65536)
                try:
                    os.write(other if ready == one else one, frame)
                except OSError:  # the other end is not up yet
                    continue
    except OSError:
        pass
    finally:
        for end in (one, other, watched):
            os.close(end)
