# SPDX-License-Identifier: GPL-2.0-or-later
"""Show of the kernel what concerns some addresses and the node itself, as if there were no more."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, cast

from vzhooks.kernel.remembered import Remembered
from vzhooks.model import Item, Proxy, Rule
from vzhooks.policy.facts import Facts
from vzhooks.policy.foreign import Other


class NearKernel:
    """Hold the addresses; all else is done by the kernel that is remembered."""

    def __init__(self, kernel: Remembered, addresses: frozenset[str]) -> None:
        self._kernel, self._addresses = kernel, addresses

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kernel, name)

    def facts(self) -> Facts:
        """Return the facts with no other host routes than to these addresses."""
        return self._kernel.facts_near(self._addresses)

    def rules(self) -> tuple[frozenset[Rule], tuple[Other, ...]]:
        """Return our rules for these addresses and for the node, and those of all others."""
        ours, others = self._kernel.ruling()
        return cast("frozenset[Rule]", ours.near(self._addresses)), others

    def guard(self) -> frozenset[Item]:
        """Return what the guard holds of these addresses and of the node."""
        return self._kernel.guarding().near(self._addresses)

    def proxies(self, wanted: Container[Item]) -> frozenset[Proxy]:
        """Return what is published of these addresses."""
        return self._kernel.proxies_near(wanted, self._addresses)
