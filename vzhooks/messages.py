# SPDX-License-Identifier: GPL-2.0-or-later
"""Translate between our values and rtnetlink messages as pyroute2 has them. Pure.

pyroute2 drops keywords it does not know without a word (suppress_prefixlength, metric, protocol on
routes), so every request is built here, in one place for each kind of item, and tests read it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from vzhooks.errors import SUPPORTED, KernelError
from vzhooks.model import PROTOCOL, Gateway, Nic, Route, Rule
from vzhooks.roles import Nics, is_lan

FAMILIES = {4: 2, 6: 10}
"""AF_INET and AF_INET6 by our own names for them."""
# include/uapi/linux/fib_rules.h, rtnetlink.h, if.h
FR_ACT_TO_TBL, FR_ACT_UNREACHABLE = 1, 7
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK = 0, 253
NO_SUPPRESS = 0xFFFFFFFF
VE_GATEWAY = "fe80::ffff:1:1"
"""What OpenVZ 9 gives the host side of each routed VE (libvzctl scripts/vz-functions, vzcreatepair)."""
IFF_UP, IFF_LOOPBACK, IFF_POINTOPOINT, IFF_LOWER_UP = 1, 8, 16, 1 << 16


def table_of(m: Any) -> int:
    """Return the table of a route message; the header's byte cannot hold a number over 255."""
    return m.get("RTA_TABLE") or m["table"]


def protocol_of(m: Any) -> int:
    """Return who made a rule; raises KernelError where the kernel does not keep that.

    FRA_PROTOCOL came with Linux 4.17; without it our rules could not be told from those of others.
    """
    protocol = m.get("FRA_PROTOCOL")
    if protocol is None:
        raise KernelError(f"this kernel keeps no protocol for ip rules, so it is too old; {SUPPORTED}")
    return protocol


def rule_of(m: Any, family: int) -> Rule:
    """Return the value of a rule message."""
    suppress = m.get("FRA_SUPPRESS_PREFIXLEN")
    # The bare lookup for the table: m["table"] is a header byte that cannot hold it.
    table = m.get("FRA_TABLE") if m["action"] == FR_ACT_TO_TBL else 0
    src, dst = m.get("FRA_SRC"), m.get("FRA_DST")
    return Rule(family, m.get("FRA_PRIORITY") or 0, table or 0,
                f"{src}/{m['src_len']}" if src else "", f"{dst}/{m['dst_len']}" if dst else "",
                m.get("FRA_IIFNAME") or "", m["action"] == FR_ACT_UNREACHABLE,
                None if suppress in (None, NO_SUPPRESS) else suppress)


def rule_request(rule: Rule) -> dict[str, object]:
    """Return the keywords of IPRoute.rule for one of our rules."""
    request: dict[str, object] = {"family": FAMILIES[rule.family], "priority": rule.priority, "protocol": PROTOCOL}
    request.update({"action": "unreachable"} if rule.unreachable else {"table": rule.table})
    for key, value in (("src", rule.src), ("dst", rule.dst), ("iifname", rule.iif)):
        if value:
            request[key] = value
    if rule.suppress is not None:
        request["suppress_prefixlen"] = rule.suppress
    return request


def route_request(route: Route, index: int) -> dict[str, object]:
    """Return the keywords of IPRoute.route for one of our routes; index: of its device."""
    request: dict[str, object] = {"family": FAMILIES[route.family], "table": route.table, "dst": route.dst,
                                  "proto": PROTOCOL, "priority": route.metric}
    if not route.dev:
        return {**request, "type": "unreachable"}
    request.update(oif=index, scope=RT_SCOPE_UNIVERSE if route.gateway else RT_SCOPE_LINK)
    if route.gateway:
        request.update(gateway=route.gateway)
    if route.onlink:
        # So that a NIC without an address of its own can send by it as well.
        request.update(flags="onlink")
    return request


def nics_of(links: Iterable[Any], addresses: Iterable[Any]) -> list[Nic]:
    """Return the devices that dumps of links and addresses tell of."""
    links = list(links)
    names = {m["index"]: m.get("IFLA_IFNAME") for m in links}
    members: dict[int, list[str]] = {}
    for m in links:
        members.setdefault(m.get("IFLA_MASTER") or 0, []).append(m.get("IFLA_IFNAME"))
    addresses = list(addresses)
    own, ves = _addresses(addresses), {m["index"] for m in addresses if m.get("IFA_ADDRESS") == VE_GATEWAY}
    return [replace(_nic(m, names, members, own), ve=m["index"] in ves) for m in links]


def _nic(m: Any, names: Mapping[int, str], members: Mapping[int, list[str]], own: Mapping[int, list[str]]) -> Nic:
    info, flags = m.get("IFLA_LINKINFO"), m["flags"]
    return Nic(
        name=m.get("IFLA_IFNAME"), index=m["index"],
        kind=(info.get("IFLA_INFO_KIND") or "") if info else "",
        master=names.get(m.get("IFLA_MASTER") or 0, ""),
        members=tuple(sorted(members.get(m["index"], ()))),
        addresses=tuple(own.get(m["index"], ())),
        up=bool(flags & IFF_UP), carrier=bool(flags & IFF_LOWER_UP),
        loopback=bool(flags & IFF_LOOPBACK), pointopoint=bool(flags & IFF_POINTOPOINT))


def _addresses(messages: Iterable[Any]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for m in messages:
        if m["scope"] == RT_SCOPE_UNIVERSE:
            # IFA_LOCAL is ours where the device is point to point, IFA_ADDRESS then the peer's.
            address = m.get("IFA_LOCAL") or m.get("IFA_ADDRESS")
            found.setdefault(m["index"], []).append(f"{address}/{m['prefixlen']}")
    return found


def gateways_of(routes: Iterable[Any], names: Mapping[int, str]) -> Iterator[Gateway]:
    """Return the gateways of the default routes among these, every hop of a multipath one."""
    for m in routes:
        for hop in (m.get("RTA_MULTIPATH") or [m]) if m["dst_len"] == 0 else ():
            index = m.get("RTA_OIF") if hop is m else hop["oif"]
            if hop.get("RTA_GATEWAY"):
                yield Gateway(hop.get("RTA_GATEWAY"), names.get(index, ""))


def local_of(routes: Iterable[Any], names: Mapping[int, str], nics: Nics) -> Iterator[str]:
    """Return the addresses that these routes lead to, each by itself, on the VEs' side.

    Not link-local ones: the kernel has such a route for the VEs' gateway, on each of their devices.
    """
    for m in routes:
        nic = nics.get(names.get(m.get("RTA_OIF") or 0, ""))
        whole = 128 if m["family"] == FAMILIES[6] else 32
        near = (m.get("RTA_DST") or "").startswith("fe80:")
        if m["dst_len"] == whole and nic and not near and _may_hold_ves(nic, nics):
            yield m.get("RTA_DST")


def _may_hold_ves(nic: Nic, nics: Nics) -> bool:
    return nic.kind in ("", "veth", "venet") and not nic.loopback and not nic.master and not is_lan(nic, nics)
