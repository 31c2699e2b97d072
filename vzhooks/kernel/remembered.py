# SPDX-License-Identifier: GPL-2.0-or-later
"""Remember what was read of the kernel until it tells of a change: for a process that stays.

What is remembered of rtnetlink falls with the first event of its kind, whoever made it but ourselves; our own changes
are followed. A change of links or addresses takes routes along without a word (net/ipv4/fib_frontend.c), so it counts
for these as well. nftables numbers its states, and only a number that we know is trusted. Published addresses tell no
events at all: they are read each time.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Callable

from vzhooks.kernel.monitor import Generation, Monitor
from vzhooks.kernel.netlink import Kernel, open_socket
from vzhooks.kernel.told import ADDRESSES, GUARD, LINKS, LOST, ROUTES, RULES, Told
from vzhooks.model import MAIN, PROTOCOL, Element, Item, Nic, Route, Rule
from vzhooks.policy.foreign import Other
from vzhooks.policy.plan import ADD, DELETE, Op

NICS, OURS = "nics", "ours"
FALLS = {LINKS: (NICS, MAIN, OURS), ADDRESSES: (NICS, MAIN, OURS), RULES: (RULES,),
         LOST: (NICS, MAIN, OURS, RULES, GUARD), GUARD: ()}
"""What must be read anew after an event of each kind."""


class Remembered(Kernel):
    """Hold what was read, and whom to tell of changes that others made."""

    def __init__(self) -> None:
        super().__init__()
        self._monitor, self._generation = Monitor(), Generation()
        self._hear: Callable[[Told], None] = lambda told: None
        self._known: dict[Any, Any] = {}
        self._guard_state = 0
        self._made: set[int] = set()

    def close(self) -> None:
        """Let go of all sockets."""
        super().__exit__()
        self._monitor.close()
        self._generation.close()

    def listen(self, hear: Callable[[Told], None]) -> None:
        """Tell this one of each change that others made."""
        self._hear = hear

    def fds(self) -> list[int]:
        """Return the descriptors that can be read when something changed."""
        return self._monitor.fds()

    def forget(self) -> None:
        """Read everything anew from here on."""
        self._known.clear()

    def renew(self) -> None:
        """Open the socket for questions anew, after an error that may have left it useless (pyroute2 and ENOBUFS)."""
        with suppress(Exception):
            super().__exit__()
        self._ip = open_socket()
        self.forget()

    def catch_up(self) -> None:
        """Take in what changed since the last time, and pass on what others did."""
        for told in self._monitor.read():
            ours = told.generation in self._made if told.what == GUARD else told.sender == self._port()
            self._made.discard(told.generation)
            if not ours:
                for what in _falls(told):
                    self._known.pop(what, None)
                self._hear(told)

    def _port(self) -> int:
        port: int = self._ip.asyncore.socket.getsockname()[0]
        return port or -1

    def _kept(self, what: object, read: Callable[[], Any]) -> Any:
        self.catch_up()
        if what not in self._known:
            self._known[what] = read()
        return self._known[what]

    def _nics(self) -> list[Nic]:
        found: list[Nic] = self._kept(NICS, super()._nics)
        return found

    def _main(self) -> tuple[Route, ...]:
        found: tuple[Route, ...] = self._kept(MAIN, super()._main)
        return found

    def rules(self) -> tuple[frozenset[Rule], tuple[Other, ...]]:
        """Return our rules and those of all others, as `Kernel.rules`."""
        ours, others = self._kept(RULES, self._read_rules)
        return frozenset(ours), others

    def _read_rules(self) -> tuple[set[Rule], tuple[Other, ...]]:
        ours, others = super().rules()
        return set(ours), others

    def routes(self) -> frozenset[Route]:
        """Return our routes, as `Kernel.routes`."""
        found: frozenset[Route] = self._kept(OURS, super().routes)
        return found

    def guard(self) -> frozenset[Item]:
        """Return what is in our tables of nftables, as `Kernel.guard`."""
        state = self._generation.now()
        if state != self._guard_state or GUARD not in self._known:
            self._known[GUARD] = set(super().guard())
            self._guard_state = state if state == self._generation.now() else 0
        return frozenset(self._known[GUARD])

    def apply(self, op: Op, mark: int = PROTOCOL) -> None:
        """Carry out one op, as `Kernel.apply`, and remember it; raises as that does."""
        try:
            super().apply(op, mark)
        except Exception:
            self.forget()
            raise
        if isinstance(op.item, Route):
            self._known.pop(OURS, None)
        elif isinstance(op.item, Rule) and RULES in self._known:
            ours = self._known[RULES][0]
            ours.discard(op.item) if op.verb == DELETE else ours.add(op.item)

    def load(self, text: str, ops: Iterable[Op]) -> None:
        """Carry out changes of the guard, as `Kernel.load`, and remember them where nobody else made any meanwhile."""
        before = self._generation.now()
        try:
            super().load(text, ops)
        finally:
            after = self._generation.now()
            alone = before == self._guard_state and after == before + 1 and GUARD in self._known
            if not (alone and _follow(self._known[GUARD], ops)):
                self._known.pop(GUARD, None)
            self._guard_state = after
            self._made.update([after] if after == before + 1 else ())


def _falls(told: Told) -> tuple[object, ...]:
    if told.what == ROUTES:
        return (MAIN,) if told.table == MAIN else (OURS,) if told.protocol == PROTOCOL else ()
    return FALLS[told.what]


def _follow(found: set[Item], ops: Iterable[Op]) -> bool:
    """Change what was found as ops did; tell whether that is so simple."""
    for op in ops:
        if op.verb not in (ADD, DELETE) or not isinstance(op.item, Element):
            return False
        found.discard(op.item) if op.verb == DELETE else found.add(op.item)
    return True
