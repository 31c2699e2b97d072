# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold items by the VE address that they serve, so that what concerns one VE is found without looking at all. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from vzhooks.addresses import host_prefix
from vzhooks.model import Item, Route
from vzhooks.policy.plan import address_of


class Items:
    """Hold a set of items that changes."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.all: set[Item] = set()
        self._by: dict[str, set[Item]] = {"": set()}
        for item in items:
            self.add(item)

    def add(self, item: Item) -> None:
        """Put an item in."""
        self.all.add(item)
        self._by.setdefault(address_of(item), set()).add(item)

    def discard(self, item: Item) -> None:
        """Take an item out, if it is in."""
        self.all.discard(item)
        self._by.get(address_of(item), set()).discard(item)

    def near(self, addresses: Collection[str]) -> frozenset[Item]:
        """Return the items of the node itself, and those that serve these addresses."""
        return frozenset().union(self._by[""], *(self._by.get(a, ()) for a in addresses))


class Main:
    """Hold main's routes that change: those to single hosts by their address."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._rest: list[Route] = []
        self._hosts: dict[str, tuple[Route, ...]] = {}
        for route in routes:
            self.add(route)

    def add(self, route: Route) -> None:
        """Put a route in."""
        address = route.dst.partition("/")[0]
        if route.dst != host_prefix(address):
            self._rest.append(route)
        elif route not in self._hosts.get(address, ()):
            self._hosts[address] = (*self._hosts.get(address, ()), route)

    def discard(self, route: Route) -> bool:
        """Take a route to a single host out; tell whether it was in."""
        address = route.dst.partition("/")[0]
        left = tuple(r for r in self._hosts.get(address, ()) if r != route)
        was = len(left) < len(self._hosts.get(address, ()))
        self._hosts[address] = left
        if not left:
            del self._hosts[address]
        return was

    def all(self) -> tuple[Route, ...]:
        """Return all routes."""
        return (*self._rest, *(r for routes in self._hosts.values() for r in routes))

    def near(self, addresses: Iterable[str]) -> tuple[Route, ...]:
        """Return all routes but those to other single hosts than these."""
        return (*self._rest, *(r for a in addresses for r in self._hosts.get(a, ())))
