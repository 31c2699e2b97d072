# SPDX-License-Identifier: GPL-2.0-or-later
"""Dump what a node has thousands of: every message whole, as the kernel wrote it, or an error.

pyroute2 takes 30 us and more for each message before anybody has looked at it; a socket of our own takes one.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress

from vzhooks.errors import KernelError

# include/uapi/linux/netlink.h
NLM_F_REQUEST, NLM_F_DUMP, NLM_F_DUMP_INTR = 0x1, 0x300, 0x10
NLMSG_ERROR, NLMSG_DONE = 2, 3
SOL_NETLINK, NETLINK_GET_STRICT_CHK = 270, 12
HEADER, ERROR = struct.Struct("=IHHII"), struct.Struct("=i")
LARGEST = 1 << 17
BUFFER = 4 << 20
TRIES = 5
SILENCE_S = 5.0


def dump(protocol: int, kind: int, body: bytes, what: str) -> list[bytes]:
    """Return the answers to one dump request, nothing where what it asks about is not there.

    protocol: NETLINK_ROUTE or another; kind: the message's type. Raises KernelError where the kernel refuses, or the
    dump was cut short each time: that is never "nothing there".
    """
    for _ in range(TRIES):
        found = _once(protocol, kind, body, what)
        if found is not None:
            return found
    raise KernelError(f"{what}: change faster than they can be read; nothing was changed, try again")


def _once(protocol: int, kind: int, body: bytes, what: str) -> list[bytes] | None:
    """Return the answers, None where something changed meanwhile."""
    try:
        with connect(protocol) as line:
            line.send(HEADER.pack(HEADER.size + len(body), kind, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + body)
            return whole(iter(lambda: line.recv(LARGEST), b""))
    except (OSError, struct.error) as error:
        why = getattr(error, "strerror", None) or error
        raise KernelError(f"{what}: cannot be read ({why}); nothing was changed") from None


def whole(datagrams: Iterable[bytes]) -> list[bytes] | None:
    """Return the messages of a dump, None where something changed meanwhile; raises OSError where it has no end."""
    found: list[bytes] = []
    flags = 0
    for data in datagrams:
        for kind, more, message in messages(data):
            flags |= more
            if kind in (NLMSG_DONE, NLMSG_ERROR):
                _check(kind, message)
                return None if flags & NLM_F_DUMP_INTR else found
            found.append(message)
    raise OSError(errno.EBADMSG, os.strerror(errno.EBADMSG))


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Return type, flags and bytes of each message of a datagram; raises OSError where it is none."""
    place = 0
    while place < len(data):
        length, kind, flags, _, _ = HEADER.unpack_from(data, place)
        if length < HEADER.size or place + length > len(data):
            raise OSError(errno.EBADMSG, os.strerror(errno.EBADMSG))
        yield kind, flags, data[place:place + length]
        place += (length + 3) & ~3


def _check(kind: int, message: bytes) -> None:
    """Raise OSError where a dump ends by an error; none where it ends since there is no such table."""
    code = abs(ERROR.unpack_from(message, HEADER.size)[0])
    if code and (kind == NLMSG_ERROR or code != errno.ENOENT):
        raise OSError(code, os.strerror(code))


def connect(protocol: int) -> socket.socket:
    """Return an open socket for questions; raises OSError."""
    found = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    found.settimeout(SILENCE_S)
    with suppress(OSError):  # what the limit of the machine allows must do then
        found.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33), BUFFER)
    with suppress(OSError):  # Linux 4.20: the kernel filters, and else sends all
        found.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
    return found
