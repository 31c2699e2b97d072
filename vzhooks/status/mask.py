# SPDX-License-Identifier: GPL-2.0-or-later
"""Hide addresses and names in a text, each always behind the same other one. Pure.

What two addresses have in common at their beginning their masks have in common too, to the bit, so that networks,
gateways and who is on which LAN can still be told (as Crypto-PAn does: Xu, Fan, Ammar, Moon 2002). The key is made for
one report and forgotten, so that nothing leads back.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Union

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
# What stays as it is at the beginning, in bits: it tells what kind of address it is, and not whose.
KEPT = {ipaddress.ip_network(net): bits for net, bits in (
    ("0.0.0.0/8", 32), ("127.0.0.0/8", 32), ("169.254.0.0/16", 16), ("224.0.0.0/3", 32), ("10.0.0.0/8", 8),
    ("172.16.0.0/12", 12), ("192.168.0.0/16", 16), ("100.64.0.0/10", 10), ("0.0.0.0/0", 8),
    ("::/127", 128), ("fe80::ffff:0:0/96", 128), ("fe80::/10", 64), ("fc00::/7", 8), ("ff00::/8", 128), ("::/0", 16))}
# A group may be cut off on the left by what is no part of an address, and on the right by the end of a sentence.
_FOUR = r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\.?\w)"
_SIX = r"(?<![\w:.])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]*:[0-9A-Fa-f.:]*(?<![.:])(?!\w)|(?<![\w:.])[0-9A-Fa-f:]+::(?![\w:])"
_MAC = r"(?<![\w:])(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?![\w:])"
# nft(8) writes an IPv6 address of no known type as a number.
_HEX = r"\b0x[0-9a-f]{25,32}\b"
_TOKEN = re.compile(rf"(?P<mac>{_MAC})|(?P<hex>{_HEX})|(?P<ip>{_FOUR}|{_SIX})(?P<length>/\d{{1,3}}(?![\w.]))?")


class Mask:
    """Hold one key, and the names to hide with what stands for them."""

    def __init__(self, key: bytes, names: Iterable[str] = (), node: str = "") -> None:
        self.key = key
        hidden = {name: f"name-{n}" for n, name in enumerate(sorted({n for n in names if n}, key=str.lower), 1)}
        hidden.update({node: "node", node.partition(".")[0]: "node"} if node else {})
        self.names = {form.lower(): mask for name, mask in hidden.items() for form in _forms(name)}
        longest = sorted(self.names, key=len, reverse=True)
        self._names = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest))})(?![\w-])", re.IGNORECASE)
        self._bit = lru_cache(maxsize=None)(self._one)

    def text(self, text: str) -> str:
        """Return a text with its addresses and names hidden."""
        if self.names:
            text = self._names.sub(lambda m: self.names[m.group().lower()], text)
        return _TOKEN.sub(self._token, text)

    def _token(self, match: re.Match[str]) -> str:
        if match.group("mac"):
            return self._mac(match.group("mac"))
        if match.group("hex"):
            return f"0x{int(self.address(ipaddress.IPv6Address(int(match.group('hex'), 16)))):032x}"
        try:
            ip = ipaddress.ip_address(match.group("ip"))
        except ValueError:
            return match.group()
        length = match.group("length") or ""
        return f"{self._network(ip, int(length[1:])) if length else self.address(ip)}{length}"

    def _network(self, ip: Address, length: int) -> Address:
        """Return the mask of an address with a length: that of a network is a network."""
        masked, host = self.address(ip), max(ip.max_prefixlen - length, 0)
        return masked if int(ip) & ((1 << host) - 1) else type(ip)(int(masked) >> host << host)

    def address(self, ip: Address) -> Address:
        """Return what stands for an address."""
        kept = next(bits for net, bits in KEPT.items() if net.version == ip.version and ip in net)
        width, number, found = ip.max_prefixlen, int(ip), 0
        for n in range(width):
            before = number >> (width - n)
            bit = number >> (width - n - 1) & 1
            found = found << 1 | (bit ^ self._bit(width, n, before) if n >= kept else bit)
        return type(ip)(found)

    def _one(self, width: int, n: int, before: int) -> int:
        """Return whether the bit behind these ones is turned over."""
        return blake2b(f"{width} {n} {before}".encode(), key=self.key, digest_size=1).digest()[0] & 1

    def _mac(self, mac: str) -> str:
        """Return what stands for a MAC: of the same vendor."""
        low = mac.lower()
        if low.startswith(("33:33", "01:00:5e")) or low in ("ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"):
            return mac
        return f"{low[:9]}{blake2b(low.encode(), key=self.key, digest_size=3).digest().hex(':')}"


def _forms(name: str) -> set[str]:
    """Return how a name may stand in a text: as it is, or as JSON or a log writes it."""
    return {name, json.dumps(name)[1:-1], name.encode("ascii", "backslashreplace").decode("ascii")}
