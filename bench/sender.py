# SPDX-License-Identifier: GPL-2.0-or-later
"""How packets are sent in a VE's name: as many as one process can, or one at a time and its answer awaited.

Both run in one piece of work of one processor: the sender's, the node's and the client's. So what our rules and the
guard cost is seen against all of that, and is less than it would be alone.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import time

from tests.lab import Box, packets
from tests.lab.node import CLIENT

BATCH, PORT = 256, 9


class _Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Message(ctypes.Structure):  # struct mmsghdr of sendmmsg(2)
    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint), ("iov", ctypes.c_void_p),
                ("iov_length", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
                ("flags", ctypes.c_int), ("length", ctypes.c_uint)]


def sink(client: Box) -> None:
    """Let the client drop at once what is sent for the rate."""
    client.run(["nft", "add table ip bench; add chain ip bench sink { type filter hook prerouting priority -300; };"
                f" add rule ip bench sink udp dport {PORT} drop"], check=True)


def rate(venet: Box, client: Box, source: str, seconds: float) -> float:
    """Return how many UDP packets of 64 bytes reach the client's NIC in a second of one processor's time.

    On an idle machine that is a second of the clock; on a busy one others' work does not count.
    """
    before = _received(client)
    used = venet.call(_flood, source, seconds)
    return (_received(client) - before) / used


def _flood(source: str, seconds: float) -> float:
    """Send the same packet again and again, many a call; return the processor time that this took, in seconds."""
    data = packets.ip_packet(source, CLIENT, packets.UDP, packets.udp(source, CLIENT, 40000, PORT, bytes(36)))
    packet = ctypes.create_string_buffer(data, len(data))
    to = ctypes.create_string_buffer(struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(CLIENT)))
    iovec = _Iovec(ctypes.addressof(packet), len(data))
    message = _Message(ctypes.addressof(to), 16, ctypes.addressof(iovec), 1)
    many = (_Message * BATCH)(*[message] * BATCH)
    libc = ctypes.CDLL(None, use_errno=True)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        start = time.process_time()
        while time.process_time() < start + seconds:
            if libc.sendmmsg(raw.fileno(), many, BATCH, 0) < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return time.process_time() - start


def _received(client: Box) -> int:
    line = next(line for line in client.call(_devices).splitlines() if line.strip().startswith("eth0:"))
    return int(line.split(":")[1].split()[1])


def _devices() -> str:
    with open("/proc/net/dev", encoding="ascii") as file:
        return file.read()


def round_trips(venet: Box, source: str, seconds: float) -> list[float]:
    """Return the microseconds of echo requests to the client and back, one at a time; a lost one is an error."""
    return venet.call(_echo, source, seconds)


def _echo(source: str, seconds: float) -> list[float]:
    request, taken = packets.echo_request(4, 7, 1), []
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, packets.ICMP) as icmp:
        icmp.bind((source, 0))
        icmp.settimeout(2)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            start = time.perf_counter()
            icmp.sendto(request, (CLIENT, 0))
            icmp.recv(128)
            taken.append((time.perf_counter() - start) * 1e6)
    return taken
