# SPDX-License-Identifier: GPL-2.0-or-later
"""The example node with a NIC for each of two providers, and a VE with addresses of both, of each family."""

from __future__ import annotations

import json

from tests.lab.node import BEYOND, BEYOND6, CLIENT, CLIENT6, CLIENT_B, CLIENT_B6, GATEWAY_B, GATEWAY_B6, MACS
from tests.lab.tap import Tap
from tests.lab.wire import flush_neighbours, ping, send_udp, who_have
from tests.site import NICS, Site, fits, is_carried, pair

ISP1, ISP2 = pair("101"), ("192.168.20.101", "fd00:20::101")
NEAR = {"eth3": (CLIENT, CLIENT6), "eth4": (CLIENT_B, CLIENT_B6)}
WAYS = {**dict.fromkeys(ISP1, "eth3"), **dict.fromkeys(ISP2, "eth4")}
FAR = (BEYOND, BEYOND6)
INI = f"""[node]
reserved = eth0
[uplink:isp1]
device = eth3
[uplink:isp2]
device = eth4
gateway = {GATEWAY_B}
gateway6 = {GATEWAY_B6}
"""


def started(site: Site, uplink: str | None = "isp1 isp2", ini: str = INI) -> None:
    """Start VE 101 with an address of each provider and family on a node that has a NIC for each provider."""
    site.node.second_network()
    site.ini(ini)
    site.ve("101", *ISP1, *ISP2, uplink=uplink)
    site.end_announcers()
    site.vzhooks("resync")


def places(address: str) -> tuple[str, ...]:
    """Return where an address may send to: both LANs, and beyond."""
    return tuple(d for d in (*NEAR["eth3"], *NEAR["eth4"], *FAR) if fits(address, d))


def leaves(site: Site, *lost: str) -> None:
    """Assert that each address leaves by its own NIC, also to the other provider's LAN, by its own one's gateway.

    lost: NICs whose addresses go nowhere. On OpenVZ 9 a VE asks by ARP for each host, some seconds long in vain for
    one that it tries to reach by a lost one; what it sends to that host by the other waits for the same answer.
    """
    for address, nic in WAYS.items():
        flush_neighbours(site.node.ve("101").box)
        site.leaves_by("101", None if nic in lost else nic, places(address), src=address, count=3)


def leaks_nothing(site: Site) -> None:
    """Assert that each address leaves by its own NIC or not at all, wherever main leads."""
    for address, nic in WAYS.items():
        with site.only_by(nic, src=address):
            for to in places(address):
                send_udp(site.node.ve("101").box, address, to)


def arrives(site: Site) -> None:
    """Assert that each provider's network reaches its address by its NIC alone, and hears nothing of the other's."""
    second = site.node.second
    for (mine, others), box, nic in (((ISP1, ISP2), site.node.client, "eth3"), ((ISP2, ISP1), second, "eth4")):
        flush_neighbours(box)
        with Tap(site.node.hn, *NICS) as tap:
            assert [ping(box, a, count=3) for a in mine] == [3, 3], (nic, tap.frames)
            into = {f.nic for f in tap.find(outgoing=False) if f.dst in mine and f.dst_mac == MACS[f.nic]
                    and is_carried(f)}
        assert into == {nic}
        asked = {a: next(c for c in NEAR[nic] if fits(a, c)) for a in (*mine, *others)}
        assert who_have(box, "eth0", asked) == {**{a: [MACS[nic]] for a in mine}, **{a: [] for a in others}}


def near(site: Site) -> None:
    """Assert that VE, node and a VE of the other provider reach each other by each address."""
    site.ve("102", "192.168.20.102", "fd00:20::102", uplink="isp2")
    ve, other = site.node.ve("101").box, site.node.ve("102").box
    own = ("192.168.18.10", "192.168.20.12", "fd00:18::10", "fd00:20::12")
    for address in WAYS:
        for to in (*own, "192.168.20.102", "fd00:20::102"):
            assert not fits(address, to) or ping(ve, to, src=address), (address, to)
        assert ping(site.node.hn, address) and ping(other, address), address


def forget(site: Site) -> None:
    """Empty the neighbour caches of both gateways and of the VE."""
    for box in (site.node.client, site.node.second, site.node.ve("101").box):
        flush_neighbours(box)


def resync(site: Site) -> None:
    """Resync, and hold that nothing is left to do."""
    site.vzhooks("resync")
    site.settled()
    forget(site)


def rows(site: Site, *more: str) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """Return what status says of VE 101: uplink, device, state and addresses of each of its lines."""
    found = json.loads(site.vzhooks("status", "--json", *more, rc=None).stdout)["ves"]
    return [(r["uplink"], r["device"], r["state"], tuple(r["addresses"])) for r in found if r["ve"] == "101"]


BOTH = [("isp1", "eth3", "ok", ISP1), ("isp2", "eth4", "ok", ISP2)]
