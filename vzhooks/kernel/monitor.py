# SPDX-License-Identifier: GPL-2.0-or-later
"""Hear of changes in this network namespace: rtnetlink's and nftables' own events, on sockets that never wait."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

from vzhooks.errors import HostError, KernelError
from vzhooks.kernel.told import LOST, Told, changes

# include/uapi/linux/rtnetlink.h: links, addresses, routes and rules of both families
RTNETLINK = 0x1 | 0x10 | 0x100 | 0x40 | 0x400 | 0x80 | 0x40000
NFTABLES = 1 << 6  # NFNLGRP_NFTABLES (include/uapi/linux/netfilter/nfnetlink.h)
NETLINK_NETFILTER = 12
NFT_MSG_GETGEN = 10 << 8 | 16
NLM_F_REQUEST = 1
BUFFER = 8 << 20
"""Holds some 20,000 events of routes; what does not fit is told as lost."""
LARGEST = 1 << 17


class Monitor:
    """Hold the sockets on which changes are told."""

    def __init__(self) -> None:
        self._sockets = [_listening(socket.NETLINK_ROUTE, RTNETLINK), _listening(NETLINK_NETFILTER, NFTABLES)]

    def fds(self) -> list[int]:
        """Return the descriptors that can be read when something changed."""
        return [s.fileno() for s in self._sockets]

    def read(self) -> Iterator[Told]:
        """Return all that was told since the last time; LOST where the kernel had to drop some of it."""
        for told in self._sockets:
            while True:
                try:
                    yield from changes(told.recv(LARGEST))
                except BlockingIOError:
                    break
                except OSError as error:
                    if error.errno != errno.ENOBUFS:
                        raise KernelError(f"events: {error.strerror}") from None
                    yield Told(LOST)

    def close(self) -> None:
        """Hear no more."""
        for told in self._sockets:
            told.close()


def _listening(protocol: int, groups: int) -> socket.socket:
    try:
        found = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
        with suppress(OSError):  # what the limit of the machine allows must do then
            found.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33), BUFFER)
        found.bind((0, groups))
        return found
    except OSError as error:
        raise HostError(f"netlink: {error.strerror}; run as root on Linux 4.18 or later with nftables") from None


class Generation:
    """Ask nftables for the number of its state, which every change of it makes another (nf_tables_api.c)."""

    def __init__(self) -> None:
        self.line = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
        self.line.settimeout(1.0)
        self._count = 0

    def number(self) -> int:
        """Return by what the next request on the line is told."""
        self._count += 1
        return self._count

    def now(self) -> int:
        """Return it; raises KernelError where the kernel does not tell."""
        count = self.number()
        # nlmsghdr and nfgenmsg (include/uapi/linux/netlink.h, nfnetlink.h)
        ask = struct.pack("=IHHIIBBH", 20, NFT_MSG_GETGEN, NLM_F_REQUEST, count, 0, socket.AF_UNSPEC, 0, 0)
        try:
            self.line.sendto(ask, (0, 0))
            while True:
                data = self.line.recv(LARGEST)
                if struct.unpack_from("=I", data, 8)[0] == count:
                    break
        except OSError as error:
            raise KernelError(f"nftables: no answer ({error.strerror or error})") from None
        told = next(changes(data), None)
        if told is None:
            code = abs(struct.unpack_from("=i", data, 16)[0]) or errno.EIO
            hint = "; run as root with CAP_NET_ADMIN" if code == errno.EPERM else ""
            raise KernelError(f"nftables: {os.strerror(code)}{hint}")
        return told.generation

    def close(self) -> None:
        """Ask no more."""
        self.line.close()
