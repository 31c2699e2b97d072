# SPDX-License-Identifier: GPL-2.0-or-later
"""Change elements of our sets by nfnetlink itself: for a process that stays, a hundredth of what nft(8) takes.

nft(8) has to be started, and its end waits until the kernel has let go of what was deleted (nf_tables_api.c,
nft_rcv_nl_event): a socket that stays open does not. What is refused or of another form is left to nft(8), which does
it or says what is wrong.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Callable

from vzhooks.model import Element
from vzhooks.policy import guard
from vzhooks.policy.layout import SETS, TARGET
from vzhooks.policy.plan import ADD, DELETE, REPLACE, Op

# include/uapi/linux/netlink.h, netfilter/nfnetlink.h, netfilter/nf_tables.h; netfilter.h: NFPROTO_INET, NFPROTO_ARP
_REQUEST, _ACK, _CREATE, _ERROR = 0x1, 0x4, 0x400, 2
_BEGIN, _END, _NFTABLES = 16, 17, 10
_NEWSETELEM, _DELSETELEM = 10 << 8 | 12, 10 << 8 | 14
_NFPROTO = {"inet": 1, "arp": 3}
_TABLE, _SET, _ELEMENTS, _LISTED, _NESTED = 1, 2, 3, 1, 0x8000
_KEY, _DATA, _VALUE, _VERDICT, _CODE, _CHAIN = 1, 2, 1, 2, 1, 2
_GOTO = (-4).to_bytes(4, "big", signed=True)
_HEADER, _ATTR, _ERRNO = struct.Struct("=IHHII"), struct.Struct("=HH"), struct.Struct("=i")
_NAMSIZ, _LARGEST = 16, 1 << 17
MOST = 256
"""How many changes go in one batch: what a hook makes; an attribute holds 64 KB."""


def change(line: socket.socket, ops: Sequence[Op], count: int) -> bool:
    """Carry out changes of elements in one transaction; tell whether they were, else nothing was changed.

    line: an open socket of nfnetlink; count: what the batch's messages are numbered by.
    """
    messages = batch(ops, count)
    if not messages:
        return False
    try:
        line.sendto(b"".join(messages), (0, 0))
        answers = _answers(line, count)
        return not any(next(answers) for _ in messages[1:-1])  # which are each answered, in order
    except OSError:
        return False


def _answers(line: socket.socket, count: int) -> Iterator[int]:
    """Return the errno by which each message of ours is answered, 0 for one that is taken."""
    while True:
        data, place = line.recv(_LARGEST), 0
        while place + _HEADER.size + _ERRNO.size <= len(data):
            length, kind, _, number, _ = _HEADER.unpack_from(data, place)
            if kind == _ERROR and number == count:
                yield _ERRNO.unpack_from(data, place + _HEADER.size)[0]
            place += max(length, _HEADER.size) + 3 & ~3


def batch(ops: Sequence[Op], count: int = 1) -> list[bytes]:
    """Return the messages of one transaction, those that begin and end it around the others; none for nft(8)'s work."""
    items = [(op.verb, op.item) for op in ops if isinstance(op.item, Element) and op.verb in (ADD, DELETE, REPLACE)]
    if len(items) < len(ops) or not 0 < len(items) <= MOST:
        return []
    again = [e for verb, e in items if verb == REPLACE]
    new, old = [*(e for verb, e in items if verb == ADD), *again], [e for verb, e in items if verb == DELETE]
    try:
        messages = [*_changes(_DELSETELEM, 0, again, count), *_changes(_NEWSETELEM, _CREATE, new, count),
                    *_changes(_DELSETELEM, 0, old, count)]
    except (KeyError, OSError, OverflowError, ValueError):  # a type, an address or a name that is written otherwise
        return []
    begin, end = (_message(kind, _REQUEST, count, 0, _NFTABLES) for kind in (_BEGIN, _END))
    return [begin, *messages, end]


def _changes(kind: int, flags: int, elements: Iterable[Element], count: int) -> Iterable[bytes]:
    """Return a message for each set that has some of the elements."""
    sets: dict[str, list[bytes]] = {}
    for element in elements:
        sets.setdefault(element.set, []).append(_element(element, kind == _NEWSETELEM))
    for name, listed in sets.items():
        family, table, bare = guard.place(name).split(" ")
        body = _text(_TABLE, table) + _text(_SET, bare) + _attr(_ELEMENTS | _NESTED, b"".join(listed))
        yield _message(kind, _REQUEST | _ACK | flags, count, _NFPROTO[family], 0, body)


def _message(kind: int, flags: int, count: int, family: int, subsystem: int, body: bytes = b"") -> bytes:
    rest = struct.pack(">BBH", family, 0, subsystem) + body
    return _HEADER.pack(_HEADER.size + len(rest), kind, flags, count, 0) + rest


def _attr(kind: int, data: bytes) -> bytes:
    return _ATTR.pack(_ATTR.size + len(data), kind) + data + bytes(-len(data) % 4)


def _text(kind: int, text: str) -> bytes:
    return _attr(kind, text.encode() + b"\0")


def _element(element: Element, whole: bool) -> bytes:
    """Return an element, or what deletes it; raises KeyError, OSError or ValueError for a value that we do not know."""
    key, _, data = SETS[element.set].partition(" ")[2].partition(" : ")
    kinds = key.split(" . ")
    parts = [_RAW[kind](value) for kind, value in zip(kinds, element.value)]
    # Each part of a key that has several is padded.
    found = _value(_KEY, b"".join(p + bytes(-len(p) % 4) for p in parts) if parts[1:] else parts[0])
    if data and whole:
        value = element.value[len(kinds)]
        found += _attr(_DATA | _NESTED, _goto(value)) if data == "verdict" else _value(_DATA, _RAW[data](value))
    return _attr(_LISTED | _NESTED, found)


def _value(kind: int, raw: bytes) -> bytes:
    return _attr(kind | _NESTED, _attr(_VALUE, raw))


def _goto(chain: str) -> bytes:
    return _attr(_VERDICT | _NESTED, _attr(_CODE, _GOTO) + _text(_CHAIN, chain))


def _mark(text: str) -> bytes:
    return int(text, 0).to_bytes(4, sys.byteorder)


def _name(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    if not 0 < len(raw) < _NAMSIZ or raw.endswith(b"*"):  # which nft(8) takes for the beginning of names
        raise ValueError(text)
    return raw.ljust(_NAMSIZ, b"\0")


def _mac(text: str) -> bytes:
    raw = bytes.fromhex(text.replace(":", ""))
    if len(raw) != 6:
        raise ValueError(text)
    return raw


_RAW: dict[str, Callable[[str], bytes]] = {
    "ipv4_addr": partial(socket.inet_pton, socket.AF_INET), "ipv6_addr": partial(socket.inet_pton, socket.AF_INET6),
    TARGET: partial(socket.inet_pton, socket.AF_INET6), "ifname": _name, "iifname": _name, "ether_addr": _mac,
    "mark": _mark}
"""How the kernel keeps a value, by its type."""
