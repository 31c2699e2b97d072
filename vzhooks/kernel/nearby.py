# SPDX-License-Identifier: GPL-2.0-or-later
"""Read of the kernel what concerns some addresses and the node itself, as if there were no more.

The kernel gives away ten thousand of its messages in some milliseconds; what takes time is to make values of them. So
each dump is whole, and of what is in it only those messages become values that have one of the addresses in them.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterator

from vzhooks.addresses import family_of
from vzhooks.kernel import nft, plain
from vzhooks.kernel.messages import FAMILIES
from vzhooks.kernel.netlink import Kernel
from vzhooks.model import MAIN, PROTOCOL, Item, Route
from vzhooks.policy.priorities import ENTER, FROM_VE, NEAR, NOWHERE, TO_VE

_OURS = struct.pack("=HHB", 5, plain.FRA_PROTOCOL, PROTOCOL)
SERVING = (ENTER, TO_VE, FROM_VE, NOWHERE, NEAR)
_SERVE = tuple(struct.pack("=HHI", 8, plain.FRA_PRIORITY, p) for p in SERVING)
"""The priorities of rules that serve a VE's address each, as `plan.address_of` tells; more than needed may be read."""
FEW = 64
"""Each message is looked through for so many addresses."""


class Nearby(Kernel):
    """Hold the addresses; what is changed is changed as by `Kernel`."""

    def __init__(self, addresses: Collection[str]) -> None:
        super().__init__()
        self.addresses = frozenset(addresses)
        self._raw = tuple(socket.inet_pton(FAMILIES[family_of(a)], a) for a in self.addresses)

    def _concerns(self, message: bytes) -> bool:
        return any(raw in message for raw in self._raw)

    def _main(self) -> tuple[Route, ...]:
        return tuple(r for r in super()._main() if self._is_near(r))

    def _is_near(self, route: Route) -> bool:
        """Tell whether a route is to one of the addresses, or to no single host."""
        address, _, length = route.dst.partition("/")
        return address in self.addresses or length != ("128" if route.family == 6 else "32")

    def _dump_routes(self, family: int, table: int = 0, protocol: int = 0) -> Iterator[bytes]:
        bits = 32 if family == 4 else 128
        return (m for m in super()._dump_routes(family, table, protocol)
                if table != MAIN or m[plain.HEADER + 1] != bits or self._concerns(m))

    def _dump_rules(self, af: int) -> list[bytes]:
        bits = 32 if af == socket.AF_INET else 128
        return [m for m in super()._dump_rules(af) if bits not in m[plain.HEADER + 1:plain.HEADER + 3]
                or self._concerns(m) or _OURS not in m or not any(p in m for p in _SERVE)]

    def _dump_published(self, af: int) -> list[bytes]:
        return [m for m in super()._dump_published(af) if self._concerns(m)]

    def guard(self) -> frozenset[Item]:
        """Return what the guard holds of these addresses and of the node; raises as `nft.found`."""
        return nft.found(self.addresses)


def near_to(addresses: Collection[str]) -> Kernel:
    """Open the kernel for a look at these addresses, at all where they are many; raises HostError."""
    return Nearby(addresses) if len(addresses) <= FEW else Kernel()
