# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure how many packets a second one VE can send through the node, beside many others, in each datapath.

What a VE sends leaves in one piece of work of one processor: the sender's, the node's and the client's, which drops
it at once. So the ratio to a node without vzhooks, in the same run and in turns, tells what our rules and the guard
cost, and less than they cost alone. The VEs of the node all have their host route, as under vzctl.
"""

from __future__ import annotations

import ctypes
import os
import socket
import statistics
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.lab import Box, ExampleNode
from tests.lab.node import CLIENT
from tests.lab.ve import config_text

VE = "192.168.18.101"
BATCH, SECONDS, ROUNDS = 256, 0.4, 7
PORT = 9
NOTHING = "nothing"


class _Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Message(ctypes.Structure):  # struct mmsghdr of sendmmsg(2)
    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint), ("iov", ctypes.c_void_p),
                ("iov_length", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
                ("flags", ctypes.c_int), ("length", ctypes.c_uint)]


def addresses(ves: int) -> list[str]:
    """Return the addresses of so many VEs, the sending one first."""
    return [VE, *(f"10.{100 + n // 65536}.{n // 256 % 256}.{n % 256}" for n in range(1, ves))]


@contextmanager
def node(ves: int, datapath: str) -> Iterator[ExampleNode]:
    """Build the example node with so many live VEs by eth3, and vzhooks in this datapath unless it is `nothing`."""
    with ExampleNode(rp_filter=1) as lab:
        lab.hn.write("/etc/vz/vz.conf", "")  # without VE_ROOT a host route is a VE's life
        with lab.hn.ipr() as ipr:
            index = lab.hn.index("venet0")
            for n, address in enumerate(addresses(ves)):
                text = config_text(str(101 + n), [address], "eth3").replace("VE_ROOT", "NO_ROOT")
                lab.hn.write(f"/etc/vz/conf/{101 + n}.conf", text)
                ipr.route("add", dst=f"{address}/32", oif=index)
        lab.hn.write("/etc/vz/vzhooks.ini", f"[node]\ndatapath = {datapath}\n" if datapath != NOTHING else "")
        lab.client.run(["nft", "add table ip bench; add chain ip bench sink { type filter hook prerouting priority"
                        f" -300; }}; add rule ip bench sink udp dport {PORT} drop"], check=True)
        if datapath == NOTHING:  # its way must be the same: by eth3, on the wire
            lab.hn.run(["ip", "route", "add", f"{CLIENT}/32", "dev", "eth3"], check=True)
        else:
            vzhooks = [sys.executable, "-I", "-m", "vzhooks"]
            lab.hn.run([*vzhooks, "install"], check=True)
            lab.hn.run([*vzhooks, "resync"], check=True)
            held = lab.hn.run(["nft", "list", "set", "inet", "vzhooks", "exits4"]).stdout
            assert held.count('"eth3"') == ves, "not all VEs have their uplink"
        yield lab


def packets_a_second(lab: ExampleNode, seconds: float = SECONDS) -> float:
    """Return how many of the VE's packets reach the client's NIC in a second, sent as fast as one process can."""
    before, start = _received(lab.client), time.perf_counter()
    lab.venet.call(_send, seconds)
    return (_received(lab.client) - before) / (time.perf_counter() - start)


def _send(seconds: float) -> None:
    """Send UDP packets of 64 bytes in the VE's name, many a call."""
    body = struct.pack("!HHHH", 40000, PORT, 44, 0) + bytes(36)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, socket.IPPROTO_UDP, 0,
                       socket.inet_aton(VE), socket.inet_aton(CLIENT))
    packet = ctypes.create_string_buffer(head + body)
    to = ctypes.create_string_buffer(struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(CLIENT)))
    iovec = _Iovec(ctypes.addressof(packet), len(head + body))
    message = _Message(ctypes.addressof(to), 16, ctypes.addressof(iovec), 1)
    many = (_Message * BATCH)(*[message] * BATCH)
    libc = ctypes.CDLL(None, use_errno=True)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            if libc.sendmmsg(raw.fileno(), many, BATCH, 0) < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _received(client: Box) -> int:
    line = next(line for line in client.call(_devices).splitlines() if line.strip().startswith("eth0:"))
    return int(line.split(":")[1].split()[1])


def _devices() -> str:
    with open("/proc/net/dev", encoding="ascii") as file:
        return file.read()


def measure(ves: int, datapaths: list[str], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Return packets a second by datapath, `nothing` among them, in turns of one run."""
    taken: dict[str, list[float]] = {name: [] for name in (NOTHING, *datapaths)}
    with ExitStack() as stack:
        labs = {name: stack.enter_context(node(ves, name)) for name in taken}
        for _ in range(rounds):
            for name, lab in labs.items():
                taken[name].append(packets_a_second(lab))
    return taken


def main(arguments: list[str]) -> int:
    """Print a line for each number of VEs given: the rate of each datapath as a part of the bare node's."""
    for ves in [int(a) for a in arguments if a.isdigit()] or [10, 100, 1000]:
        taken = measure(ves, [a for a in arguments if not a.isdigit()] or ["rule"])
        bare = statistics.median(taken[NOTHING])
        parts = (f"{name} {statistics.median(rates) / bare:.3f}" for name, rates in taken.items() if name != NOTHING)
        print(f"{ves:6} VEs: {bare / 1000:.0f} k packets/s without vzhooks; of that {', '.join(parts)}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
