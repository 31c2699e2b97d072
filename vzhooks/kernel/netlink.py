# SPDX-License-Identifier: GPL-2.0-or-later
"""Talk rtnetlink: read facts and what is ours, apply one op at a time. `dump` reads what there is much of.

Importing pyroute2 costs about 150 ms: import this module only where the kernel is really asked.
"""

from __future__ import annotations

import errno
import importlib
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Callable

from vzhooks.config.settings import DEVICE
from vzhooks.errors import HostError, KernelError, Refused
from vzhooks.kernel import lean, nft, plain
from vzhooks.kernel.dump import dump
from vzhooks.kernel.messages import (
    FAMILIES,
    name_of,
    nics_of,
    other_request,
    protocol_of,
    route_request,
    routes_of,
    rule_of,
    rule_request,
)
from vzhooks.model import MAIN, PROTOCOL, Item, Nic, Proxy, Route, Rule
from vzhooks.policy.facts import Facts
from vzhooks.policy.foreign import Other, other_of
from vzhooks.policy.markers import Marker
from vzhooks.policy.plan import ADD, DELETE, Op
from vzhooks.policy.wanting import is_ours

IPRoute: Any = lean.iproute()
NetlinkError = importlib.import_module("pyroute2.netlink.exceptions").NetlinkError
IPRSocket: Any = importlib.import_module("pyroute2.netlink.rtnl.iprsocket").IPRSocket  # for arrival
_RTMSG: Any = importlib.import_module("pyroute2.netlink.rtnl.rtmsg").rtmsg
_FIBMSG: Any = importlib.import_module("pyroute2.netlink.rtnl.fibmsg").fibmsg

NLM_F_DUMP_INTR = 0x10  # include/uapi/linux/netlink.h
RTM_GETROUTE, RTM_GETNEIGH, RTM_GETRULE = 26, 30, 34  # include/uapi/linux/rtnetlink.h
# A rule dump resumes by index, so beyond one 32 KB buffer (about 450 rules) it can miss rules while
# others are deleted, and the kernel does not flag it: such a dump counts only when it repeats.
ONE_BUFFER = 400
TRIES = 5


