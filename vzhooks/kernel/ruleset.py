# SPDX-License-Identifier: GPL-2.0-or-later
"""Read which rules of others in nftables write marks, or look up by which device a source is reached.

A node can have 10,000 rules of others: where the bytes of one do not say that it may be such a rule, they are all that
is looked at.
"""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice

from vzhooks.kernel.dump import HEADER, dump
from vzhooks.kernel.extensions import UNKNOWN, Bits, number, of_match, of_target
from vzhooks.kernel.monitor import Generation
from vzhooks.kernel.plain import attributes
from vzhooks.kernel.tables import (
    CHAIN_HOOK,
    CHAIN_NAME,
    CHAIN_TYPE,
    GETCHAIN,
    GETRULE,
    NETLINK_NETFILTER,
    NFPROTO,
    OF_TABLE,
    RULE_CHAIN,
    SUBSYSTEM,
    VALUE,
    VERDICT_CHAIN,
    VERDICT_CODE,
    attrs,
    hook_of,
    named,
    nested,
)
from vzhooks.policy import guard
from vzhooks.policy.markers import ALL, FIB, FIB_MARK, ROUTE, Marker

TRIES = 3
_NAT = -100  # NF_IP_PRI_NAT_DST (include/uapi/linux/netfilter_ipv4.h)
_FAMILIES = {number: family for family, number in NFPROTO.items()}
# include/uapi/linux/netfilter/nf_tables.h: attributes of rules and their expressions
_EXPRESSIONS, _NAME, _DATA = 4, 1, 2
_META_DREG, _META_KEY, _META_SREG, _MARK = 1, 2, 3, 3
_IMMEDIATE_DREG, _IMMEDIATE_DATA = 1, 2
_BITWISE_SREG, _BITWISE_DREG, _BITWISE_MASK, _BITWISE_XOR, _BITWISE_OP = 1, 2, 4, 5, 6
_FIB_RESULT, _FIB_FLAGS, _OIFS, _SADDR, _FIB_BY_MARK, _IIF = 2, 3, (1, 2), 1, 4, 8
_LOOKUP_SET, _LOOKUP_SREG, _LOOKUP_DREG, _VERDICT, _JUMPS = 1, 2, 3, 0, -3
_WRITES_NO_REGISTER = frozenset(("cmp", "range", "counter", "limit", "quota", "log", "last", "connlimit"))


def _attribute(kind: int, value: int) -> bytes:
    """Return an attribute that is a number, as the kernel writes it."""
    return struct.pack("=HH", 8, kind) + struct.pack(">I", value & ALL)


_TELLING = (_attribute(_META_KEY, _MARK) + struct.pack("=HH", 8, _META_SREG), b"fib\0", b"MARK\0", b"TPROXY\0",
            b"SET\0", b"mark\0", b"rpfilter\0", b"socket\0")
"""One of these is in each rule that we look for (nft_meta_set_dump in nft_meta.c); HMARK and CONNMARK end so too."""

_ANYWHERE = b""
"""Where a map of verdicts leads to, which may be any chain of its table."""
# As nft_verdict_dump (nf_tables_api.c) and nft_lookup_dump (nft_lookup.c) write them.
_JUMP = re.compile(
    re.escape(_attribute(VERDICT_CODE, _JUMPS)[:-1]) + b"[\xfc\xfd].."  # a goto is one less
    + re.escape(struct.pack("=H", VERDICT_CHAIN)) + b"([^\0]+)", re.DOTALL)
_TO_VERDICT = re.compile(
    b"lookup\0.{7}" + re.escape(struct.pack("=H", _LOOKUP_SET)) + b"[^\0]+\0+"
    + re.escape(struct.pack("=HH", 8, _LOOKUP_SREG)) + b".{4}"
    + re.escape(_attribute(_LOOKUP_DREG, _VERDICT)), re.DOTALL)

_Table = tuple[int, bytes]
_Data = dict[int, bytes]


def markers() -> tuple[Marker, ...]:
    """Return what rules of others have to do with marks, each once.

    What iptables-legacy has, tc(8) and programs for eBPF or queues is not seen. Raises KernelError as `dump`.
    """
    generation = Generation()
    found: tuple[Marker, ...] = ()
    try:
        for _ in range(TRIES):
            before, found = generation.now(), _markers()
            if generation.now() == before:
                break  # else rules and chains may be of two states; one that always changes is taken as it was seen
        return found
    finally:
        generation.close()


def _markers() -> tuple[Marker, ...]:
    rules = dump(NETLINK_NETFILTER, SUBSYSTEM | GETRULE, bytes(4), "nftables: rules")
    found: dict[tuple[_Table, bytes], dict[Marker, None]] = {}
    for rule in _candidates(rules):
        table, chain = _place(rule)
        if named(table[1]) != guard.NAME:
            found.setdefault((table, chain), {}).update(dict.fromkeys(_of_rule(rule, table, chain)))
    tables = {table for (table, _), some in found.items() if some}
    hooks = _hooks(rules, tables) if tables else {}
    return tuple([replace(marker, hooks=_leading(hooks[table], chain))
                  for (table, chain), some in found.items() for marker in some])


def _candidates(rules: list[bytes]) -> list[bytes]:
    """Return the rules that may be such as we look for; what none has is looked for once in all together."""
    together = b"".join(rules)
    telling = [some for some in _TELLING if some in together]
    return [rule for rule in rules if any(some in rule for some in telling)] if telling else []


