# SPDX-License-Identifier: GPL-2.0-or-later
"""Read plain messages of rtnetlink(7) by hand: routes, rules and published addresses as a node has thousands of.

What says more than these do is not plain; then None is returned, and it is for pyroute2 to read.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address
from typing import NamedTuple

from vzhooks.kernel.messages import (
    FR_ACT_GOTO,
    FR_ACT_NOP,
    FR_ACT_TO_TBL,
    FR_ACT_UNREACHABLE,
    NO_SUPPRESS,
    NOWHERE,
    RTN_UNICAST,
)
from vzhooks.model import Proxy, Route, Rule

# include/uapi/linux/netlink.h, rtnetlink.h, fib_rules.h, neighbour.h
HEADER = 16
_RTMSG, _NDMSG, _ATTR = struct.Struct("=BBBBBBBBI"), struct.Struct("=BxxxiHBB"), struct.Struct("=HH")
_NUMBER = struct.Struct("=I")
_TYPE = 0x3FFF  # NLA_F_NESTED and NLA_F_NET_BYTEORDER apart
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_TABLE = 1, 4, 5, 6, 15
PLAIN = frozenset((RTA_DST, RTA_OIF, RTA_PRIORITY, RTA_TABLE, 7, 12, 20))
"""Attributes of a route without gateway, hops or metrics: also RTA_PREFSRC, RTA_CACHEINFO and RTA_PREF."""
RTM_F_CLONED = 0x200
"""IPv6 routes that the kernel only remembers."""
FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_GOTO, FRA_PRIORITY, FRA_SUPPRESS, FRA_TABLE, FRA_PROTOCOL = 1, 2, 3, 4, 6, 14, 15, 21
_OF_RULES = frozenset((FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_GOTO, FRA_PRIORITY, FRA_SUPPRESS, FRA_TABLE, FRA_PROTOCOL))
_ACTIONS = (FR_ACT_TO_TBL, FR_ACT_GOTO, FR_ACT_NOP, FR_ACT_UNREACHABLE)
_INVERT = 2
NDA_DST, NDA_PROTOCOL, NTF_PROXY = 1, 12, 8
FAMILIES = {socket.AF_INET: 4, socket.AF_INET6: 6}


class Head(NamedTuple):
    """Hold what every message of a route or rule begins with; kind: type of the route, action of the rule."""

    family: int
    dst_len: int
    src_len: int
    tos: int
    table: int
    protocol: int
    scope: int
    kind: int
    flags: int


def head(message: bytes) -> Head:
    """Return the head of a message of a route or rule."""
    return Head._make(_RTMSG.unpack_from(message, HEADER))


def attributes(data: bytes, place: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Return types and values of the attributes that stand in a part of a message."""
    while place + 4 <= end:
        length, kind = _ATTR.unpack_from(data, place)
        if length < 4:
            return
        yield kind & _TYPE, data[place + 4:place + length]
        place += (length + 3) & ~3


def attributes_of(message: bytes) -> dict[int, bytes]:
    """Return the attributes of a message of a route or rule."""
    return dict(attributes(message, HEADER + _RTMSG.size, len(message)))


def address(raw: bytes) -> str:
    """Return an address as we write it."""
    if len(raw) == 4:
        return socket.inet_ntoa(raw)
    text = socket.inet_ntop(socket.AF_INET6, raw)
    return str(IPv6Address(raw)) if "." in text else text  # which Python writes as hex numbers


def table_of(message: bytes) -> int:
    """Return the table of a route; the head's byte cannot hold a number over 255."""
    found = attributes_of(message).get(RTA_TABLE)
    return number(found) or head(message).table


def route(message: bytes, names: Mapping[int, str]) -> Route | None:
    """Return a plain route: by a device straight to a network, or one that goes nowhere."""
    family, dst_len, src_len, tos, table, _, _, kind, flags = _RTMSG.unpack_from(message, HEADER)
    attrs = attributes_of(message)
    if src_len or tos or flags & RTM_F_CLONED or not PLAIN.issuperset(attrs) or family not in FAMILIES:
        return None
    if dst_len and RTA_DST not in attrs or kind not in NOWHERE and (kind != RTN_UNICAST or RTA_OIF not in attrs):
        return None
    dst = f"{address(attrs[RTA_DST])}/{dst_len}" if dst_len else "default"
    dev = "" if kind in NOWHERE else names.get(number(attrs[RTA_OIF]), "?")
    return Route(FAMILIES[family], number(attrs.get(RTA_TABLE)) or table, dst, dev, "",
                 number(attrs.get(RTA_PRIORITY)), NOWHERE.get(kind, ""))


def rule(message: bytes) -> tuple[int, int | None, Rule | None]:
    """Return a rule's priority, who made it, and itself where it is plain; an old kernel does not keep who."""
    attrs = attributes_of(message)
    protocol = attrs.get(FRA_PROTOCOL)
    return number(attrs.get(FRA_PRIORITY)), protocol[0] if protocol else None, _rule(message, attrs)


def _rule(message: bytes, attrs: Mapping[int, bytes]) -> Rule | None:
    family, dst_len, src_len, tos, table, _, _, action, flags = _RTMSG.unpack_from(message, HEADER)
    plain = _OF_RULES.issuperset(attrs) and action in _ACTIONS and not tos
    if not plain or flags & _INVERT or family not in FAMILIES:
        return None
    suppress = number(attrs.get(FRA_SUPPRESS), NO_SUPPRESS)
    return Rule(
        FAMILIES[family], number(attrs.get(FRA_PRIORITY)),
        (number(attrs.get(FRA_TABLE)) or table) if action == FR_ACT_TO_TBL else 0,
        f"{address(attrs[FRA_SRC])}/{src_len}" if FRA_SRC in attrs else "",
        f"{address(attrs[FRA_DST])}/{dst_len}" if FRA_DST in attrs else "",
        attrs.get(FRA_IIFNAME, b"").rstrip(b"\0").decode("utf-8", "surrogateescape"), action == FR_ACT_UNREACHABLE,
        None if suppress == NO_SUPPRESS else suppress, number(attrs.get(FRA_GOTO)) if action == FR_ACT_GOTO else 0)


def proxy(message: bytes, names: Mapping[int, str]) -> tuple[Proxy, int] | None:
    """Return a published address and who marked it, 0 for nobody; None for any other neighbour."""
    family, index, _, flags, _ = _NDMSG.unpack_from(message, HEADER)
    attrs = dict(attributes(message, HEADER + _NDMSG.size, len(message)))
    if not flags & NTF_PROXY or family not in FAMILIES or NDA_DST not in attrs:
        return None
    return Proxy(FAMILIES[family], address(attrs[NDA_DST]), names.get(index, "")), (attrs.get(NDA_PROTOCOL) or b"\0")[0]


def number(raw: bytes | None, default: int = 0) -> int:
    """Return the number that an attribute holds, the default without one."""
    return _NUMBER.unpack(raw)[0] if raw else default
