# SPDX-License-Identifier: GPL-2.0-or-later
"""Serve hooks and commands over the socket: each client has little time, and none can hold up another for long."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Iterator

from vzhooks.daemon.answering import COMMAND, EVENTS, Answering
from vzhooks.daemon.client import Client
from vzhooks.daemon.listening import is_handed
from vzhooks.daemon.means import Later
from vzhooks.daemon.part import Part
from vzhooks.node import host
from vzhooks.node.host import Paths

ASK_S = 1.0
"""How long a client may take to say what it wants."""
PATIENCE_S = 5.0
"""How long hooks wait here for the lock, before their clients wait for it by themselves."""
RETRY_S = 0.01
END_S = 10.0
"""How long commands may take to end when the daemon does: less than systemd gives it (conf/vzhooks.service)."""
MOST_CLIENTS, MOST_CHILDREN = 1000, 16
AT_ONCE = 64


class Server(Part):
    """Hold the socket and the clients."""

    def __init__(self, paths: Paths, listener: socket.socket, answering: Answering, version: str) -> None:
        self.paths, self.listener, self.answering, self.version = paths, listener, answering, version
        self._clients: dict[int, Client] = {}
        self._hooks: list[Client] = []
        self._turn = 0.0  # when the next hook's work may begin
        self._blocked: float | None = None  # since when another vzhooks is at work

    def fds(self) -> Iterable[int]:
        """Return the socket, while there is room, and all clients'."""
        return [*([self.listener.fileno()] if len(self._clients) < MOST_CLIENTS else []), *self._clients]

    def due(self) -> float | None:
        """Return when a client has taken too long, or a hook's turn comes again."""
        silent = [ASK_S - c.age_s for c in self._clients.values() if not c.asked]
        return min([*silent, *([self._turn - time.monotonic()] if self._hooks else [])], default=None)

    def run(self, ready: frozenset[int]) -> None:
        """Take in who came and what they ask, then do one hook's work."""
        if self.listener.fileno() in ready:
            for client in self._accepted():
                self._read(client)
        for fd in ready.intersection(self._clients):
            self._read(self._clients[fd])
        for client in [c for c in self._clients.values() if not c.asked and c.age_s >= ASK_S]:
            self._drop(client)
        self._next_hook()

    def _accepted(self) -> Iterator[Client]:
        for _ in range(AT_ONCE):
            try:
                line, _ = self.listener.accept()
            except OSError:  # none left, or one that went away; no descriptors: they come again
                return
            line.setblocking(False)
            client = Client(line)
            self._clients[line.fileno()] = client
            if client.is_root():
                yield client
            else:
                self._drop(client)

    def _read(self, client: Client) -> None:
        had = client.asked
        if not client.read():
            self._drop(client)
        elif client.asked and not had:
            self._sort(client)

    def _sort(self, client: Client) -> None:
        """See to a request: a hook waits for its turn, a command begins."""
        asked = client.asked
        assert asked
        if asked.version != self.version:
            self._send_away(client)
        elif asked.verb in EVENTS and client.begin():
            self._hooks.append(client)
        elif asked.verb == "hello" and client.begin():
            client.done(0, self.answering.hello().encode())
            self._drop(client)
        elif asked.verb == COMMAND and len(client.outputs) == 2 and self._children() < MOST_CHILDREN:
            self._start(client)
        else:
            self._send_away(client)

    def _children(self) -> int:
        return sum(bool(c.child) for c in self._clients.values())

    def _start(self, client: Client) -> None:
        assert client.asked
        if client.begin():
            try:
                client.child = self.answering.start(client.asked, client.outputs, client.line)
                client.release()
            except OSError:
                self._send_away(client)
        else:
            self._drop(client)

    def _next_hook(self) -> None:
        """Do one hook's work, the oldest's first, where nobody else is at work; else have it come again."""
        self._hooks = [c for c in self._hooks if c.line.fileno() in self._clients]
        if not self._hooks:
            return
        if host.is_free(self.paths.lock) and self._do(self._hooks[0]):
            self._blocked = None
            return
        now = time.monotonic()
        self._turn, self._blocked = now + RETRY_S, self._blocked or now
        if now - self._blocked > PATIENCE_S:
            self._send_away(self._hooks.pop(0))

    def _do(self, client: Client) -> bool:
        """Do one hook's work; tell whether that could be now."""
        assert client.asked
        try:
            client.done(*self.answering.hook(client.asked))
            self._drop(self._hooks.pop(0))
            return True
        except Later:
            return False
        except Exception:
            self._send_away(self._hooks.pop(0))
            raise

    def reap(self) -> None:
        """Take the ends of children, and tell their clients."""
        while True:
            try:
                child, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not child:
                return
            for client in [c for c in self._clients.values() if c.child == child]:
                client.child = 0
                code = os.waitstatus_to_exitcode(status)
                client.done(code if code >= 0 else 128 - code)
                self._drop(client)

    def _finish(self) -> None:
        """Have commands end in order, as by Ctrl-C, and tell their clients how; one that takes long is left alone."""
        for client in self._clients.values():
            client.interrupt()
        deadline = time.monotonic() + END_S
        while self._children() and time.monotonic() < deadline:
            time.sleep(RETRY_S)
            self.reap()
        for client in list(self._clients.values()):
            self._drop(client)

    def is_busy(self) -> bool:
        """Tell whether hooks wait for their turn."""
        return bool(self._hooks)

    def _send_away(self, client: Client) -> None:
        client.alone()
        self._drop(client)

    def _drop(self, client: Client) -> None:
        self._clients.pop(client.line.fileno(), None)
        client.close()

    def close(self) -> None:
        """Hear no more clients; a socket of our own goes, so that the next one costs no wait."""
        for client in [c for c in self._clients.values() if not c.child]:
            self._send_away(client)
        self._finish()
        if not is_handed(self.listener):
            self.listener.close()
