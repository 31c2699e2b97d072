# SPDX-License-Identifier: GPL-2.0-or-later
"""Remember what was read of the kernel until it tells of a change: for a process that stays.

What is remembered of rtnetlink falls with the first event of its kind, whoever made it but ourselves; our own changes
are followed. A change of links or addresses takes routes along without a word (net/ipv4/fib_frontend.c), so it counts
for these as well. nftables numbers its states, and only a number that we know is trusted. Published addresses tell no
events at all: who mends the whole node has them read anew.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable
from contextlib import suppress
from typing import Any, Callable, cast

from vzhooks.addresses import host_prefix
from vzhooks.kernel import elements
from vzhooks.kernel.items import Items, Main
from vzhooks.kernel.monitor import Generation, Monitor
from vzhooks.kernel.netlink import Kernel, open_socket
from vzhooks.kernel.told import ADDRESSES, GUARD, LINKS, LOST, MARKS, ROUTES, RULES, TABLE, Told
from vzhooks.model import MAIN, PROTOCOL, Element, Item, Nic, Proxy, Route, Rule
from vzhooks.policy import guard
from vzhooks.policy.facts import Facts
from vzhooks.policy.foreign import Other
from vzhooks.policy.markers import Marker
from vzhooks.policy.plan import DELETE, REPLACE, Op, address_of, key_of

NICS, OURS, PUBLISHED = "nics", "ours", "published"
NAMED = (MAIN, OURS, PUBLISHED)
"""What names devices, as they were read last."""
FALLS = {LINKS: (NICS, MAIN, OURS, PUBLISHED), ADDRESSES: (NICS, MAIN, OURS), RULES: (RULES,),
         LOST: (NICS, MAIN, OURS, RULES, GUARD, MARKS)}
"""What must be read anew after an event of each kind."""


class Remembered(Kernel):
    """Hold what was read, and whom to tell of changes that others made."""

    def __init__(self) -> None:
        super().__init__()
        self._monitor, self._generation = Monitor(), Generation()
        self._hear: Callable[[Told], None] = lambda told: None
        self._known: dict[Any, Any] = {}
        self._guard_state, self._touched, self._ruled = 0, False, False
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

    def forget(self, what: str = "") -> None:
        """Read everything, or one kind, anew from here on."""
        if what:
            self._known.pop(what, None)
        else:
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
            if told.what == TABLE:
                self._touched = self._touched or told.named in (guard.NAME, "?")
                self._ruled = self._ruled or (told.ruled and told.named != guard.NAME)
            elif told.what == GUARD:
                self._commit(told)
            elif told.sender != self._port():
                if told.what == LOST:
                    self._touched = True
                if not self._follow(told):
                    for what in _falls(told):
                        self._known.pop(what, None)
                self._hear(told)

    def _commit(self, told: Told) -> None:
        """Take in one change of nftables: by us, of our tables, or of others' alone, which leaves ours as they were."""
        touched, ruled, self._touched, self._ruled = self._touched, self._ruled, False, False
        if told.generation in self._made:
            self._made.discard(told.generation)
        elif touched:
            self._hear(told)
        elif self._guard_state == told.generation - 1:
            self._guard_state = told.generation
        if ruled and self._known.pop(MARKS, None) is not None:
            self._hear(told._replace(what=MARKS))

    def _follow(self, told: Told) -> bool:
        """Take in one route to a single host, of which a node has as many as VEs; tell whether that could be."""
        main: Main | None = self._known.get(MAIN)
        if not told.host or told.table != MAIN or main is None or told.host[2] not in self.names:
            return False
        family, address, index, metric = told.host
        route = Route(family, MAIN, host_prefix(address), self.names[index], "", metric)
        if told.gone:
            return main.discard(route)
        main.add(route)
        return True

    def _port(self) -> int:
        port: int = self._ip.asyncore.socket.getsockname()[0]
        return port or -1

    def _kept(self, what: object, read: Callable[[], Any]) -> Any:
        self.catch_up()
        if what not in self._known:
            if what in NAMED:
                self._nics()  # one may have come since they were read
            self._known[what] = read()
        return self._known[what]

    def _nics(self) -> list[Nic]:
        found: list[Nic] = self._kept(NICS, super()._nics)
        return found

    def main(self) -> Main:
        """Return main's routes."""
        found: Main = self._kept(MAIN, lambda: Main(super(Remembered, self)._main()))
        return found

    def _main(self) -> tuple[Route, ...]:
        return self.main().all()

    def facts_near(self, addresses: Collection[str]) -> Facts:
        """Return the facts with no other host routes than to these addresses."""
        return self._facts(self._nics(), self.main().near(addresses))

    def ruling(self) -> tuple[Items, tuple[Other, ...]]:
        """Return our rules, and those of all others."""
        found: tuple[Items, tuple[Other, ...]] = self._kept(RULES, self._read_rules)
        return found

    def rules(self) -> tuple[frozenset[Rule], tuple[Other, ...]]:
        """Return our rules and those of all others, as `Kernel.rules`."""
        ours, others = self.ruling()
        return cast("frozenset[Rule]", frozenset(ours.all)), others

    def _read_rules(self) -> tuple[Items, tuple[Other, ...]]:
        ours, others = super().rules()
        return Items(ours), others

    def routes(self) -> frozenset[Route]:
        """Return our routes, as `Kernel.routes`."""
        found: frozenset[Route] = self._kept(OURS, super().routes)
        return found

    def guarding(self) -> Items:
        """Return what is in our tables of nftables."""
        self.catch_up()
        state = self._generation.now()
        if state != self._guard_state or GUARD not in self._known:
            self._known[GUARD] = Items(super().guard())
            self._guard_state = state if state == self._generation.now() else 0
        found: Items = self._known[GUARD]
        return found

    def guard(self) -> frozenset[Item]:
        """Return what is in our tables of nftables, as `Kernel.guard`."""
        return frozenset(self.guarding().all)

    def markers(self) -> tuple[Marker, ...]:
        """Return what others have in nftables to do with marks, as `Kernel.markers`."""
        found: tuple[Marker, ...] = self._kept(MARKS, super().markers)
        return found

    def _published(self) -> dict[Proxy, int]:
        return self._publishing()[1]

    def _publishing(self) -> tuple[Items, dict[Proxy, int]]:
        found: tuple[Items, dict[Proxy, int]] = self._kept(PUBLISHED, self._read_published)
        return found

    def _read_published(self) -> tuple[Items, dict[Proxy, int]]:
        marks = super()._published()
        return Items(marks), marks

    def proxies_near(self, wanted: Container[Item], addresses: Collection[str]) -> frozenset[Proxy]:
        """Return what `proxies` does of these addresses alone."""
        items, marks = self._publishing()
        near = cast("frozenset[Proxy]", items.near(addresses))
        return frozenset(p for p in near if marks[p] == PROTOCOL or p in wanted)

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
        elif isinstance(op.item, Proxy) and PUBLISHED in self._known:
            items, marks = self._known[PUBLISHED]
            items.discard(op.item) if op.verb == DELETE else items.add(op.item)
            marks[op.item] = mark

    def load(self, text: str, ops: Iterable[Op]) -> None:
        """Carry out changes of the guard, as `Kernel.load`, and remember them where nobody else made any meanwhile."""
        self.catch_up()
        before = self._generation.now()
        try:
            if not elements.change(self._generation.line, tuple(ops), self._generation.number()):
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


def _follow(found: Items, ops: Iterable[Op]) -> bool:
    """Change what was found as ops did; tell whether that is so simple."""
    for op in ops:
        if not isinstance(op.item, Element):
            return False
        for former in found.near([address_of(op.item)]) if op.verb == REPLACE else ():
            if key_of(former) == key_of(op.item):
                found.discard(former)
        found.discard(op.item) if op.verb == DELETE else found.add(op.item)
    return True
