# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what the kernel tells of changes (rtnetlink(7), nf_tables): what changed, and by whom. Pure.

Only what is needed to know is read, by hand: thousands of events may come at once, and pyroute2 takes 40 us for each.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from vzhooks.kernel.messages import RTN_UNICAST
from vzhooks.kernel.plain import PLAIN, RTA_DST, RTA_OIF, RTA_PRIORITY, RTA_TABLE, RTM_F_CLONED, address, attributes

LINKS, ADDRESSES, ROUTES, RULES, GUARD, TABLE, MARKS, LOST = (
    "links", "addresses", "routes", "rules", "nft", "table", "marks", "lost")
# include/uapi/linux/rtnetlink.h: RTM_NEWLINK and so on
_KINDS = {16: LINKS, 17: LINKS, 20: ADDRESSES, 21: ADDRESSES, 24: ROUTES, 25: ROUTES, 32: RULES, 33: RULES}
_GONE = {17, 21, 25, 33}
_NFTABLES, _NEWGEN = 10, 10 << 8 | 15  # NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWGEN (include/uapi/linux/netfilter/nf_tables.h)
_IFINFO, _LINKED = struct.Struct("=BxHiII"), 1 | 1 << 16  # IFF_UP, IFF_LOWER_UP (include/uapi/linux/if.h)
_HEADER, _RTMSG = struct.Struct("=IHHII"), struct.Struct("=BBBBBBBBI")
_FRA_PROTOCOL, _GEN_ID, _GEN_PID, _GEN_NAME = 21, 1, 2, 3
_SETS = 9
"""From this number on a message is on sets and other objects, and no more on tables, chains or rules."""
_TABLE = 1
"""The attribute that names the table, in every message on what is in one (NFTA_TABLE_NAME, NFTA_SET_TABLE …)."""
_FAMILIES = {2: 4, 10: 6}
_REPLACED = 0x100  # NLM_F_REPLACE


class Told(NamedTuple):
    """Hold one change: of what, whether something went away, and which socket (its number is mostly the pid) made it.

    named: the table of nftables that something was changed in, before the change is told as one; protocol: who made
    the rule or route itself; table: of a route; host: of one to a single host straight by a device,
    (family, address, number of the device, metric); generation, process: of a change of nftables; dark: the number of
    a device that has no link by this, 0 for none; ruled: it was a table, a chain or a rule of nftables.
    """

    what: str
    gone: bool = False
    sender: int = 0
    protocol: int = 0
    table: int = 0
    generation: int = 0
    process: str = ""
    host: tuple[int, str, int, int] | None = None
    dark: int = 0
    named: str = ""
    ruled: bool = False


def changes(data: bytes) -> Iterator[Told]:
    """Return the changes that one datagram tells of; what it tells besides is passed over."""
    place = 0
    while place + _HEADER.size <= len(data):
        length, kind, flags, _, sender = _HEADER.unpack_from(data, place)
        if length < _HEADER.size:
            return
        body = place + _HEADER.size
        if kind in _KINDS:
            told = _of_rtnetlink(kind, sender, data, body, place + length)
            yield told._replace(host=None) if flags & _REPLACED else told
        elif kind == _NEWGEN:
            yield _of_generation(data, body + 4, place + length)
        elif kind >> 8 == _NFTABLES:
            name = dict(attributes(data, body + 4, place + length)).get(_TABLE, b"?")
            yield Told(TABLE, named=name.rstrip(b"\0").decode("utf-8", "replace"), ruled=kind & 0xFF < _SETS)
        place += length + 3 & ~3


def _of_rtnetlink(kind: int, sender: int, data: bytes, body: int, end: int) -> Told:
    what = _KINDS[kind]
    if what == LINKS:
        return Told(what, kind in _GONE, sender, dark=_dark(kind in _GONE, data, body))
    if what == ADDRESSES:
        return Told(what, kind in _GONE, sender)
    _, _, _, _, table, protocol, _, _, _ = _RTMSG.unpack_from(data, body)
    attrs = dict(attributes(data, body + _RTMSG.size, end))
    if what == RULES:
        return Told(what, kind in _GONE, sender, (attrs.get(_FRA_PROTOCOL) or b"\0")[0])
    if RTA_TABLE in attrs:
        table = struct.unpack_from("=I", attrs[RTA_TABLE])[0]
    return Told(what, kind in _GONE, sender, protocol, table, host=_host(data, body, attrs))


def _dark(gone: bool, data: bytes, body: int) -> int:
    if len(data) < body + _IFINFO.size:
        return 0
    _, _, index, flags, _ = _IFINFO.unpack_from(data, body)
    return 0 if flags & _LINKED == _LINKED and not gone else int(index)


def _host(data: bytes, body: int, attrs: Mapping[int, bytes]) -> tuple[int, str, int, int] | None:
    """Return what a route to a single host says, None for any other or one that says more."""
    family, length, _, _, _, _, _, kind, flags = _RTMSG.unpack_from(data, body)
    plain = kind == RTN_UNICAST and not flags & RTM_F_CLONED and RTA_DST in attrs and RTA_OIF in attrs
    if not plain or length != 8 * len(attrs[RTA_DST]) or set(attrs) - PLAIN:
        return None
    index, metric = (struct.unpack("=I", attrs.get(name, bytes(4)))[0] for name in (RTA_OIF, RTA_PRIORITY))
    return _FAMILIES.get(family, 0), address(attrs[RTA_DST]), index, metric


def _of_generation(data: bytes, body: int, end: int) -> Told:
    attrs = dict(attributes(data, body, end))
    name = attrs.get(_GEN_NAME, b"").rstrip(b"\0").decode("utf-8", "replace")
    return Told(GUARD, False, int.from_bytes(attrs.get(_GEN_PID, b""), "big"),
                generation=int.from_bytes(attrs.get(_GEN_ID, b""), "big"), process=name)

