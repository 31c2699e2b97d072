# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure the ways of what lives on a node besides VEs, and go with it through all that vzhooks does to a node."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Union

from tests.lab.box import Box
from tests.lab.bystanders import DNAT_PORT, SERVICE_PORT, Guest
from tests.lab.links import family_of
from tests.lab.tap import Tap
from tests.lab.wire import IP_TRANSPARENT, flush_neighbours, ping, send_udp
from tests.site import BEYONDS, CLIENTS, NICS, OWN, Site, fits, pair

Way = Union[bool, str, None]
"""None: not reached, which may become better."""
Ways = dict[str, Way]
Look = Callable[[], Way]
Looks = dict[str, Look]
"""A way's name, and what looks at it now."""
OWN4 = ("192.168.18.10", "192.168.18.11", "192.168.18.12")
TIMEOUT_S = 0.4
ASSIGNED = "101"
TRIES = 2


def reaches(box: Box, dst: str, src: str | None = None) -> bool:
    """Tell whether both of two pings are answered."""
    return ping(box, dst, src=src, count=2, interval=0, timeout=TIMEOUT_S) == 2


def leaves(site: Site, box: Box, src: str, dst: str, *more: str) -> str:
    """Name the NICs by which a datagram of a box leaves the node, seen under its destination; "" for none."""
    with Tap(site.node.hn, *NICS, *more) as tap:
        send_udp(box, src, dst)
        found = tap.find(outgoing=True, dst=dst, proto="udp", info="> 9")
    return " ".join(sorted({f.nic for f in found if f.info.endswith("> 9")}))


def is_served(box: Box, server: Box, dst: str, port: int = DNAT_PORT, own: int = SERVICE_PORT) -> bool:
    """Tell whether a datagram to this address and port comes to a server, and its answer back."""
    with server.socket(family_of(dst), socket.SOCK_DGRAM) as service, box.socket(family_of(dst),
                                                                                  socket.SOCK_DGRAM) as asker:
        service.bind(("", own))
        asker.connect((dst, port))
        try:
            asker.send(b"ask")
            if not _comes(service):
                return False
            service.sendto(b"answer", service.recvfrom(64)[1])
            return _comes(asker) and asker.recv(64) == b"answer"
        except OSError:  # nobody there: an ICMP error came back
            return False


def is_intercepted(box: Box, node: Box, src: str, dst: str) -> bool:
    """Tell whether the node's transparent proxy at port 5353 gets a datagram that goes to port 53 elsewhere."""
    with node.socket(socket.AF_INET, socket.SOCK_DGRAM) as proxy:
        proxy.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
        proxy.bind(("", 5353))
        send_udp(box, src, dst, port=53)
        return _comes(proxy)


def _comes(sock: socket.socket) -> bool:
    return bool(select.select([sock], [], [], TIMEOUT_S)[0])


def of_guest(site: Site, guest: Guest, running: Iterable[str]) -> Looks:
    """Look at a guest's ways to the LAN, beyond it, to the node and to VEs, and theirs to it, by each family."""
    name, box, node = guest.name, guest.box, site.node
    looks: Looks = {}
    assigned = [c for c in running if not (guest.leads_off and c == ASSIGNED)]
    for own, client, beyond in zip(guest.addresses, CLIENTS, BEYONDS):
        near = [dst for dst in (client, beyond, *OWN) if fits(own, dst)]
        looks.update({f"{own} -> {dst}": partial(reaches, box, dst) for dst in near})
        looks.update({f"{own} leaves to {dst} by": partial(leaves, site, box, own, dst) for dst in (client, beyond)})
        looks[f"node -> {name} {own}"] = partial(reaches, node.hn, own)
        if not guest.masqueraded:
            looks[f"client -> {name} {own}"] = partial(reaches, node.client, own)
        for ctid, ve in ((c, a) for c in assigned for a in pair(c) if fits(a, own)):
            looks[f"{name} -> {ve}"] = partial(reaches, box, ve)
            looks[f"VE {ctid} -> {own}"] = partial(reaches, node.ve(ctid).box, own)
    return looks


def of_service(site: Site, server: Box, running: Iterable[str]) -> Looks:
    """Look who is served at the node's addresses by the container that they are translated to."""
    asking = {"client": site.node.client, **{f"VE {ctid}": site.node.ve(ctid).box for ctid in running}}
    return {f"{name} -> {dst} port {DNAT_PORT}": partial(is_served, box, server, dst)
            for name, box in asking.items() for dst in OWN}


def of_addresses(site: Site, addresses: Iterable[str]) -> Looks:
    """Look whether the LAN reaches addresses of the node, and they the LAN and beyond; it may become better."""
    both = [(own, dst) for own in addresses for dst in (*CLIENTS, *BEYONDS) if fits(own, dst)]
    looks = {f"client -> {own}": partial(reaches, site.node.client, own) for own in addresses}
    looks.update({f"{own} -> {dst}": partial(reaches, site.node.hn, dst, src=own) for own, dst in both})
    return better(looks)


def better(looks: Looks) -> Looks:
    """Let ways that lead nowhere at first lead somewhere later."""
    return {way: partial(_or_none, look) for way, look in looks.items()}


def _or_none(look: Look) -> Way:
    found = look()
    return None if found is False else found


def of_ve(site: Site, ctid: str) -> Looks:
    """Look by which NIC a VE's packets leave, and who reaches whom."""
    box, node = site.node.ve(ctid).box, site.node
    looks: Looks = {}
    for own in pair(ctid):
        for dst in (d for d in (*CLIENTS, *BEYONDS) if fits(own, d)):
            looks[f"{own} leaves to {dst} by"] = partial(leaves, site, box, own, dst)
            looks[f"{own} -> {dst}"] = partial(reaches, box, dst)
        looks[f"client -> {own}"] = partial(reaches, node.client, own)
        looks[f"node -> {own}"] = partial(reaches, node.hn, own)
    return looks


Measure = Callable[[Site, "tuple[str, ...]"], Looks]


def stages(site: Site, ini: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Lead a node through the life of vzhooks on it; VEs 101 and 105 run, and 101 has an uplink for a while.

    Gives the stage, and the VEs to measure in it; what others use is never eth4.
    """
    site.both("101", "105")
    yield "before", ("101", "105")
    site.install()
    site.ini(ini)
    site.vzhooks("set", "101", "--uplink", "eth3", "--save")
    yield "with the first assigned VE", ("101", "105")
    site.ini(f"[node]\nreserved = eth4\n{ini}")
    site.vzhooks("resync")
    yield "with a reserved NIC", ("101", "105")
    assert site.vzctl.stop("101").rc == 0
    yield "after the last assigned VE", ("105",)
    site.vzhooks("uninstall")
    for box in site.node.boxes[1:]:  # what neighbours are told on the way out has its own test
        flush_neighbours(box)
    yield "after uninstall", ("105",)


def stay(site: Site, measure: Measure, ini: str = "") -> Ways:
    """Assert that what is measured before vzhooks is measured in every later stage as well; return it."""
    before: Ways = {}
    lost = []
    for stage, running in stages(site, ini):
        looks = measure(site, running)
        before = before or {way: look() for way, look in looks.items()}
        for way, look in looks.items():
            now = before[way] if before[way] is None else _again(look, before[way])
            lost += [f"{stage}: {way}: {before[way]} -> {now}"] if now != before[way] else []
    assert not lost, "\n".join(lost)
    return before


def _again(look: Look, was: Way) -> Way:
    """Look at a way that was there; twice more where there is none, since a busy machine loses packets."""
    found = look()
    for _ in range(TRIES if was else 0):
        found = found or look()
    return found
