# SPDX-License-Identifier: GPL-2.0-or-later
"""Read our tables of nftables by hand: what they are made of, as nft(8) lists it, and the elements of their sets.

nft(8) takes a tenth of a second to print 70,000 elements, and fetches them even where it is to leave them out. What is
here in any form that we do not write ourselves raises Unread: then it is for nft(8) to read.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Callable, NamedTuple

from vzhooks.addresses import family_of
from vzhooks.kernel.dump import HEADER, dump
from vzhooks.kernel.messages import FAMILIES
from vzhooks.kernel.plain import address, attributes
from vzhooks.model import Element
from vzhooks.policy import guard, layout

# include/uapi/linux/netfilter/nfnetlink.h, nf_tables.h; netfilter.h: protocols and hooks
NETLINK_NETFILTER, SUBSYSTEM = 12, 10 << 8
GETTABLE, GETCHAIN, GETRULE, GETSET, GETSETELEM = 1, 4, 7, 10, 13
NFPROTO = {"inet": 1, "ip": 2, "arp": 3, "netdev": 5, "bridge": 7, "ip6": 10}
_IP_HOOKS = ("prerouting", "input", "forward", "output", "postrouting", "ingress")
_HOOKS = {"arp": ("input", "output", "forward"), "netdev": ("ingress", "egress")}
_BODY = HEADER.size + 4
_HEADS = struct.Struct("=HHHHHH")
"""Length and type of an element, of its key, and of that one's value, which stand before it."""
_TABLE_NAME, _TABLE_FLAGS, OF_TABLE = 1, 2, 1
CHAIN_NAME, CHAIN_HOOK, _CHAIN_POLICY, CHAIN_TYPE, _HOOK_NUMBER, _HOOK_PRIORITY = 3, 4, 5, 7, 1, 2
RULE_CHAIN, _RULE_USERDATA, _COMMENT = 2, 7, 0
_SET_NAME, _SET_FLAGS, _ANONYMOUS = 2, 3, 1
_ELEMENTS_SET, _ELEMENTS = 2, 3
_DATA, VALUE, _VERDICT, VERDICT_CODE, VERDICT_CHAIN, _GOTO = 2, 1, 2, 1, 2, -4


class Unread(Exception):
    """Say that what was found is not in a form that we know."""


class Part(NamedTuple):
    """Hold how one part of a key or value is written: its bytes, those with what pads them, and as what text."""

    size: int
    padded: int
    text: Callable[[bytes], str]


@lru_cache(maxsize=4096)
def named(raw: bytes) -> str:
    """Return the text of an attribute."""
    return raw.rstrip(b"\0").decode("utf-8", "surrogateescape")


def _mac(raw: bytes) -> str:
    return raw.hex(":")


_PARTS = {"ipv4_addr": Part(4, 4, socket.inet_ntoa), "ipv6_addr": Part(16, 16, address), "ifname": Part(16, 16, named),
          "iifname": Part(16, 16, named), "ether_addr": Part(6, 8, _mac), "@th,64,128": Part(16, 16, address)}


def parts(family: str) -> list[dict[str, Any]]:
    """Return what `nft -j list table` says of our table but for its elements, as far as `guard.parse` reads it.

    Nothing where there is no such table; raises KernelError as `dump`.
    """
    known = (dict(attrs(m)) for m in _dump(GETTABLE, family))
    table = next((t for t in known if named(t[_TABLE_NAME]) == guard.NAME), None)
    if table is None:
        return []
    return [{"table": {"name": guard.NAME, **({"flags": "?"} if any(table[_TABLE_FLAGS]) else {})}},
            *({"chain": chain} for chain in _chains(family)),
            *({"rule": {"chain": chain, "comment": text}} for chain, text in _rules(family)),
            *({"set": {"name": name}} for name in _sets(family))]


def _dump(kind: int, family: str, *sent: tuple[int, str]) -> list[bytes]:
    body = struct.pack("=BBH", NFPROTO[family], 0, 0)
    for type_, text in sent:
        raw = text.encode() + b"\0"
        body += struct.pack("=HH", 4 + len(raw), type_) + raw + bytes(-len(raw) % 4)
    return dump(NETLINK_NETFILTER, SUBSYSTEM | kind, body, f"nft table {family} {guard.NAME}")


