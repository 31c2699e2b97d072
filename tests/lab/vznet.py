# SPDX-License-Identifier: GPL-2.0-or-later
"""What vzctl 4's vps-net_add and vps-net_del do to the HN: proxy neighbours, announcements, routes, the veip file."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterable
from typing import Any, Callable

from pyroute2 import IPRoute, NetlinkError

from tests.lab.box import Box
from tests.lab.links import IFF_NOARP, IFF_UP, change_route, family_of, host_length
from tests.lab.wire import announce

IFF_LOOPBACK, IFF_SLAVE = 0x8, 0x800
NTF_PROXY = 8
SCOPE_GLOBAL = 0
VEIP_DIR = "/var/lib/vzctl/veip"


def neighbour_devices(hn: Box) -> list[str]:
    """List the interfaces vzctl publishes on: up, not lo, slave, NOARP or a VE's veth, with a global address."""
    with hn.ipr() as ipr:
        addressed = {entry["index"] for entry in ipr.get_addr() if entry["scope"] == SCOPE_GLOBAL}
        links = list(ipr.get_links())
    return [
        link.get("IFLA_IFNAME")
        for link in links
        if link["index"] in addressed
        and link["flags"] & IFF_UP
        and not link["flags"] & (IFF_LOOPBACK | IFF_SLAVE | IFF_NOARP)
        and not re.match(r"veth\d", link.get("IFLA_IFNAME"))
    ]


def net_add(
    hn: Box, ctid: str, addresses: Iterable[str], starting: bool, before_route: Callable[[], object] | None = None
) -> None:
    """Publish, announce and route each address, then note it in the veip file (emptied first at a start)."""
    veip = hn.path(f"{VEIP_DIR}/{ctid}")
    if starting:
        veip.write_text("", encoding="ascii")
    devices = neighbour_devices(hn)
    for address in addresses:
        with hn.ipr() as ipr:
            for device in devices:
                _proxy(ipr, "add", hn.index(device), address)
            announce(hn, devices, address)
            if before_route:
                before_route()
            _add_route(ipr, hn, address)
        with veip.open("a", encoding="ascii") as file:
            file.write(f"{address} ")


def net_del(hn: Box, ctid: str, addresses: Iterable[str], stopping: bool) -> None:
    """Take back what net_add did, by the addresses given; the veip file goes at a stop."""
    gone = list(addresses)
    with hn.ipr() as ipr:
        for address in gone:
            with contextlib.suppress(NetlinkError):  # vps-net_del only warns
                change_route(ipr, "del", f"{address}/{host_length(address)}", oif=hn.index("venet0"))
            for device in neighbour_devices(hn):
                with contextlib.suppress(NetlinkError):
                    _proxy(ipr, "del", hn.index(device), address)
    veip = hn.path(f"{VEIP_DIR}/{ctid}")
    if stopping:
        veip.unlink(missing_ok=True)
    elif veip.exists():
        left = [word for word in veip.read_text(encoding="ascii").split() if word not in gone]
        veip.write_text("".join(f"{word} " for word in left), encoding="ascii")


def _proxy(ipr: IPRoute, verb: str, index: int, address: str) -> None:
    ipr.neigh(verb, family=family_of(address), dst=address, ifindex=index, flags=NTF_PROXY)


def _add_route(ipr: IPRoute, hn: Box, address: str) -> None:
    """Add the host route to main, unless ANY table holds one: vzctl looks at `ip route list table all`."""
    venet0, length = hn.index("venet0"), host_length(address)
    for route in ipr.get_routes(family=family_of(address)):
        same = route.get("RTA_DST") == address and route["dst_len"] == length
        if same and route.get("RTA_OIF") == venet0 and route["type"] == 1:
            return
    options: dict[str, Any] = {"priority": 1024} if family_of(address) == socket.AF_INET6 else {}
    change_route(ipr, "add", f"{address}/{length}", oif=venet0, **options)
