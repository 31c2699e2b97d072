# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask the kernel about many packets at once: one call carries the questions of many, and each has its own answer."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vzhooks.addresses import family_of
from vzhooks.errors import KernelError
from vzhooks.kernel import plain
from vzhooks.kernel.dump import ERROR, HEADER, LARGEST, NLM_F_REQUEST, NLMSG_ERROR, connect, messages
from vzhooks.kernel.messages import FAMILIES

# include/uapi/linux/rtnetlink.h
RTM_GETROUTE, RTM_F_LOOKUP_TABLE = 26, 0x1000
_RTA_SRC, _RTA_IIF, _RTA_MARK = 2, 3, 16
AT_ONCE = 64
"""So many answers surely fit into a socket that has the least buffer there is (socket(7), rmem_default)."""


class Question(NamedTuple):
    """Hold one packet to ask about; iif: the number of the device that it comes in by, 0 for one of the node's own."""

    src: str
    dst: str
    iif: int = 0
    mark: int = 0


def routes(asked: Sequence[Question]) -> list[bytes | int]:
    """Return the kernel's answer to each question, a message of a route or an errno; raises KernelError without any."""
    found: dict[int, bytes | int] = {}
    try:
        with connect(socket.NETLINK_ROUTE) as line:
            for first in range(0, len(asked), AT_ONCE):
                some = range(first, min(first + AT_ONCE, len(asked)))
                line.send(b"".join(_request(n + 1, asked[n]) for n in some))
                while not all(n + 1 in found for n in reversed(some)):
                    found.update(_answers(line.recv(LARGEST)))
    except (OSError, struct.error) as error:
        raise KernelError(f"routes: cannot be asked for ({getattr(error, 'strerror', None) or error})") from None
    return [found[n + 1] for n in range(len(asked))]


def _answers(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    for kind, _, message in messages(data):
        number = HEADER.unpack_from(message)[3]
        yield number, abs(ERROR.unpack_from(message, HEADER.size)[0]) if kind == NLMSG_ERROR else message


def _request(number: int, asked: Question) -> bytes:
    family = family_of(asked.dst)
    # IPv6 always tells the table, and refuses the flag that makes IPv4 do so (net/ipv6/route.c).
    flags, bits = (RTM_F_LOOKUP_TABLE, 32) if family == 4 else (0, 128)
    head = struct.pack("=BBBBBBBBI", FAMILIES[family], bits, bits if asked.src else 0, 0, 0, 0, 0, 0, flags)
    attrs = [(plain.RTA_DST, socket.inet_pton(FAMILIES[family], asked.dst))]
    attrs += [(_RTA_SRC, socket.inet_pton(FAMILIES[family], asked.src))] if asked.src else []
    numbers = ((_RTA_IIF, asked.iif), (_RTA_MARK, asked.mark))
    attrs += [(kind, struct.pack("=I", value)) for kind, value in numbers if value]
    body = head + b"".join(struct.pack("=HH", 4 + len(raw), kind) + raw for kind, raw in attrs)
    return HEADER.pack(HEADER.size + len(body), RTM_GETROUTE, NLM_F_REQUEST, number, 0) + body