def attrs(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Return types and values of a message's attributes."""
    return attributes(message, _BODY, len(message))


def nested(raw: bytes) -> dict[int, bytes]:
    """Return the attributes that stand in another."""
    return dict(attributes(raw, 0, len(raw)))


def hook_of(family: str, chain: Mapping[int, bytes]) -> tuple[str, int]:
    """Return name and priority of the hook that a chain with CHAIN_HOOK is called from, "?" for one unknown."""
    hook, names = nested(chain[CHAIN_HOOK]), _HOOKS.get(family, _IP_HOOKS)
    number = int.from_bytes(hook[_HOOK_NUMBER], "big")
    return names[number] if number < len(names) else "?", struct.unpack(">i", hook[_HOOK_PRIORITY])[0]


def _chains(family: str) -> Iterator[dict[str, Any]]:
    for message in _dump(GETCHAIN, family):
        chain = dict(attrs(message))
        if named(chain[OF_TABLE]) != guard.NAME:
            continue
        found: dict[str, Any] = {"name": named(chain[CHAIN_NAME])}
        if CHAIN_HOOK in chain:
            (hook, priority), policy = hook_of(family, chain), int.from_bytes(chain.get(_CHAIN_POLICY, b""), "big")
            found.update(type=named(chain[CHAIN_TYPE]), hook=hook, prio=priority,
                         policy="accept" if policy else "drop")
        yield found


def _rules(family: str) -> Iterator[tuple[str, str]]:
    """Return chain and comment of each rule, "?" for one without."""
    for message in _dump(GETRULE, family, (OF_TABLE, guard.NAME)):
        rule = dict(attrs(message))
        if named(rule[OF_TABLE]) == guard.NAME:
            yield named(rule[RULE_CHAIN]), _comment(rule.get(_RULE_USERDATA, b""))


def _comment(userdata: bytes) -> str:
    """Return the comment among what nft(8) keeps with a rule (libnftnl udata.h: type, length, value)."""
    place = 0
    while place + 2 <= len(userdata):
        kind, length = userdata[place:place + 2]
        if kind == _COMMENT:
            return named(userdata[place + 2:place + 2 + length])
        place += 2 + length
    return "?"


def _sets(family: str) -> Iterator[str]:
    for message in _dump(GETSET, family, (OF_TABLE, guard.NAME)):
        found = dict(attrs(message))
        if named(found[OF_TABLE]) == guard.NAME and not int.from_bytes(found.get(_SET_FLAGS, b""), "big") & _ANONYMOUS:
            yield named(found[_SET_NAME])


def elements(name: str, kind: str, near: Collection[str] | None = None) -> Iterator[Element]:
    """Return the elements of one of our sets, given its name and type as `guard` has them.

    near: of a set that begins with VEs' addresses those of these alone. Raises KernelError as `dump`, and Unread.
    """
    family, _, bare = name.rpartition(":")
    key, _, data = kind.partition(" ")[2].partition(" : ")
    parts = [_part(k) for k in key.split(" . ")]
    value = _part(data) if data and data != "verdict" else None
    keys = None if near is None or name not in layout.VE_SETS else _raw(near, parts[0].size)
    for message in _dump(GETSETELEM, family or "inet", (OF_TABLE, guard.NAME), (_ELEMENTS_SET, bare)):
        body = dict(attrs(message)).get(_ELEMENTS, b"")
        yield from _with_data(name, body, parts, value, keys) if data else _plain(name, body, parts, keys)


def _raw(addresses: Iterable[str], size: int) -> frozenset[bytes]:
    """Return addresses as keys of so many bytes begin with them."""
    raw = (socket.inet_pton(FAMILIES[family_of(a)], a) for a in addresses)
    return frozenset(r for r in raw if len(r) == size)


def _part(kind: str) -> Part:
    if kind not in _PARTS:
        raise Unread(kind)
    return _PARTS[kind]


def _plain(name: str, body: bytes, parts: list[Part], keys: Container[bytes] | None) -> Iterator[Element]:
    """Return elements that have nothing but a key: then all are alike but for that. keys: what may begin them."""
    first, length = body[:_HEADS.size], _HEADS.size + _length(parts)
    layout = struct.Struct(f"{_HEADS.size}s" + "".join(f"{p.size}s{p.padded - p.size}x" for p in parts))
    if body and (len(body) % layout.size or _HEADS.unpack(first)[::2] != (length, length - 4, length - 8)):
        raise Unread(name)
    texts = [p.text for p in parts]
    for head, *raw in layout.iter_unpack(body):
        if head != first:
            raise Unread(name)
        if keys is None or raw[0] in keys:
            yield Element(name, tuple([text(part) for text, part in zip(texts, raw)]))


def _length(parts: list[Part]) -> int:
    """Return the length of a key: each part of one that has several is padded."""
    return sum(p.padded for p in parts) if parts[1:] else parts[0].size


def _with_data(name: str, body: bytes, parts: list[Part], value: Part | None,
               keys: Container[bytes] | None) -> Iterator[Element]:
    """Return elements of a map; keys: as for `_plain`. What they lead to is the same for many, and told once."""
    size, place = _length(parts), 0
    data: dict[bytes, str] = {}
    while place < len(body):
        length, _, of_key, _, of_value, _ = _HEADS.unpack_from(body, place)
        if (of_key, of_value) != (size + 8, size + 4) or length < _HEADS.size + size:
            raise Unread(name)
        first, end = place + _HEADS.size, place + length
        if keys is None or body[first:first + parts[0].size] in keys:
            rest = body[first + (size + 3 & ~3):end]
            if rest not in data:
                data[rest] = _datum(name, rest, value)
            yield Element(name, (*_texts(body[first:first + size], parts), data[rest]))
        place = (end + 3) & ~3


def _texts(raw: bytes, parts: list[Part]) -> list[str]:
    found, place = [], 0
    for part in parts:
        found.append(part.text(raw[place:place + part.size]))
        place += part.padded
    return found


def _datum(name: str, raw: bytes, value: Part | None) -> str:
    """Return what an element of a map leads to, by all that stands behind its key; value: None for a verdict."""
    found = nested(raw)
    data = nested(found.get(_DATA, b""))
    if found.keys() != {_DATA}:
        raise Unread(name)
    if value is None:
        verdict = nested(data.get(_VERDICT, b""))
        if struct.unpack(">i", verdict.get(VERDICT_CODE, bytes(4)))[0] != _GOTO:
            raise Unread(name)
        return named(verdict[VERDICT_CHAIN])
    if len(data.get(VALUE, b"")) != value.size:
        raise Unread(name)
    return value.text(data[VALUE])