class Kernel:
    """Hold one rtnetlink socket of this network namespace; use as a context manager."""

    def __init__(self) -> None:
        try:
            self._ip = open_socket()
        except OSError as error:
            raise HostError(f"netlink: {error.strerror}; run as root on Linux 4.18 or later") from None
        # With ipv6.disable=1 the kernel answers an IPv6 dump with the rules and routes of all others.
        self._families = {f: af for f, af in FAMILIES.items() if f == 4 or os.path.exists("/proc/sys/net/ipv6")}
        self.names: dict[int, str] = {}
        self._indexes: dict[str, int] = {}

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self._ip.close()

    def facts(self) -> Facts:
        """Return the devices, without their roles, and main's routes, but for those of each link alone."""
        return self._facts(self._nics(), self._main())  # in this order: routes are told by the names found

    def _facts(self, nics: Iterable[Nic], main: tuple[Route, ...]) -> Facts:
        # What nft(8) cannot name is no device of vzctl's and no way of ours.
        named = {n.name: n for n in nics if DEVICE.fullmatch(n.name)}
        return Facts(named, main, families=tuple(self._families))

    def _main(self) -> tuple[Route, ...]:
        return tuple(r for f in self._families for r in self._routes(f, MAIN) if not r.dst.startswith("fe80:"))

    def know(self, nics: Iterable[Nic]) -> None:
        """Take devices for known that were read before, so that answers can name them."""
        self.names = {n.index: n.name for n in nics}

    def _nics(self) -> list[Nic]:
        links = _whole(lambda: list(self._ip.get_links()), "links")
        addresses = _whole(lambda: list(self._ip.get_addr()), "addresses")
        self.names = {m["index"]: name_of(m) for m in links}
        self._indexes = {name: index for index, name in self.names.items()}
        return nics_of(links, addresses)

    def rules(self) -> tuple[frozenset[Rule], tuple[Other, ...]]:
        """Return our rules, and those of all others in the order the kernel takes them."""
        ours, others = set(), []
        for family, af in self._families.items():
            for message in self._dump_rules(af):
                priority, protocol, rule = plain.rule(message)
                if is_ours(priority, protocol_of({"FRA_PROTOCOL": protocol})):
                    ours.add(rule or rule_of(_decoded(_FIBMSG, message), family))
                else:
                    others.append(other_of(_decoded(_FIBMSG, message), family))
        return frozenset(ours), tuple(others)

    def _dump_rules(self, af: int) -> list[bytes]:
        seen = None
        for _ in range(TRIES):
            messages = dump(socket.NETLINK_ROUTE, RTM_GETRULE, struct.pack("=B11x", af), "rules")
            if len(messages) <= ONE_BUFFER:
                return messages
            now = [m[plain.HEADER:] for m in messages]
            if now == seen:
                return messages
            seen = now
        raise KernelError("rules: change faster than they can be read; nothing was changed, try again")

    def routes(self) -> frozenset[Route]:
        """Return our routes, in whatever table they are."""
        return frozenset(r for f in self._families for r in self._routes(f, protocol=PROTOCOL) if r.table != MAIN)

    def guard(self) -> frozenset[Item]:
        """Return what is in our tables of nftables; raises as `nft.found`."""
        return nft.found()

    def load(self, text: str, ops: Iterable[Op]) -> None:
        """Carry out ops of the guard, given as the nft(8) transaction that they are; raises as `nft.load`."""
        nft.load(text)

    def markers(self) -> tuple[Marker, ...]:
        """Return what others have in nftables to do with marks; raises KernelError."""
        from vzhooks.kernel import ruleset  # no hook that looks at one VE alone needs it
        return ruleset.markers()

    def tables(self, numbers: Iterable[int]) -> dict[int, tuple[Route, ...]]:
        """Return what stands in tables, whoever made it."""
        return {n: self.table(n) for n in numbers}

    def proxies(self, wanted: Iterable[Item]) -> frozenset[Proxy]:
        """Return the published addresses that carry our mark, and those wanted whoever published them.

        neighbour.c keeps a protocol for proxy entries since Linux 5.0; vzctl removes its own at stop.
        """
        return frozenset(p for p, mark in self._published().items() if mark == PROTOCOL or p in wanted)

    def _published(self) -> dict[Proxy, int]:
        """Return every published address, and who marked it."""
        found = (plain.proxy(m, self.names) for af in self._families.values() for m in self._dump_published(af))
        return dict(filter(None, found))

    def _dump_published(self, af: int) -> list[bytes]:
        ask = struct.pack("=BxxxiHBB", af, 0, 0, plain.NTF_PROXY, 0)
        return dump(socket.NETLINK_ROUTE, RTM_GETNEIGH, ask, "published addresses")

    def stranger(self, table: int) -> str:
        """Return what others have in a table, "" for nothing."""
        for family in self._families:
            for message in self._dump_routes(family, table):
                if plain.head(message).protocol != PROTOCOL and plain.table_of(message) == table:
                    m = _decoded(_RTMSG, message)
                    dst = f"{m.get('RTA_DST')}/{m['dst_len']}" if m["dst_len"] else "default"
                    return f"table {table} holds another's route to {dst}; choose a free table"
        return ""

    def table(self, number: int) -> tuple[Route, ...]:
        """Return all routes of a table, whoever made them."""
        return tuple(r for f in self._families for r in self._routes(f, number))

    def drop(self, rule: Other) -> None:
        """Delete this very rule of somebody else; one that is gone counts as done. Raises KernelError."""
        try:
            self._ip.rule("del", **other_request(rule))
        except (NetlinkError, OSError) as error:
            if errno_of(error) != errno.ENOENT:
                raise KernelError(os.strerror(errno_of(error))) from None

    def ask(self, what: str, **fields: Any) -> Any:
        """Return the kernel's answer about one route or neighbour; raises Refused."""
        try:
            return getattr(self._ip, what)("get", **fields)[0]
        except (NetlinkError, OSError) as error:
            raise Refused(os.strerror(errno_of(error))) from None

    def _routes(self, family: int, table: int = 0, protocol: int = 0) -> Iterator[Route]:
        """Return the routes of a table or a protocol; an older kernel sends all, hence the second look."""
        for message in self._dump_routes(family, table, protocol):
            route = plain.route(message, self.names)
            if protocol in (0, plain.head(message).protocol):
                found = [route] if route else routes_of(_decoded(_RTMSG, message), family, self.names)
                yield from (r for r in found if table in (0, r.table))

    def _dump_routes(self, family: int, table: int = 0, protocol: int = 0) -> Iterator[bytes]:
        ask = struct.pack("=B4xB6x", self._families[family], protocol)
        ask += struct.pack("=HHI", 8, plain.RTA_TABLE, table) if table else b""
        found = dump(socket.NETLINK_ROUTE, RTM_GETROUTE, ask, "routes")
        return (m for m in found if not plain.head(m).flags & plain.RTM_F_CLONED)

    def apply(self, op: Op, mark: int = PROTOCOL) -> None:
        """Carry out one op on a rule, route or proxy neighbour.

        One that is there (gone) already when it is to be added (deleted) counts as done.
        Raises KernelError with the kernel's words.
        """
        try:
            if isinstance(op.item, Proxy):
                self._apply_proxy(op.verb, op.item, mark)
            elif isinstance(op.item, Rule):
                self._ip.rule("del" if op.verb == DELETE else "add", **rule_request(op.item))
            else:
                assert isinstance(op.item, Route)
                self._apply_route(op.verb, op.item)
        except (NetlinkError, OSError) as error:
            if not _is_done(op, errno_of(error)):
                raise KernelError(os.strerror(errno_of(error))) from None

    def _apply_proxy(self, verb: str, proxy: Proxy, mark: int) -> None:
        self._ip.neigh("del" if verb == DELETE else "add", family=FAMILIES[proxy.family], dst=proxy.address,
                       ifindex=self._index(proxy.dev), flags=plain.NTF_PROXY, protocol=mark)

    def disown(self, proxies: Iterable[Proxy]) -> None:
        """Take our mark off published addresses: each is made anew, since neighbour.c only ever replaces a mark."""
        for proxy in proxies:
            self.apply(Op(DELETE, proxy))
            self.apply(Op(ADD, proxy), 0)

    def _index(self, dev: str) -> int:
        if dev not in self._indexes:
            raise OSError(errno.ENODEV, "no device")
        return self._indexes[dev]

    def _apply_route(self, verb: str, route: Route) -> None:
        index = self._index(route.dev) if route.dev else 0
        self._ip.route({ADD: "add", DELETE: "del"}.get(verb, "replace"), **route_request(route, index))


