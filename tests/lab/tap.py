# SPDX-License-Identifier: GPL-2.0-or-later
"""A tap: every frame a box's interfaces send and receive."""

from __future__ import annotations

import select
import socket
import struct
import time
from dataclasses import dataclass
from types import TracebackType

from tests.lab.box import Box
from tests.lab.packets import ETH_P_ALL, parse

SOL_PACKET, PACKET_STATISTICS = 263, 6
SO_RCVBUFFORCE = 33
BUFFER = 64 << 20
SNAP = 160  # enough for the headers
QUIET_S = 0.02  # no frame for so long: all have arrived
LONGEST_S = 0.5


def enlarge(receiver: socket.socket) -> None:
    """Let a socket hold what comes while nobody reads."""
    try:
        receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    except PermissionError:  # an older kernel in a user namespace
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)


@dataclass(frozen=True)
class Frame:
    """One frame at an interface; see packets.Parsed for proto, src, dst and info."""

    nic: str
    outgoing: bool
    src_mac: str
    dst_mac: str
    proto: str
    src: str
    dst: str
    info: str

    def __str__(self) -> str:
        arrow = "out" if self.outgoing else "in "
        return f"{self.nic} {arrow} {self.src_mac} > {self.dst_mac} {self.proto} {self.src} > {self.dst} {self.info}"


class Tap:
    """Capture on the interfaces named, or on all (later ones too); the kernel's buffer holds the frames until asked."""

    def __init__(self, box: Box, *nics: str) -> None:
        self._box = box
        self._nics = nics
        self._frames: list[Frame] = []
        self._socket: socket.socket | None = None

    def __enter__(self) -> Tap:
        # One socket unbound to any interface: it survives links that go, and closing one costs 9 ms.
        self._socket = self._box.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        enlarge(self._socket)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._drain()
        finally:
            assert self._socket is not None
            self._socket.close()
            self._socket = None

    @property
    def frames(self) -> tuple[Frame, ...]:
        """Return what was captured so far, waiting until no more frame is under way."""
        if self._socket is not None:
            self._drain()
        return tuple(self._frames)

    def find(
        self,
        *,
        nic: str | None = None,
        outgoing: bool | None = None,
        src: str | None = None,
        dst: str | None = None,
        proto: str | None = None,
        info: str | None = None,
    ) -> list[Frame]:
        """Return the frames that fit (info: a part of it)."""
        exact = {"nic": nic, "outgoing": outgoing, "src": src, "dst": dst, "proto": proto}
        wanted = [(name, value) for name, value in exact.items() if value is not None]
        return [
            frame
            for frame in self.frames
            if all(getattr(frame, name) == value for name, value in wanted) and (info is None or info in frame.info)
        ]

    def count(
        self,
        *,
        nic: str | None = None,
        outgoing: bool | None = None,
        src: str | None = None,
        dst: str | None = None,
        proto: str | None = None,
        info: str | None = None,
    ) -> int:
        """Count the frames that fit."""
        return len(self.find(nic=nic, outgoing=outgoing, src=src, dst=dst, proto=proto, info=info))

    def _drain(self) -> None:
        assert self._socket is not None
        deadline = time.monotonic() + LONGEST_S
        while select.select([self._socket], [], [], QUIET_S)[0] and time.monotonic() < deadline:
            self._read_all(self._socket)
        self._refuse_losses(self._socket)

    def _read_all(self, tap: socket.socket) -> None:
        while True:
            try:
                data, address = tap.recvfrom(SNAP, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:  # ENETDOWN: told once when an interface goes
                continue
            nic, outgoing = address[0], address[2] == socket.PACKET_OUTGOING
            if not self._nics or nic in self._nics:
                self._frames.append(self.frame(nic, outgoing, data))

    def frame(self, nic: str, outgoing: bool, data: bytes) -> Frame:
        """Return what is kept of a frame."""
        return Frame(nic, outgoing, *parse(data))

    @staticmethod
    def _refuse_losses(tap: socket.socket) -> None:
        _, drops = struct.unpack("II", tap.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        if drops:
            raise BufferError(f"the tap lost {drops} frames")
