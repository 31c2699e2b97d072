# SPDX-License-Identifier: GPL-2.0-or-later
"""The only file that talks netlink. Reads facts and what is ours; applies one op at a time.

Importing pyroute2 costs about 150 ms: import this module only where the kernel is really asked.
"""

from __future__ import annotations

import errno
import importlib
import ipaddress
import os
from collections.abc import Iterable, Mapping
from typing import Any, Callable

from vzhooks import lean
from vzhooks.errors import HostError, KernelError
from vzhooks.messages import (
    FAMILIES,
    gateways_of,
    local_of,
    nics_of,
    protocol_of,
    route_request,
    rule_of,
    rule_request,
    table_of,
)
from vzhooks.model import MAIN, PROTOCOL, Item, Lookup, Nic, Proxy, Route, Rule, family_of
from vzhooks.plan import ADD, DELETE, Op
from vzhooks.policy import BAND, Facts
from vzhooks.roles import is_lan, is_ve_side

IPRoute: Any = lean.iproute()
NetlinkError = importlib.import_module("pyroute2.netlink.exceptions").NetlinkError
IPRSocket: Any = importlib.import_module("pyroute2.netlink.rtnl.iprsocket").IPRSocket  # for arrival

NLM_F_DUMP_INTR = 0x10  # include/uapi/linux/netlink.h
# include/uapi/linux/rtnetlink.h
RTN_UNICAST, RTN_LOCAL = 1, 2
RTM_F_LOOKUP_TABLE = 0x1000  # answer with the table found, not with main
RTPROT_KERNEL = 2
RTM_F_CLONED = 0x200  # IPv6 routes that the kernel only remembers
# include/uapi/linux/neighbour.h
NTF_PROXY = 8
NUD_ANSWERS = 0x02 | 0x04 | 0x08 | 0x10 | 0x80  # REACHABLE, STALE, DELAY, PROBE, PERMANENT
NUD_SILENT = 0x01 | 0x20  # INCOMPLETE, FAILED
# A rule dump resumes by index, so beyond one 32 KB buffer (about 450 rules) it can miss rules while
# others are deleted, and the kernel does not flag it: such a dump counts only when it repeats.
ONE_BUFFER = 400
TRIES = 5


