# SPDX-License-Identifier: GPL-2.0-or-later
"""Frozen values that cross module borders; rules and routes print as ip(8) writes them.

Addresses are canonical text ("192.168.18.101", "fd00::1"); networks carry their length.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Union

from vzhooks.addresses import host_prefix, network_of

PROTOCOL = 118
"""Marks our rules and routes (rtnetlink(7) rtm_protocol); free in iproute2's rt_protos."""

LAST_RESORT = 4294967295
"""Metric of the unreachable default: the highest there is, so any other route wins."""

MAIN = 254

RTAX = {name: n for n, name in enumerate(
    ("lock", "mtu", "window", "rtt", "rttvar", "ssthresh", "cwnd", "advmss", "reordering", "hoplimit", "initcwnd",
     "features", "rto_min", "initrwnd", "quickack"), 1)}
"""A route's metrics and their bits in "lock" (include/uapi/linux/rtnetlink.h)."""


@dataclass(frozen=True)
class Nic:
    """Hold what the kernel says of one network device of the HN, and what `roles` made of it.

    kind: IFLA_INFO_KIND ("" for hardware); master: name of the bridge or bond it belongs to; link: name of the
    device it lies over or is paired with; members: names of the devices enslaved to it; addresses: global ones,
    with prefix length; ve: it has the address that vzctl gives the host side of a routed VE; tap: a tun(4) device
    that carries frames; ipv6: not switched off on it; mac: its link-layer address; role: one of roles.ROLES.
    """

    name: str
    index: int
    kind: str = ""
    master: str = ""
    members: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    up: bool = True
    carrier: bool = True
    loopback: bool = False
    pointopoint: bool = False
    ve: bool = False
    link: str = ""
    altnames: tuple[str, ...] = ()
    tap: bool = False
    ipv6: bool = True
    mac: str = ""
    role: str = ""

    @cached_property
    def networks(self) -> tuple[str, ...]:
        """Return the connected networks, in order and once each; host addresses have none."""
        nets = (network_of(a) for a in self.addresses)
        return tuple(dict.fromkeys(n for n in nets if n != host_prefix(n.partition("/")[0])))

    @property
    def owns(self) -> tuple[str, ...]:
        """Return the bare addresses of this device."""
        return tuple(a.partition("/")[0] for a in self.addresses)

    def takes(self, family: int) -> bool:
        """Tell whether routes of this family can go by the device."""
        return family == 4 or self.ipv6


@dataclass(frozen=True)
class Gateway:
    """Hold a default route that main has: the gateway's address and the device it goes by."""

    address: str
    dev: str


@dataclass(frozen=True)
class Uplink:
    """Hold a named way out of the node.

    gateway, gateway6: an address, "none" or "auto"; table: 0 for one of our choice; sources: networks of
    its addresses; probe: "link", "gateway" or an address; probe_interval, hold_down: seconds; probe_fail,
    probe_ok: probes in a row.
    """

    name: str
    device: str
    gateway: str = "auto"
    gateway6: str = "auto"
    backup: str = ""
    table: int = 0
    sources: tuple[str, ...] = ()
    probe: str = "link"
    probe_interval: float = 1.0
    probe_fail: int = 3
    probe_ok: int = 3
    hold_down: float = 30.0


@dataclass(frozen=True)
class Ve:
    """Hold a VE that lives (or is about to): addresses, uplink ("isp1,isp2" of several), its own devices on the HN."""

    ctid: str
    addresses: tuple[str, ...]
    uplink: str = ""
    devices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """Tell one thing that stands in the way, for one VE ("" for the node), in one line.

    address: the one that it is about, where it is about no other.
    """

    ctid: str
    text: str
    refuses: bool = False
    address: str = ""


@dataclass(frozen=True)
class Rule:
    """Hold one policy rule: look up `table`, go on at the priority `goto`, answer unreachable, or (none of it) nop.

    mark: value and mask of the packets' mark that it takes.
    """

    family: int
    priority: int
    table: int = 0
    src: str = ""
    dst: str = ""
    iif: str = ""
    unreachable: bool = False
    suppress: int | None = None
    goto: int = 0
    mark: tuple[int, int] | None = None

    @property
    def action(self) -> str:
        """Return what it does, as ip-rule(8) names it."""
        if self.unreachable:
            return "unreachable"
        if self.goto:
            return f"goto {self.goto}"
        table = "main" if self.table == MAIN else self.table
        return f"lookup {table}" if self.table else "nop"

    def __str__(self) -> str:
        parts = [f"from {self.src or 'all'}"]
        parts += [f"to {self.dst}"] if self.dst else []
        parts += [f"fwmark {self.mark[0]:#x}/{self.mark[1]:#x}"] if self.mark else []
        parts += [f"iif {self.iif}"] if self.iif else []
        parts += [self.action]
        parts += [] if self.suppress is None else [f"suppress_prefixlength {self.suppress}"]
        return f"{' '.join(parts)} priority {self.priority} protocol {PROTOCOL}"


