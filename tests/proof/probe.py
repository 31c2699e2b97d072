# SPDX-License-Identifier: GPL-2.0-or-later
"""One tap on all of a node's devices, and all packets of a step at once: what leaves by what, and who answers."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count

from tests.lab import Box, packets
from tests.lab.links import family_of
from tests.lab.node import BEYOND, BEYOND6, CLIENT, CLIENT6, CLIENT_MAC, ExampleNode
from tests.lab.packets import BROADCAST, ETH_P_ARP, parse
from tests.lab.tap import Frame, Tap
from tests.lab.wire import flush_neighbours
from tests.proof.values import ANYWHERE, Fact, fits
from tests.site import is_carried

LAB = packets.LAB
FARS = (CLIENT, CLIENT6, BEYOND, BEYOND6)
INSIDE = ("lo", "venet")
PAUSE_S = 0.003
_numbers = count(1)


@dataclass(frozen=True)
class Dated(Frame):
    """A frame and the number of the moment in which it was sent, -1 where it does not say."""

    born: int = -1


class DatedTap(Tap):
    """Keep of each frame when it was sent: what waits for a neighbour leaves up to three seconds later."""

    def frame(self, nic: str, outgoing: bool, data: bytes) -> Frame:
        """Return a frame and when it was sent: two bytes that stand four before the text of ours."""
        at = data.find(LAB)
        born = struct.unpack_from("!H", data, at - 4)[0] if at >= 4 else -1
        return Dated(nic, outgoing, *parse(data), born)


class Probe:
    """Hold the tap and the client's line for as long as the node stands.

    now: the number of this moment, which all that is sent carries.
    """

    def __init__(self, node: ExampleNode) -> None:
        self.node = node
        self.tap, self.now = DatedTap(node.hn), 0
        self.line = node.client.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.line.bind(("eth0", 0))
        self.tap.__enter__()

    def close(self) -> None:
        """Give back both."""
        self.line.close()
        self.tap.__exit__(None, None, None)

    def tick(self) -> int:
        """Begin a new moment; return its number."""
        self.now = (self.now + 1) % (1 << 16)
        return self.now

    def frames(self) -> list[Frame]:
        """Return what came since the last call."""
        found = list(self.tap.frames)
        self.tap._frames.clear()
        return found

    def is_lan(self, nic: str) -> bool:
        """Tell whether a device leads off the node."""
        return nic.startswith("eth")

    def ask(self, running: dict[str, tuple[Box, list[str]]], own: Iterable[str]) -> tuple[set[Fact], list[Frame]]:
        """Send from and to each running VE and each own address; return the facts seen, and all frames."""
        own, addresses = list(own), [a for _, mine in running.values() for a in mine]
        flush_neighbours(self.node.client)
        for box, mine in running.values():
            for address in mine:
                others = [d for d in (*FARS, *own, *addresses) if d != address and fits(d, address)]
                echo(box, address, others, self.now)
        for far in (CLIENT, CLIENT6):
            echo(self.node.client, far, [a for a in (*own, *addresses) if fits(a, far)], self.now)
        self._who_have([*own, *addresses])
        frames = self.frames()
        return self.facts(frames), frames

    def _who_have(self, addresses: Iterable[str]) -> None:
        for ip in addresses:
            if ":" in ip:
                self.line.send(packets.solicitation(CLIENT_MAC, CLIENT6, ip))
            else:
                question = packets.arp(1, CLIENT_MAC, CLIENT, ip)
                self.line.send(packets.ethernet(BROADCAST, CLIENT_MAC, ETH_P_ARP, question))

    def facts(self, frames: Iterable[Frame]) -> set[Fact]:
        """Return what the frames show, in the words of the model."""
        found: set[Fact] = set()
        for f in (f for f in frames if f.outgoing):
            what, _, target = f.info.partition(" ")
            if what in ("is-at", "advert") and f.dst_mac == CLIENT_MAC and self.is_lan(f.nic):
                address = f.src if what == "is-at" else target
                found |= {("answer", address, f.nic), ("answer", address, ANYWHERE)}
            elif f.info.startswith("echo"):
                found |= self._echo(f)
        return found

    def _echo(self, f: Frame) -> set[Fact]:
        found: set[Fact] = set()
        if self.is_lan(f.nic):
            found |= {("out", f.src, f.dst, f.nic), ("out", f.src, f.dst, ANYWHERE)}
        elif f.info == "echo reply":
            found.add(("reply", f.src, f.dst))
        return found

    def left(self, frames: Iterable[Frame]) -> dict[int, set[tuple[str, str]]]:
        """Return source and NIC of all that was carried off the node, by the moment in which it was sent."""
        found: dict[int, set[tuple[str, str]]] = {}
        for f in frames:
            if f.outgoing and self.is_lan(f.nic) and is_carried(f):
                found.setdefault(f.born if isinstance(f, Dated) else -1, set()).add((f.src, f.nic))
        return found


def echo(box: Box, src: str, dsts: Iterable[str], now: int) -> None:
    """Send an echo request to each destination, by one socket, that says when."""
    version = 6 if ":" in src else 4
    protocol = packets.ICMP6 if version == 6 else packets.ICMP
    with box.socket(family_of(src), socket.SOCK_RAW, protocol) as icmp, contextlib.suppress(OSError):
        icmp.bind((src, 0))
        for dst in dsts:
            with contextlib.suppress(OSError):
                icmp.sendto(packets.echo_request(version, now, next(_numbers) & 0xFFFF), (dst, 0))


class Chatter:
    """Send on and on from running VEs while something is done to the node, by sockets opened before."""

    def __init__(self, running: dict[str, tuple[Box, list[str]]], now: int) -> None:
        self.data = struct.pack("!HH", now, 0) + LAB
        self.lines: list[tuple[socket.socket, str]] = []
        for box, mine in running.values():
            for address in mine:
                line = box.socket(family_of(address), socket.SOCK_DGRAM)
                with contextlib.suppress(OSError):
                    line.bind((address, 0))
                    line.setblocking(False)
                    self.lines += [(line, far) for far in FARS if fits(far, address)]
        self.end = threading.Event()
        self.thread = threading.Thread(target=self._chat, daemon=True)
        self.sent = 0

    def _chat(self) -> None:
        while not self.end.wait(PAUSE_S):
            for line, far in self.lines:
                with contextlib.suppress(OSError):
                    line.sendto(self.data, (far, 9))
                    self.sent += 1

    def __enter__(self) -> Chatter:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end.set()
        self.thread.join()
        for line in {line for line, _ in self.lines}:
            line.close()


@contextlib.contextmanager
def chatting(running: dict[str, tuple[Box, list[str]]], now: int = 0) -> Iterator[Chatter]:
    """Let running VEs send while the body does something; now: the number of the moment."""
    with Chatter(running, now) as chatter:
        yield chatter
