# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask on the wire who answers for an address, from the HN's own NICs.

A NIC does not hear its own question, so each address is asked for from every other NIC of its LAN.
The HN's own addresses are asked for as RFC 5227 probes (sender 0.0.0.0), which touch nobody's cache.
For proxied addresses the kernel wants a sender, so one is taken that first proved to be nobody's.
"""

from __future__ import annotations

import ipaddress
import select
import socket
import struct
import time
from collections.abc import Iterable, Mapping

from vzhooks.announce import BROADCAST, ETH_P_ARP
from vzhooks.model import Nic, family_of

WAIT_S = 1.0  # proxied answers come at random within neigh/NIC/proxy_delay, 0.8 s
NOBODY = "0.0.0.0"
CANDIDATES = 16


def ask(nics: Iterable[Nic], macs: Mapping[str, str], ves: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return, for each IPv4 address of these NICs and of these VEs, the MACs that answer for it, sorted."""
    nics = [n for n in nics if n.up and n.carrier and n.name in macs]
    found: dict[str, set[str]] = {}
    for nic in nics:
        mates = [m for m in nics if set(m.networks) & set(nic.networks)]
        own = {a for m in mates if m != nic for a in m.owns if family_of(a) == 4}
        for address, answered in _round(nic, macs, own, NOBODY).items():
            found.setdefault(address, set()).update(answered)
        near = {a for a in ves if family_of(a) == 4 and any(_in(a, n) for n in nic.networks)}
        sender = _free_sender(nic, macs) if near else ""
        if sender:
            for address, answered in _round(nic, macs, near, sender).items():
                found.setdefault(address, set()).update(answered)
    return {address: tuple(sorted(answered)) for address, answered in found.items()}


def _in(address: str, network: str) -> bool:
    return family_of(network) == 4 and ipaddress.ip_address(address) in ipaddress.ip_network(network)


def _free_sender(nic: Nic, macs: Mapping[str, str]) -> str:
    """Return an address of the NIC's LAN that nobody answers for; "" if there is none."""
    for network in (n for n in nic.networks if family_of(n) == 4):
        last = int(ipaddress.ip_network(network).broadcast_address) - 1
        first = max(int(ipaddress.ip_network(network).network_address) + 1, last - CANDIDATES)
        names = {str(ipaddress.ip_address(n)) for n in range(first, last + 1)} - set(nic.owns)
        taken = _round(nic, macs, names, NOBODY)
        free = sorted(names - set(taken))
        if free:
            return free[-1]
    return ""


def _round(nic: Nic, macs: Mapping[str, str], addresses: Iterable[str], sender: str) -> dict[str, set[str]]:
    """Ask from one NIC for all addresses at once; return those answered, with the MACs."""
    asked = set(addresses)
    if not asked:
        return {}
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP)) as wire:
        wire.bind((nic.name, ETH_P_ARP))
        mac = bytes.fromhex(macs[nic.name].replace(":", ""))
        for address in asked:
            wire.send(_question(mac, sender, address))
        return _collect(wire, mac, asked)


def _collect(wire: socket.socket, mac: bytes, asked: set[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    deadline = time.monotonic() + WAIT_S
    while select.select([wire], [], [], max(0.0, deadline - time.monotonic()))[0]:
        frame = wire.recv(128)
        if len(frame) < 42 or frame[20:22] != b"\0\2" or frame[:6] != mac:
            continue
        address = socket.inet_ntoa(frame[28:32])
        if address in asked:
            found.setdefault(address, set()).add(frame[22:28].hex(":"))
    return found


def _question(mac: bytes, sender: str, address: str) -> bytes:
    head = BROADCAST + mac + struct.pack("!HHHBBH", ETH_P_ARP, 1, 0x0800, 6, 4, 1)
    return head + mac + socket.inet_aton(sender) + b"\0" * 6 + socket.inet_aton(address)
