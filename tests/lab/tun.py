# SPDX-License-Identifier: GPL-2.0-or-later
"""A cable between two taps: what a virtual machine's process does with the node's tap."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import threading

from tests.lab.box import Box

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000


def _open(box: Box, name: str) -> int:
    with box.netns():
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return tap


def join(one: Box, name: str, other: Box, its: str) -> None:
    """Make a tap in each box and carry frames between them as long as both exist."""
    ends = _open(one, name), _open(other, its)
    threading.Thread(target=_carry, args=ends, daemon=True).start()


def _carry(one: int, other: int) -> None:
    """Copy frames both ways; a tap that is down, or gone with its namespace, gives an error."""
    try:
        while True:
            for ready in select.select([one, other], [], [])[0]:
                frame = os.read(ready, 65536)
                try:
                    os.write(other if ready == one else one, frame)
                except OSError:  # the other end is not up yet
                    continue
    except OSError:
        pass
    finally:
        os.close(one)
        os.close(other)
