# SPDX-License-Identifier: GPL-2.0-or-later
"""Turn the words of single values into what they mean: networks, spans of time, counts, what is probed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from vzhooks.addresses import canonical
from vzhooks.config.keys import NODE, UPLINK
from vzhooks.model import Uplink

UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|)")


class Wrong(Exception):
    """Say why a value cannot be."""


def checks() -> Mapping[str, Callable[[str], Any]]:
    """Return what tells the values of an uplink's probes."""
    return {"probe": probe, "probe_interval": lambda v: span("probe_interval", v, 0.2, 3600.0),
            "probe_fail": lambda v: count("probe_fail", v), "probe_ok": lambda v: count("probe_ok", v),
            "hold_down": lambda v: span("hold_down", v, 0.0, 86400.0)}


def span(key: str, value: str, least: float, most: float) -> float:
    """Return a span of time in seconds: a number with ms, s, m or h behind it, seconds without; raises Wrong."""
    found = _SPAN.fullmatch(value)
    seconds = float(found.group(1)) * UNITS[found.group(2)] if found else -1.0
    if not least <= seconds <= most:
        raise Wrong(f"not such a span of time; allowed: {UPLINK[key].allowed}, in ms, s, m or h")
    return seconds


def count(key: str, value: str) -> int:
    """Return a number of probes; raises Wrong."""
    if not re.fullmatch("[0-9]{1,3}", value) or not 1 <= int(value) <= 100:
        raise Wrong(f"not such a number; allowed: {UPLINK[key].allowed}")
    return int(value)


def probe(value: str) -> str:
    """Return what is probed: link, gateway, or an address; raises Wrong."""
    address = canonical(value)
    if value in ("link", "gateway"):
        return value
    if not address or not is_usable(address):
        raise Wrong(f"nothing to probe; allowed: {UPLINK['probe'].allowed}")
    return address


def is_usable(address: str) -> bool:
    """Tell whether a single host can have the address."""
    ip = ipaddress.ip_address(address)
    return not (ip.is_multicast or ip.is_unspecified or ip.is_loopback)


def endpoint(value: str) -> tuple[str, int] | None:
    """Return an address and a port to listen on, None for nowhere; raises Wrong."""
    if not value:
        return None
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})", value)
    address = canonical(found.group(1) or found.group(2)) if found else ""
    if not found or not address or not 0 < int(found.group(3)) < 65536:
        raise Wrong("not an address with a port; allowed: as 127.0.0.1:9188 or [::1]:9188")
    return address, int(found.group(3))


def mask(value: str) -> int:
    """Return bits of a fwmark, enough for an uplink to have a mark; raises Wrong."""
    found = int(value, 0) if re.fullmatch("0[xX][0-9A-Fa-f]{1,8}|[1-9][0-9]{0,9}", value) else 0
    if bin(found).count("1") < 4 or found > 0xFFFFFFFF:
        raise Wrong(f"not such bits; allowed: {NODE['mark_mask'].allowed}")
    return found


def networks(value: str) -> tuple[str, ...]:
    """Return the networks that a value lists, once each; raises Wrong."""
    return tuple(dict.fromkeys(_network(v) for v in value.replace(",", " ").split()))


def _network(value: str) -> str:
    try:
        network = ipaddress.ip_interface(value).network
    except ValueError:
        network = None
    if not network or "%" in value or not (is_usable(str(network.network_address)) or network.prefixlen == 0):
        raise Wrong(f"{value} is not a network; allowed: {UPLINK['sources'].allowed}")
    if ipaddress.ip_interface(value).ip != network.network_address:
        raise Wrong(f"{value} is an address within a network; did you mean {network}?")
    return str(network)


def circle(name: str, uplinks: Mapping[str, Uplink]) -> tuple[str, ...]:
    """Return the uplinks by which an uplink's backups lead back to it, itself at both ends; empty where they do not."""
    line = [name]
    while (after := uplinks[line[-1]].backup if line[-1] in uplinks else "") and after not in line:
        line.append(after)
    return (*line, name) if after == name else ()
