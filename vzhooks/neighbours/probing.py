# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask on the wire, again and again, whether the gateways and hosts that uplinks are probed by are there.

Frames are written whole and sent by a device that is named, so neither main nor the rules of anybody decide where a
question goes. One packet socket a protocol is kept open for all uplinks: closing one costs 9 ms. Nothing here waits;
the caller says when something can be read, or is due. Needs CAP_NET_RAW alone.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from vzhooks.addresses import family_of
from vzhooks.neighbours import announce
from vzhooks.neighbours.announce import ETH_P_ARP, ETH_P_IPV6
from vzhooks.neighbours.probe_nd import attach
from vzhooks.neighbours.questions import ETH_P_IP, FILTERS, Heard, group_mac, heard, ping, who_has
from vzhooks.policy.probes import Ask, Target, silent

AT_ONCE = 256
"""So many packets are read of a socket in one go, so that a flood of answers keeps nobody else from his work."""
BY_FAMILY = {4: (ETH_P_ARP, ETH_P_IP), 6: (ETH_P_IPV6, ETH_P_IPV6)}
"""The protocols that neighbours are asked by, and others."""


@dataclass(frozen=True)
class Verdict:
    """Tell that an uplink's questions of one round were answered, or, in words, which were not."""

    uplink: str
    why: str = ""

    @property
    def answered(self) -> bool:
        """Tell whether all were."""
        return not self.why


@dataclass
class _Turn:
    """Hold one uplink's questions that wait for answers; at: when the next are asked (monotonic)."""

    target: Target
    at: float
    open: dict[Ask, bytes] = field(default_factory=dict)


class Prober:
    """Hold the sockets, and what is asked of whom; times are seconds of one clock that never goes back."""

    def __init__(self) -> None:
        self._lines: dict[int, socket.socket] = {}
        self._turns: dict[str, _Turn] = {}
        self._macs: dict[tuple[str, str], bytes] = {}
        self._own: Mapping[str, str] = {}
        self._key = os.urandom(10)
        self._number = 0

    def aim(self, targets: Mapping[str, Target], now: float) -> None:
        """Ask these from now on; a round that waits for answers to the same questions goes on."""
        kept = {n: r for n, r in self._turns.items() if r.target == targets.get(n)}
        spread = {n: place / (len(targets) or 1) for place, n in enumerate(sorted(targets))}
        self._turns = {n: kept.get(n) or _Turn(t, now + spread[n] * t.interval) for n, t in targets.items()}
        self._own = announce.macs({t.device for t in targets.values()})
        for protocol in {p for t in targets.values() for a in t.asks for p in _protocols(a)} - set(self._lines):
            self._open(protocol)

    def _open(self, protocol: int) -> None:
        line = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, socket.htons(protocol))
        attach(line, FILTERS[protocol])
        self._lines[protocol] = line

    def fds(self) -> list[int]:
        """Return the descriptors that answers come by."""
        return [line.fileno() for line in self._lines.values()] if self._turns else []

    def due(self) -> float | None:
        """Return when something is to be asked; None for never."""
        return min((r.at for r in self._turns.values()), default=None)

    def close(self) -> None:
        """Let go of the sockets."""
        for line in self._lines.values():
            line.close()
        self._lines.clear()

    def run(self, now: float) -> list[Verdict]:
        """Take the answers that came, ask what is due, and return what was found out by that."""
        found = [v for line in self._lines.items() for v in self._take(*line)]
        for name, turn in self._turns.items():
            if now >= turn.at:
                # Who was kept from running itself for so long has not listened.
                if turn.open and now < turn.at + turn.target.interval:
                    found.append(Verdict(name, silent(turn.target, tuple(turn.open))))
                self._begin(turn, now)
        return found

    def _begin(self, turn: _Turn, now: float) -> None:
        for ask in turn.open:
            self._macs.pop((turn.target.device, ask.hop), None)  # it may have another by now
        self._number = (self._number + 1) & 0xFFFF
        data = self._key[:2] + struct.pack("!H", self._number) + self._key[2:]
        turn.at, turn.open = now + turn.target.interval, dict.fromkeys(turn.target.asks, data)
        for ask in turn.target.asks:
            self._ask(turn.target.device, ask, data)

    def _ask(self, device: str, ask: Ask, data: bytes) -> None:
        """Send a question: a ping once it is known by whom, else who has the address that it goes by."""
        mac = self._macs.get((device, ask.hop), b"")
        near, far = BY_FAMILY[family_of(ask.address)]
        if ask.ping and (mac or not ask.hop):
            self._send(device, far, mac, ping(ask.address, ask.source, data))
        elif device in self._own:
            own = bytes.fromhex(self._own[device].replace(":", ""))
            self._send(device, near, mac or group_mac(ask.hop), who_has(ask.hop, own, ask.source))

    def _send(self, device: str, protocol: int, mac: bytes, packet: bytes) -> None:
        with suppress(OSError):  # a device that went away has nobody to ask: no answer says it as well
            self._lines[protocol].sendto(packet, (device, protocol, 0, 0, mac))

    def _take(self, protocol: int, line: socket.socket) -> Iterator[Verdict]:
        for _ in range(AT_ONCE):
            try:
                packet, (device, _, _, _, sender) = line.recvfrom(2048)
            except OSError:  # nothing more; or ENETDOWN, told once when a device goes down
                return
            answer = heard(protocol, packet, sender)
            if answer:
                yield from self._hear(device, answer)

    def _hear(self, device: str, answer: Heard) -> Iterable[Verdict]:
        for name, turn in self._turns.items():
            if turn.target.device != device:
                continue
            for ask, data in list(turn.open.items()):
                if answer.mac and answer.address == ask.hop:
                    self._macs[device, ask.hop] = answer.mac
                    if ask.ping:
                        self._ask(device, ask, data)
                if answer.echo == data or (not ask.ping and answer.mac and answer.address == ask.hop):
                    del turn.open[ask]
                    if not turn.open:
                        yield Verdict(name)


def _protocols(ask: Ask) -> tuple[int, ...]:
    near, far = BY_FAMILY[family_of(ask.address)]
    return (near, far) if ask.ping else (near,)
