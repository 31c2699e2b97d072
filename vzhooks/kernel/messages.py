# SPDX-License-Identifier: GPL-2.0-or-later
"""Translate between our values and rtnetlink messages as pyroute2 has them. Pure.

pyroute2 drops keywords it does not know without a word (suppress_prefixlength, metric, protocol on
routes), so every request is built here, in one place for each kind of item, and tests read it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from vzhooks.addresses import family_of
from vzhooks.errors import SUPPORTED, KernelError
from vzhooks.model import PROTOCOL, Nic, Route, Rule
from vzhooks.policy.foreign import Other

FAMILIES = {4: 2, 6: 10}
"""AF_INET and AF_INET6 by our own names for them."""
# include/uapi/linux/fib_rules.h, rtnetlink.h, if.h, if_tun.h
FR_ACT_TO_TBL, FR_ACT_GOTO, FR_ACT_NOP, FR_ACT_UNREACHABLE = 1, 2, 3, 7
RTN_UNICAST = 1
NOWHERE = {6: "blackhole", 7: "", 8: "prohibit", 9: "throw"}
"""Types of routes without a device; ours are unreachable unless they say otherwise."""
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK = 0, 253
NO_SUPPRESS = 0xFFFFFFFF
VE_GATEWAY = "fe80::ffff:1:1"
"""What OpenVZ 9 gives the host side of each routed VE (libvzctl scripts/vz-functions, vzcreatepair)."""
IFF_UP, IFF_LOOPBACK, IFF_POINTOPOINT, IFF_LOWER_UP = 1, 8, 16, 1 << 16
IFF_TAP = 2
IPV6_METRIC = 1024
"""What the kernel puts where a request names none (include/uapi/linux/ipv6_route.h, IP6_RT_PRIO_USER)."""


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
                None if suppress in (None, NO_SUPPRESS) else suppress,
                (m.get("FRA_GOTO") or 0) if m["action"] == FR_ACT_GOTO else 0, mark_of(m))


def mark_of(m: Any) -> tuple[int, int] | None:
    """Return value and mask of the mark that a rule message names, None for none; a value of 0 is left out."""
    mark, mask = m.get("FRA_FWMARK"), m.get("FRA_FWMASK")
    return None if mark is None and not mask else (mark or 0, mask or 0)


def rule_request(rule: Rule) -> dict[str, object]:
    """Return the keywords of IPRoute.rule for one of our rules."""
    request: dict[str, object] = {"family": FAMILIES[rule.family], "priority": rule.priority, "protocol": PROTOCOL}
    if rule.goto:
        request.update(action="goto", goto=rule.goto)
    else:
        request.update({"table": rule.table} if rule.table else {"action": rule.action})
    for key, value in (("src", rule.src), ("dst", rule.dst), ("iifname", rule.iif)):
        if value:
            request[key] = value
    if rule.mark:
        request.update(fwmark=rule.mark[0], fwmask=rule.mark[1])
    if rule.suppress is not None:
        request["suppress_prefixlen"] = rule.suppress
    return request


def other_request(rule: Other) -> dict[str, object]:
    """Return the keywords of IPRoute.rule that name a rule of somebody else, one without any other selector."""
    return {"family": FAMILIES[rule.family], "priority": rule.priority, "protocol": rule.protocol, "table": rule.table,
            "src": rule.src}


def routes_of(m: Any, family: int, names: Mapping[int, str]) -> Iterator[Route]:
    """Return the routes that a message tells of: one a hop, none of a type that no packet is forwarded by."""
    dst = f"{m.get('RTA_DST')}/{m['dst_len']}" if m["dst_len"] else "default"
    metric, metrics = m.get("RTA_PRIORITY") or 0, _metrics(m.get("RTA_METRICS"))
    src, tos = f"{m.get('RTA_SRC')}/{m['src_len']}" if m["src_len"] else "", m["tos"]
    if m["type"] in NOWHERE:
        yield Route(family, table_of(m), dst, metric=metric, type=NOWHERE[m["type"]], src=src, tos=tos)
    for hop in (m.get("RTA_MULTIPATH") or [m]) if m["type"] == RTN_UNICAST else ():
        index = m.get("RTA_OIF") if hop is m else hop["oif"]
        via = hop.get("RTA_VIA") or {}
        gateway = hop.get("RTA_GATEWAY") or via.get("addr") or ""
        yield Route(family, table_of(m), dst, names.get(index or 0, "?"), gateway, metric, "", metrics, src, tos)


def _metrics(found: Any) -> tuple[tuple[str, int], ...]:
    attrs = [(name[5:].lower(), value) for name, value in (found["attrs"] if found else ())]
    return tuple(sorted((n, v) for n, v in attrs if isinstance(v, int) and n != "unspec"))


def route_request(route: Route, index: int) -> dict[str, object]:
    """Return the keywords of IPRoute.route for one of our routes; index: of its device."""
    request: dict[str, object] = {"family": FAMILIES[route.family], "table": route.table, "dst": route.dst,
                                  "proto": PROTOCOL, "priority": route.metric}
    request.update({"src": route.src} if route.src else {}, **({"tos": route.tos} if route.tos else {}))
    if route.nowhere:
        return {**request, "type": route.nowhere}
    request.update(oif=index, scope=RT_SCOPE_UNIVERSE if route.gateway else RT_SCOPE_LINK)
    if route.metrics:
        request["metrics"] = dict(route.metrics)
    if route.gateway and family_of(route.gateway) != route.family:
        request["via"] = {"family": FAMILIES[6], "addr": route.gateway}
    elif route.gateway:
        request["gateway"] = route.gateway
    if route.onlink:
        # So that a NIC without an address of its own can send by it as well.
        request["flags"] = "onlink"
    return request


def name_of(m: Any) -> str:
    """Return the name in a link message; pyroute2 leaves one that is no UTF-8 as bytes."""
    name = m.get("IFLA_IFNAME")
    return name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name


def nics_of(links: Iterable[Any], addresses: Iterable[Any]) -> list[Nic]:
    """Return the devices that dumps of links and addresses tell of."""
    links = list(links)
    names = {m["index"]: name_of(m) for m in links}
    members: dict[int, list[str]] = {}
    for m in links:
        members.setdefault(m.get("IFLA_MASTER") or 0, []).append(name_of(m))
    addresses = list(addresses)
    own, ves = _addresses(addresses), {m["index"] for m in addresses if m.get("IFA_ADDRESS") == VE_GATEWAY}
    return [replace(_nic(m, names, members, own), ve=m["index"] in ves) for m in links]


def _nic(m: Any, names: Mapping[int, str], members: Mapping[int, list[str]], own: Mapping[int, list[str]]) -> Nic:
    info, flags, more = m.get("IFLA_LINKINFO"), m["flags"], m.get("IFLA_PROP_LIST")
    kind = (info.get("IFLA_INFO_KIND") or "") if info else ""
    # With a netns id the number is of a device that lives elsewhere.
    link = 0 if m.get("IFLA_LINK_NETNSID") is not None else m.get("IFLA_LINK") or 0
    return Nic(
        name=name_of(m), index=m["index"], kind=kind,
        master=names.get(m.get("IFLA_MASTER") or 0, ""),
        members=tuple(sorted(members.get(m["index"], ()))),
        addresses=tuple(own.get(m["index"], ())),
        up=bool(flags & IFF_UP), carrier=bool(flags & IFF_LOWER_UP),
        loopback=bool(flags & IFF_LOOPBACK), pointopoint=bool(flags & IFF_POINTOPOINT),
        link=names.get(link, "") if link != m["index"] else "",
        altnames=tuple(value for name, value in (more["attrs"] if more else ()) if name == "IFLA_ALT_IFNAME"),
        tap=kind == "tun" and _is_tap(info.get("IFLA_INFO_DATA")), mac=m.get("IFLA_ADDRESS") or "")


def _is_tap(data: Any) -> bool:
    return bool(data) and dict(data["attrs"]).get("IFLA_TUN_TYPE") == IFF_TAP


def _addresses(messages: Iterable[Any]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for m in messages:
        if m["scope"] == RT_SCOPE_UNIVERSE:
            # IFA_LOCAL is ours where the device is point to point, IFA_ADDRESS then the peer's.
            address = m.get("IFA_LOCAL") or m.get("IFA_ADDRESS")
            found.setdefault(m["index"], []).append(f"{address}/{m['prefixlen']}")
    return found
