# SPDX-License-Identifier: GPL-2.0-or-later
"""Answer Prometheus on `metrics = ADDRESS:PORT`: a few clients at once, none of whom is waited for.

Each is asked and answered as its socket allows, within a few seconds or not at all. An address that cannot be had
is said once and tried again; the daemon goes on without.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from vzhooks.daemon import exposing
from vzhooks.daemon.happenings import READ, Board, Happening
from vzhooks.daemon.part import Part
from vzhooks.errors import HostError, VzhooksError
from vzhooks.node import log
from vzhooks.status.metrics import Family

MOST, BACKLOG = 16, 16
LONGEST_REQUEST = 8192
CLIENT_S, RETRY_S, AGAIN_S = 5.0, 30.0, 0.05
"""How long a client may take; when an address is tried again; when one that reads slowly gets more."""
END = b"\r\n\r\n"


@dataclass
class _Client:
    """Hold one that asks, or that has not taken all of its answer yet; until: then it is let go (monotonic)."""

    line: socket.socket
    until: float
    asked: bytes = b""
    answer: memoryview = field(default_factory=lambda: memoryview(b""))


class Scraping(Part):
    """Hold the socket and its clients; `measure` returns the numbers there are."""

    def __init__(self, board: Board, measure: Callable[[], Sequence[Family]]) -> None:
        self._measure = measure
        self._place: tuple[str, int] | None = None
        self._door: socket.socket | None = None
        self._clients: dict[int, _Client] = {}
        self._retry: float | None = None
        self._said = ""
        board.listen(self._hear)

    def _hear(self, happening: Happening) -> None:
        if happening.kind == READ and happening.report and happening.report.settings.metrics != self._place:
            self._shut()
            self._place, self._said = happening.report.settings.metrics, ""
            self._open()

    def _open(self) -> None:
        """Listen where the ini says; where that cannot be, say so once and try again later."""
        self._retry = None
        if not self._place:
            return
        address, port = self._place
        try:
            exposing.require()
            self._door = _listening(address, port)
        except (HostError, OSError) as error:
            why = _why(error) if isinstance(error, OSError) else str(error)
            line = f"[node] metrics = {f'[{address}]' if ':' in address else address}:{port}: {why}"
            if line != self._said:
                log.say(f"daemon: {line}", log.ERROR)
            self._said, self._retry = line, time.monotonic() + RETRY_S

    def _shut(self) -> None:
        for client in list(self._clients.values()):
            self._let_go(client)
        if self._door:
            self._door.close()
            self._door = None

    def fds(self) -> Iterable[int]:
        """Return who may ask: new ones only while there is room."""
        door = [self._door.fileno()] if self._door and len(self._clients) < MOST else []
        return [*door, *(fd for fd, client in self._clients.items() if not client.answer)]

    def due(self) -> float | None:
        """Return when one has taken too long, one that reads slowly gets more, or the address is tried again."""
        now = time.monotonic()
        times = [AGAIN_S if client.answer else client.until - now for client in self._clients.values()]
        times += [self._retry - now] if self._retry is not None else []
        return min(times, default=None)

    def run(self, ready: frozenset[int]) -> None:
        """Take in, read, answer and let go."""
        if self._retry is not None and time.monotonic() >= self._retry:
            self._open()
        if self._door and self._door.fileno() in ready:
            self._take_in(self._door)
        for fd, client in list(self._clients.items()):
            if fd in ready:
                self._read(client)
            if client.answer:
                self._write(client)
            if fd in self._clients and time.monotonic() >= client.until:
                self._let_go(client)

    def _take_in(self, door: socket.socket) -> None:
        with suppress(OSError):  # one that went away before it was taken in
            line, _ = door.accept()
            line.setblocking(False)
            self._clients[line.fileno()] = _Client(line, time.monotonic() + CLIENT_S)

    def _let_go(self, client: _Client) -> None:
        self._clients.pop(client.line.fileno(), None)
        client.line.close()

    def _read(self, client: _Client) -> None:
        try:
            data = client.line.recv(LONGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        client.asked += data
        if END in client.asked or (data and len(client.asked) >= LONGEST_REQUEST):
            client.answer = memoryview(self._answer(client.asked))
        elif not data:
            self._let_go(client)

    def _write(self, client: _Client) -> None:
        try:
            client.answer = client.answer[client.line.send(client.answer):]
        except BlockingIOError:
            return
        except OSError:
            client.answer = client.answer[:0]
        if not client.answer:
            with suppress(OSError):
                client.line.shutdown(socket.SHUT_WR)
            self._let_go(client)

    def _answer(self, asked: bytes) -> bytes:
        """Return the answer to a request, whatever it is (RFC 9110)."""
        head, *fields = asked.partition(END)[0].decode("latin-1").split("\r\n")
        method, _, rest = head.partition(" ")
        if END not in asked or method not in ("GET", "HEAD"):
            return _response("400 Bad Request" if END not in asked else "405 Method Not Allowed", "only GET\n")
        if rest.partition(" ")[0].partition("?")[0] not in ("/", "/metrics"):
            return _response("404 Not Found", "see /metrics\n")
        accept = next((f.partition(":")[2].strip() for f in fields if f.lower().startswith("accept:")), "")
        try:
            body, kind = exposing.exposition(self._measure(), accept)
        except VzhooksError as error:
            return _response("503 Service Unavailable", f"{error}\n")
        return _response("200 OK", "" if method == "HEAD" else body, kind)

    def close(self) -> None:
        """Let go of all."""
        self._shut()


def _why(error: OSError) -> str:
    if error.errno in (errno.EAFNOSUPPORT, errno.EPERM, errno.EACCES):  # as the unit's sandbox answers
        return f"cannot be had ({error.strerror}); run `vzhooks install`, by which the daemon's unit lets it listen"
    return f"cannot be had ({error.strerror}); free or correct it"


def _response(status: str, body: str | bytes, kind: str = "text/plain; charset=utf-8") -> bytes:
    data = body.encode() if isinstance(body, str) else body
    return (f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n"
            "Connection: close\r\n\r\n").encode() + data


def _listening(address: str, port: int) -> socket.socket:
    """Return a socket that listens; raises OSError where the address is not here or is taken."""
    door = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        door.setblocking(False)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in address:
            door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        door.bind((address, port))
        door.listen(BACKLOG)
    except OSError:
        door.close()
        raise
    return door