def _place(message: bytes) -> tuple[_Table, bytes]:
    """Return table and chain of a rule, which stand first in it (nf_tables_fill_rule_info)."""
    found = dict(islice(attrs(message), 2))
    return (message[HEADER.size], found[OF_TABLE]), found[RULE_CHAIN].rstrip(b"\0")


# -- which base chains lead to a chain ---------------------------------------------------------

_Hooks = list[tuple[tuple[str, int], set[bytes]]]


def _hooks(rules: Iterable[bytes], tables: set[_Table]) -> dict[_Table, _Hooks]:
    """Return the hooks of each of some tables, with the chains that each leads to."""
    jumps: dict[_Table, dict[bytes, set[bytes]]] = {table: {} for table in tables}
    for rule in rules:
        table, chain = _place(rule)
        if table in tables:
            known = jumps[table].setdefault(chain, set())
            known.update(_JUMP.findall(rule))
            if _TO_VERDICT.search(rule):
                known.add(_ANYWHERE)
    found: dict[_Table, _Hooks] = {table: [] for table in tables}
    for message in dump(NETLINK_NETFILTER, SUBSYSTEM | GETCHAIN, bytes(4), "nftables: chains"):
        base = dict(attrs(message))
        table = message[HEADER.size], base[OF_TABLE]
        if table in tables and CHAIN_HOOK in base:
            found[table].append((_hook(table[0], base), _reached(jumps[table], base[CHAIN_NAME].rstrip(b"\0"))))
    return found


def _hook(family: int, base: _Data) -> tuple[str, int]:
    """Return name and priority of a hook, those at which it is really called."""
    (name, priority), kind = hook_of(_FAMILIES.get(family, ""), base), named(base.get(CHAIN_TYPE, b""))
    if kind == "nat" and name == "prerouting":
        return name, _NAT  # whatever it says (nf_nat_core.c)
    return ROUTE if kind == "route" else name, priority


def _reached(jumps: dict[bytes, set[bytes]], chain: bytes) -> set[bytes]:
    """Return the chains that one leads to, and itself."""
    found, left = {chain}, [chain]
    while left:
        new = jumps.get(left.pop(), set()) - found
        found |= new
        left += new
    return found


def _leading(hooks: _Hooks, chain: bytes) -> tuple[tuple[str, int], ...]:
    return tuple(sorted({hook for hook, reached in hooks if chain in reached or _ANYWHERE in reached}))


# -- what a rule does --------------------------------------------------------------------------


def _of_rule(rule: bytes, table: _Table, chain: bytes) -> Iterator[Marker]:
    """Return what one rule has to do with marks, without hooks."""
    found = partial(Marker, f"{_FAMILIES.get(table[0], '?')} {named(table[1])}", named(chain), ())
    held: dict[int, Bits] = {}
    for name, data in _expressions(rule):
        if name == "meta" and _META_SREG in data:
            if number(data, _META_KEY) == _MARK:
                yield found(**held.get(number(data, _META_SREG), UNKNOWN)._asdict())
        elif name == "fib":
            flags = number(data, _FIB_FLAGS)  # without _IIF any way back will do
            if number(data, _FIB_RESULT) in _OIFS and flags & _SADDR and flags & _IIF:
                yield found(asks=FIB_MARK if flags & _FIB_BY_MARK else FIB)
            held = {}
        elif name in ("target", "match"):
            written, asks = of_target(data) if name == "target" else of_match(data)
            if written or asks:
                yield found(asks=asks, **(written or Bits())._asdict())
        elif name not in _WRITES_NO_REGISTER:
            held = _loaded(held, name, data)


def _expressions(rule: bytes) -> Iterator[tuple[str, _Data]]:
    listed = dict(attrs(rule)).get(_EXPRESSIONS, b"")
    for _, raw in attributes(listed, 0, len(listed)):
        expression = nested(raw)
        yield named(expression.get(_NAME, b"")), nested(expression.get(_DATA, b""))


def _loaded(held: dict[int, Bits], name: str, data: _Data) -> dict[int, Bits]:
    """Return what is known of the registers behind an expression, which may have written over any of them."""
    if name == "meta" and number(data, _META_KEY) == _MARK:
        return {number(data, _META_DREG): Bits()}
    if name == "immediate":
        register, value = number(data, _IMMEDIATE_DREG), _value(data.get(_IMMEDIATE_DATA, b""))
        return held if register == _VERDICT else {} if value is None else {register: Bits(0, value)}
    if name == "bitwise" and not number(data, _BITWISE_OP):
        mask, xor = (_value(data.get(kind, b"")) for kind in (_BITWISE_MASK, _BITWISE_XOR))
        kept, sets, unknown = held.get(number(data, _BITWISE_SREG), UNKNOWN)
        if mask is not None and xor is not None:
            unknown &= mask
            return {number(data, _BITWISE_DREG): Bits(kept & mask, (sets & mask ^ xor) | unknown, unknown)}
    return {}


def _value(raw: bytes) -> int | None:
    """Return the number in a value, None where it is no mark."""
    value = nested(raw).get(VALUE, b"")
    return int.from_bytes(value, sys.byteorder) if len(value) == 4 else None