class Kernel:
    """Hold one rtnetlink socket of this network namespace; use as a context manager."""

    def __init__(self) -> None:
        try:
            self._ip = _open()
        except OSError as error:
            raise HostError(f"netlink: {error.strerror}; run as root on Linux 4.18 or later") from None
        # With ipv6.disable=1 the kernel answers an IPv6 dump with the rules and routes of all others.
        self._families = {f: af for f, af in FAMILIES.items() if f == 4 or os.path.exists("/proc/sys/net/ipv6")}
        self._names: dict[int, str] = {}
        self._indexes: dict[str, int] = {}
        self._others: dict[int, int] = {}

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self._ip.close()

    def facts(self) -> Facts:
        """Return the devices, main's default gateways and its host routes on the VEs' side."""
        nics = {n.name: n for n in self._nics()}
        routes = [m for f in self._families.values() for m in self._dump_routes(f, table=MAIN)]
        unicast = [m for m in routes if m["type"] == RTN_UNICAST]
        local = frozenset(local_of(unicast, self._names, nics))
        return Facts(nics, tuple(gateways_of(unicast, self._names)), local, tuple(self._families))

    def _nics(self) -> list[Nic]:
        links = _whole(lambda: list(self._ip.get_links()), "links")
        addresses = _whole(lambda: list(self._ip.get_addr()), "addresses")
        self._names = {m["index"]: m.get("IFLA_IFNAME") for m in links}
        self._indexes = {name: index for index, name in self._names.items()}
        return nics_of(links, addresses)

    def rules(self) -> tuple[frozenset[Rule], tuple[str, ...]]:
        """Return our rules, and in words what others have within our band of priorities."""
        ours, strangers = set(), []
        for family, af in self._families.items():
            for m in self._dump_rules(af):
                priority, protocol = m.get("FRA_PRIORITY") or 0, protocol_of(m)
                if protocol == PROTOCOL and priority in BAND:
                    ours.add(rule_of(m, family))
                    continue
                self._others[m.get("FRA_TABLE") or 0] = priority
                if priority in BAND and protocol != RTPROT_KERNEL:  # its own for VRFs is at 1000
                    strangers.append(f"{rule_of(m, family)}".replace(f"protocol {PROTOCOL}", f"protocol {protocol}"))
        return frozenset(ours), tuple(strangers)

    def _dump_rules(self, af: int) -> list:
        seen = None
        for _ in range(TRIES):
            messages = _whole(lambda: list(self._ip.get_rules(family=af)), "rules")
            if len(messages) <= ONE_BUFFER:
                return messages
            now = [(m["action"], sorted(map(repr, m["attrs"]))) for m in messages]
            if now == seen:
                return messages
            seen = now
        raise KernelError("rules: change faster than they can be read; nothing was changed, try again")

    def routes(self) -> frozenset[Route]:
        """Return our routes, in whatever table they are."""
        return frozenset(self._route(m, family) for family, af in self._families.items()
                         for m in self._dump_routes(af, proto=PROTOCOL)
                         if m["proto"] == PROTOCOL and table_of(m) != MAIN)

    def proxies(self, wanted: Iterable[Item]) -> frozenset[Proxy]:
        """Return the published addresses that carry our mark, and those wanted whoever published them.

        neighbour.c keeps a protocol for proxy entries since Linux 5.0; vzctl removes its own at stop.
        """
        found = set()
        for family, af in self._families.items():
            for m in self._ip.neigh("dump", dump_filter=lambda m: True, family=af, flags=NTF_PROXY):
                proxy = Proxy(family, m.get("NDA_DST"), self._names.get(m["ifindex"], ""))
                if m["family"] == af and (m.get("NDA_PROTOCOL") == PROTOCOL or proxy in wanted):
                    found.add(proxy)
        return frozenset(found)

    def host_routes(self, nics: Mapping[str, Nic]) -> tuple[tuple[str, str], ...]:
        """Return main's routes to single hosts by LAN NICs, as (destination, device)."""
        found = []
        for family, af in self._families.items():
            for m in self._dump_routes(af, table=MAIN):
                nic = nics.get(self._names.get(m.get("RTA_OIF") or 0, ""))
                whole = m["dst_len"] == (32 if family == 4 else 128)
                if nic and whole and m["type"] == RTN_UNICAST and is_lan(nic, nics) and _near(m.get("RTA_DST"), nics):
                    found.append((m.get("RTA_DST"), nic.name))
        return tuple(found)

    def lookup(self, src: str, dst: str, facts: Facts) -> Lookup:
        """Ask the kernel where a packet goes that comes from `src`, a VE's address, on the VEs' side."""
        family = 6 if ":" in src else 4
        # IPv6 always tells the table, and refuses the flag that makes IPv4 do so (net/ipv6/route.c).
        ask = {"dst": dst, "src": src, "family": FAMILIES[family], "flags": RTM_F_LOOKUP_TABLE if family == 4 else 0}
        iif = self._behind(src, family) or next((n.index for n in facts.nics.values() if is_ve_side(n)), 0)
        try:
            m = self._ip.route("get", **ask, **({"iif": iif} if iif else {}))[0]
        except (NetlinkError, OSError) as error:
            return Lookup(error=os.strerror(errno_of(error)))
        if m["type"] == RTN_LOCAL:
            return Lookup(table_of(m), "lo", local=True)
        if m["type"] != RTN_UNICAST:
            return Lookup(table_of(m), error="unreachable")
        dev = self._names.get(m.get("RTA_OIF") or 0, "")
        return Lookup(table_of(m), dev, m.get("RTA_GATEWAY") or "", to_ve=dst in facts.local)

    def reachable(self, places: Iterable[tuple[str, str]], nics: Mapping[str, Nic]) -> dict[tuple[str, str], bool]:
        """Return which of these (address, device) the neighbour cache holds as answering; asks nobody.

        What it does not know is left out; so is all on a kernel without RTM_GETNEIGH for one (before 5.0).
        """
        found = {}
        for address, dev in places:
            try:
                ask = {"family": FAMILIES[family_of(address)], "dst": address, "ifindex": nics[dev].index}
                state = self._ip.neigh("get", **ask)[0]["state"]
            except (NetlinkError, OSError):  # ENOENT: not in the cache
                continue
            if state & (NUD_ANSWERS | NUD_SILENT):
                found[address, dev] = bool(state & NUD_ANSWERS)
        return found

    def _behind(self, address: str, family: int) -> int:
        """Return the index of the device that main's host route to a VE's address names, 0 for none."""
        whole = 32 if family == 4 else 128
        return next((m.get("RTA_OIF") or 0 for m in self._dump_routes(FAMILIES[family], table=MAIN)
                     if m["dst_len"] == whole and m.get("RTA_DST") == address), 0)

    def rules_before(self) -> tuple[str, ...]:
        """Return others' rules that come before ours, but for the kernel's own look at table local."""
        return tuple(str(rule_of(m, f)).rpartition(" protocol")[0] for f, af in self._families.items()
                     for m in self._dump_rules(af)
                     if m.get("FRA_PROTOCOL") != PROTOCOL and 0 < (m.get("FRA_PRIORITY") or 0) < BAND[0])

    def stranger(self, table: int) -> str:
        """Return what others have in a table, or which rule of theirs looks it up; "" for nothing.

        Goes by the rules that `rules` read last.
        """
        for af in self._families.values():
            for m in self._dump_routes(af, table=table):
                if m["proto"] != PROTOCOL:
                    dst = f"{m.get('RTA_DST')}/{m['dst_len']}" if m["dst_len"] else "default"
                    return f"table {table} holds another's route to {dst}; choose a free table"
        if table in self._others:
            priority = self._others[table]
            return f"table {table} is looked up by another's rule of priority {priority}; choose a free table"
        return ""

    def _dump_routes(self, af: int, **match: int) -> list:
        # Only dump_filter= makes pyroute2 send the fields to the kernel, which filters where strict
        # checking is on; an older kernel sends all, hence the second look at the table.
        table = match.get("table")
        ask = {"dump_filter": lambda m: True, "family": af, **match}
        messages = _whole(lambda: list(self._ip.route("dump", **ask)), "routes")
        return [m for m in messages if table in (None, table_of(m)) and not m["flags"] & RTM_F_CLONED]

    def _route(self, m, family: int) -> Route:
        dst = f"{m.get('RTA_DST')}/{m['dst_len']}" if m["dst_len"] else "default"
        dev = self._names.get(m.get("RTA_OIF") or 0, "?") if m["type"] == RTN_UNICAST else ""
        return Route(family, table_of(m), dst, dev, m.get("RTA_GATEWAY") or "", m.get("RTA_PRIORITY") or 0)

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
                       ifindex=self._index(proxy.dev), flags=NTF_PROXY, protocol=mark)

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


def _open() -> Any:
    try:
        return IPRoute(strict_check=True)
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:  # NETLINK_GET_STRICT_CHK came with Linux 4.20
            raise
        return IPRoute()


def _near(address: str, nics: Mapping[str, Nic]) -> bool:
    """Tell whether a LAN NIC has the address on its own networks."""
    ip = ipaddress.ip_address(address)
    return any(ip in ipaddress.ip_network(n) for nic in nics.values() if is_lan(nic, nics) for n in nic.networks)


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


def errno_of(error: Exception) -> int:
    """Return the errno that a refusal of the kernel stands for."""
    return getattr(error, "code", None) or getattr(error, "errno", None) or errno.EIO


def _is_done(op: Op, code: int) -> bool:
    if op.verb == DELETE:
        return code in (errno.ENOENT, errno.ESRCH, errno.ENODEV)
    # A route's EEXIST can mean another gateway under the same key; the next read will tell.
    return code == errno.EEXIST and isinstance(op.item, Rule)
