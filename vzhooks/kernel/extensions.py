# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell what a match or target of iptables does with marks, by its bytes in a rule of nftables (iptables-nft)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from vzhooks.kernel.tables import named
from vzhooks.policy.markers import ALL, FIB, FIB_MARK

# nf_tables_compat.h
_XT_NAME, _XT_REVISION, _XT_INFO = 1, 2, 3
# xt_connmark.h, xt_rpfilter.h, xt_socket.h, ipset/ip_set.h
_RESTORE, _LOOSE, _VALID_MARK, _RESTORE_SOCKET_MARK, _MAP_MARK = 2, 1, 2, 4, 1 << 8


class Bits(NamedTuple):
    """Hold a value that is made of the mark, as `Marker` does."""

    kept: int = ALL
    sets: int = 0
    unknown: int = 0


UNKNOWN = Bits(0, ALL, ALL)


def number(data: Mapping[int, bytes], kind: int) -> int:
    """Return an attribute that is a number, 0 where there is none."""
    return int.from_bytes(data.get(kind, b""), "big")


def of_match(data: Mapping[int, bytes]) -> tuple[Bits | None, str]:
    """Return what a match writes, None for nothing, and how it looks up sources."""
    name, flags = named(data.get(_XT_NAME, b"")), int.from_bytes(data.get(_XT_INFO, b"")[:1], "big")
    if name == "rpfilter" and not flags & _LOOSE:
        return None, FIB_MARK if flags & _VALID_MARK else FIB
    return UNKNOWN if name == "socket" and flags & _RESTORE_SOCKET_MARK else None, ""


def of_target(data: Mapping[int, bytes]) -> tuple[Bits | None, str]:
    """Return what a target writes, None for nothing."""
    name, revision, info = named(data.get(_XT_NAME, b"")), number(data, _XT_REVISION), data.get(_XT_INFO, b"")
    try:
        return _written(name, revision, info), ""
    except struct.error:
        return UNKNOWN, ""


def _written(name: str, revision: int, info: bytes) -> Bits | None:
    if name == "MARK":  # struct xt_mark_tginfo2, mark_tg (xt_mark.c)
        mark, mask = struct.unpack_from("=II", info)
        return Bits(ALL ^ mask, mark)
    if name == "TPROXY":  # xt_tproxy_target_info, tproxy_tg4 (xt_TPROXY.c)
        mask, mark = struct.unpack_from("=II", info)
        return Bits(ALL ^ mask, mark)
    if name == "CONNMARK":
        return _restored(revision, info)
    if name == "SET":  # xt_set_info_target_v3
        return UNKNOWN if revision >= 3 and struct.unpack_from("=I", info, 12)[0] & _MAP_MARK else None
    return UNKNOWN if name in ("HMARK", "mark") else None  # the latter is one of ebtables


def _restored(revision: int, info: bytes) -> Bits | None:
    """Return what CONNMARK writes where it restores (xt_connmark_tginfo1 and 2, connmark_tg_shift)."""
    _, taken, mask, *rest = struct.unpack_from("=IIIBBB", info)
    right, count, mode = rest if revision > 1 else (0, 0, rest[0])
    if mode != _RESTORE:
        return None
    taken = taken >> count if right else taken << count & ALL
    return Bits(ALL ^ mask, taken, taken)
