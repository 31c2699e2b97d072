# SPDX-License-Identifier: GPL-2.0-or-later
"""Links and addresses of a box over rtnetlink."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_interface
from typing import Any

from pyroute2 import IPRoute

from tests.lab.box import Box

IFF_UP = 0x1
IFF_NOARP = 0x80
IFA_F_NODAD = 0x02
MAIN = 254
PROTO_BOOT = 3
SCOPE_LINK = 253


def family_of(address: str) -> int:
    """Tell AF_INET or AF_INET6 of an address or network."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def host_length(address: str) -> int:
    """Tell the prefix length of a single address."""
    return ip_address(address).max_prefixlen


def add_veth(
    ipr: IPRoute, nic: str, peer: str, peer_pid: int, mac: str | None = None, peer_mac: str | None = None
) -> None:
    """Make a veth pair, the peer in the namespace of a process."""
    ends: dict[str, Any] = {"peer": {"ifname": peer, "net_ns_pid": peer_pid}}
    if peer_mac:
        ends["peer"]["address"] = peer_mac
    if mac:
        ends["address"] = mac
    ipr.link("add", ifname=nic, kind="veth", **ends)


def set_link(ipr: IPRoute, index: int, up: bool) -> None:
    """Bring a link up or down."""
    ipr.link("set", index=index, flags=IFF_UP if up else 0, change=IFF_UP)


def up_without_arp(ipr: IPRoute, index: int) -> None:
    """Bring a link up that resolves no neighbours, as venet does."""
    ipr.link("set", index=index, flags=IFF_UP | IFF_NOARP, change=IFF_UP | IFF_NOARP)


def change_address(ipr: IPRoute, verb: str, index: int, cidr: str) -> None:
    """Add or delete an address such as 192.168.18.11/24."""
    interface = ip_interface(cidr)
    options: dict[str, Any] = {"flags": IFA_F_NODAD} if interface.version == 6 and verb == "add" else {}
    ipr.addr(verb, index=index, address=str(interface.ip), prefixlen=interface.network.prefixlen, **options)


def change_route(
    ipr: IPRoute,
    verb: str,
    dst: str,
    *,
    oif: int | None = None,
    gateway: str | None = None,
    table: int = MAIN,
    **more: Any,
) -> None:
    """Add, replace or delete a route as ip(8) does by default (proto boot, scope link without gateway)."""
    options: dict[str, Any] = {"proto": PROTO_BOOT, **more}
    if verb == "del":
        options.pop("proto")
    if oif is not None:
        options["oif"] = oif
    if gateway is not None:
        options["gateway"] = gateway
    options.setdefault("family", family_of(gateway or dst))
    if gateway is None and oif is not None and options["family"] == socket.AF_INET:
        options.setdefault("scope", SCOPE_LINK)
    ipr.route(verb, dst=dst, table=table, **options)


def furnish(box: Box, *, forwarding: bool = False) -> Box:
    """Set the sysctls every box needs before its first interface and bring lo up; returns the box."""
    for key, value in _first_sysctls(forwarding):
        box.sysctl(key, value)
    with box.ipr() as ipr:
        set_link(ipr, 1, True)
    return box


def _first_sysctls(forwarding: bool) -> list[tuple[str, int]]:
    settings = [
        ("net/ipv4/conf/all/rp_filter", 0),
        ("net/ipv4/conf/default/rp_filter", 0),
        ("net/ipv4/conf/all/send_redirects", 0),
        ("net/ipv4/conf/default/send_redirects", 0),
        ("net/ipv6/conf/default/accept_dad", 0),
        ("net/ipv6/conf/all/accept_dad", 0),
        ("net/ipv6/conf/default/accept_ra", 0),
        ("net/ipv6/conf/default/router_solicitations", 0),
        ("net/ipv4/icmp_ratelimit", 0),
    ]
    if forwarding:
        settings.append(("net/ipv4/ip_forward", 1))
        settings += [(f"net/ipv6/conf/{where}/forwarding", 1) for where in ("all", "default")]
    return settings
