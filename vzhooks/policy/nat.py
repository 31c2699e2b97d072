# SPDX-License-Identifier: GPL-2.0-or-later
"""Address translations that others have in nftables: which source by which device they change. Pure."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from vzhooks.addresses import family_of
from vzhooks.errors import KernelError

TARGETS = ("masquerade", "snat")


@dataclass(frozen=True)
class Nat:
    """Hold one rule that changes sources.

    table, chain: where it stands; family: 4, 6, or 0 for both; devices: what it is tied to, empty for
    any; others: it is tied to all but these; networks: the sources it names, empty for any; all_but: it
    names all but these.
    """

    table: str
    chain: str
    family: int = 0
    devices: frozenset[str] = frozenset()
    others: bool = False
    networks: tuple[str, ...] = ()
    all_but: bool = False

    def __str__(self) -> str:
        """Return where it stands, as an operator looks for it."""
        return f"a rule of table {self.table}, chain {self.chain}"

    def names(self, address: str) -> bool:
        """Tell whether it changes this source, by whatever device."""
        if self.family not in (0, family_of(address)):
            return False
        ip = ipaddress.ip_address(address)
        held = any(ip in ipaddress.ip_network(n) for n in self.networks if family_of(n) == ip.version)
        return not self.networks or held != self.all_but

    def covers(self, address: str, device: str) -> bool:
        """Tell whether it changes this source where it leaves by this device."""
        return self.names(address) and (not self.devices or (device in self.devices) != self.others)


def nat_tables(text: str) -> list[tuple[str, str]]:
    """Return family and name of the tables in which sources may be changed, from `nft -j list chains`."""
    chains = [c for c in (i.get("chain") for i in _items(text)) if c and c.get("type") == "nat"]
    return list(dict.fromkeys((c["family"], c["table"]) for c in chains if c["family"] in ("ip", "ip6", "inet")))


def parse(text: str) -> tuple[Nat, ...]:
    """Return the translations of one `nft -j list table`; a rule that is tied to what we cannot read is left out."""
    return tuple(_nats(i["rule"] for i in _items(text) if "rule" in i))


def _items(text: str) -> list[Mapping[str, Any]]:
    try:
        return list(json.loads(text)["nftables"])
    except (ValueError, KeyError, TypeError) as error:
        raise KernelError(f"nft -j list: cannot read its output ({error!r}); check nft's version") from None


def _nats(rules: Iterable[Mapping[str, Any]]) -> Iterator[Nat]:
    for rule in rules:
        expressions = rule.get("expr", ())
        if any(_is_target(e) for e in expressions):
            with suppress(ValueError, KeyError, TypeError, AttributeError):  # a match that is a set's name, a map
                yield _nat(rule, [e["match"] for e in expressions if "match" in e])


def _is_target(expression: Mapping[str, Any]) -> bool:
    xt = expression.get("xt") or {}  # a target of iptables-nft
    return any(t in expression for t in TARGETS) or xt.get("name", "").lower() in TARGETS


def _nat(rule: Mapping[str, Any], matches: Iterable[Mapping[str, Any]]) -> Nat:
    found: dict[str, Any] = {"family": {"ip": 4, "ip6": 6}.get(rule["family"], 0)}
    for match in matches:
        left, unequal = match["left"], match["op"] == "!="
        if left.get("meta", {}).get("key") in ("oif", "oifname"):
            found.update(devices=frozenset(_texts(match["right"])), others=unequal)
        elif left.get("payload", {}).get("field") == "saddr":
            found.update(networks=tuple(_network(v) for v in _members(match["right"])), all_but=unequal)
    return Nat(f"{rule['family']} {rule['table']}", rule["chain"], **found)


def _members(right: Any) -> list[Any]:
    return list(right["set"]) if isinstance(right, dict) and "set" in right else [right]


def _texts(right: Any) -> list[str]:
    texts = _members(right)
    if not all(isinstance(t, str) and not t.startswith("@") and "*" not in t for t in texts):
        raise ValueError(texts)
    return texts


def _network(member: Any) -> str:
    if isinstance(member, dict):
        member = f"{member['prefix']['addr']}/{member['prefix']['len']}"
    return str(ipaddress.ip_network(member, strict=False))