def open_socket() -> Any:
    """Return an open socket for questions and changes; raises OSError."""
    try:
        return IPRoute(strict_check=True)
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:  # NETLINK_GET_STRICT_CHK came with Linux 4.20
            raise
        return IPRoute()


def _whole(dump: Callable[[], list], what: str) -> list:
    """Return a dump that was not cut short; pyroute2 0.9 does not look at the flag itself."""
    for _ in range(TRIES):
        try:
            messages = dump()
        except (NetlinkError, OSError) as error:
            raise KernelError(f"{what}: cannot be read ({os.strerror(errno_of(error))}); nothing was changed") from None
        if not any(m["header"]["flags"] & NLM_F_DUMP_INTR for m in messages):
            return messages
    raise KernelError(f"{what}: change faster than they can be read; nothing was changed, try again")


def _decoded(kind: Any, message: bytes) -> Any:
    """Return a message as pyroute2 has it."""
    found = kind(message)
    found.decode()
    return found


def errno_of(error: Exception) -> int:
    """Return the errno that a refusal of the kernel stands for."""
    return getattr(error, "code", None) or getattr(error, "errno", None) or errno.EIO


def _is_done(op: Op, code: int) -> bool:
    if op.verb == DELETE:
        return code in (errno.ENOENT, errno.ESRCH, errno.ENODEV)
    # A route's EEXIST can mean another gateway under the same key; the next read will tell.
    return code == errno.EEXIST and isinstance(op.item, Rule)