@dataclass(frozen=True)
class Route:
    """Hold one route, of main or of a private table; no device means a route of a `type` that goes nowhere.

    gateway: an address, of an IPv4 route also an IPv6 one; metrics: such as (("mtu", 1400),), as ip-route(8) names
    them, and "lock" for the bits of those that are locked; src: the network whose packets alone it takes (IPv6); tos:
    the type of service that alone it takes (IPv4).
    """

    family: int
    table: int
    dst: str
    dev: str = ""
    gateway: str = ""
    metric: int = 0
    type: str = ""
    metrics: tuple[tuple[str, int], ...] = ()
    src: str = ""
    tos: int = 0

    @property
    def key(self) -> tuple[int, int, str, int, str, int]:
        """Return what the kernel tells routes apart by: a second one with this key is EEXIST."""
        return (self.family, self.table, self.dst, self.metric, self.src, self.tos)

    @property
    def nowhere(self) -> str:
        """Return how a route answers that has no device, as ip-route(8) names it; "" for one that has."""
        return "" if self.dev else self.type or "unreachable"

    @property
    def is_default(self) -> bool:
        """Tell whether it leads anywhere, whatever the packet's source and type of service."""
        return self.dst == "default" and not (self.src or self.tos)

    @property
    def onlink(self) -> bool:
        """Tell whether the kernel must take the gateway for a neighbour; for IPv6 a route says so."""
        return bool(self.gateway) and self.family == 4

    def __str__(self) -> str:
        source = (f" from {self.src}" if self.src else "") + (f" tos {self.tos:#x}" if self.tos else "")
        head = f"{self.nowhere} {self.dst}{source}".strip()
        other = "inet6 " if self.family == 4 and ":" in self.gateway else ""
        via = f" via {other}{self.gateway}" if self.gateway else ""
        dev = f" dev {self.dev}" if self.dev else ""
        metric = f" metric {self.metric}" if self.metric else ""
        onlink = " onlink" if self.onlink else ""
        more = "".join(self._shown(name, value) for name, value in self.metrics if name != "lock")
        return f"{head}{via}{dev} table {self.table}{metric}{more} proto {PROTOCOL}{onlink}"

    def _shown(self, name: str, value: int) -> str:
        locked = dict(self.metrics).get("lock", 0) >> RTAX[name] & 1 if name in RTAX else 0
        return f" {name}{' lock' * locked} {value}"


class Element(NamedTuple):
    """Hold one element of a set of our nftables table, e.g. exits4: (address, device).

    A tuple, as it is told from others ten times as fast: there are many for each address of a VE.
    """

    set: str
    value: tuple[str, ...]


@dataclass(frozen=True)
class Skeleton:
    """Stand for the sets and chains of our nftables tables, told by a fingerprint.

    mask, marks, shared: what they set of a packet's mark and how, as in `layout.Layout`.
    """

    fingerprint: str
    mask: int = 0
    marks: tuple[int, ...] = ()
    shared: bool = False


class Proxy(NamedTuple):
    """Hold one published address: who-has and solicitations for it are answered on `dev`. A tuple, as an Element."""

    family: int
    address: str
    dev: str

    def __str__(self) -> str:
        return f"proxy {self.address} dev {self.dev} protocol {PROTOCOL}"


@dataclass(frozen=True)
class Sysctl:
    """Hold one value under /proc/sys; the key has slashes, since device names may hold dots."""

    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


@dataclass(frozen=True)
class Lookup:
    """Hold the kernel's own answer to where a packet goes; error: its words where it goes nowhere."""

    table: int = 0
    dev: str = ""
    gateway: str = ""
    local: bool = False
    to_ve: bool = False
    error: str = ""


Item = Union[Rule, Route, Element, Skeleton, Proxy, Sysctl]
"""One thing that is or should be in the kernel."""
