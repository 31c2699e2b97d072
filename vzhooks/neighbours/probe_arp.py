# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask on the wire by ARP who answers for an IPv4 address.

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
from contextlib import ExitStack, suppress

from vzhooks.addresses import family_of
from vzhooks.model import Nic
from vzhooks.neighbours.announce import BROADCAST, ETH_P_ARP

WAIT_S = 1.0  # proxied answers come at random within neigh/NIC/proxy_delay, 0.8 s
NOBODY = "0.0.0.0"
CANDIDATES = 16


def ask(nics: Iterable[Nic], macs: Mapping[str, str], ves: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return, for each IPv4 address of these NICs and of these VEs, the MACs that answer for it, sorted.

    Takes three rounds of a second, whatever the number of NICs.
    """
    nics, found = list(nics), _Answers()
    four = {a for a in ves if family_of(a) == 4}
    near = {nic.name: {a for a in four if any(_in(a, n) for n in nic.networks)} for nic in nics}
    found.add(_round(macs, {nic.name: (_of_mates(nic, nics), NOBODY) for nic in nics}))
    senders = _free_senders([nic for nic in nics if near[nic.name]], macs)
    found.add(_round(macs, {name: (near[name], sender) for name, sender in senders.items()}))
    return {address: tuple(sorted(answered)) for address, answered in found.items()}


class _Answers(dict[str, set[str]]):
    """Hold the MACs that answered for each address."""

    def add(self, more: Mapping[str, Mapping[str, set[str]]]) -> None:
        """Take what was answered on several NICs."""
        for answers in more.values():
            for address, answered in answers.items():
                self.setdefault(address, set()).update(answered)


def _of_mates(nic: Nic, nics: Iterable[Nic]) -> set[str]:
    """Return the addresses of the other NICs on a NIC's LAN."""
    mates = [m for m in nics if m != nic and set(m.networks) & set(nic.networks)]
    return {a for m in mates for a in m.owns if family_of(a) == 4}


def _in(address: str, network: str) -> bool:
    return family_of(network) == 4 and ipaddress.ip_address(address) in ipaddress.ip_network(network)


def _free_senders(nics: Iterable[Nic], macs: Mapping[str, str]) -> dict[str, str]:
    """Return for each NIC an address of its LAN that nobody answers for; none where there is no such address."""
    names = {nic.name: {c for n in nic.networks if family_of(n) == 4 for c in _last_of(n)} - set(nic.owns)
             for nic in nics}
    taken = _round(macs, {name: (asked, NOBODY) for name, asked in names.items()})
    free = {name: asked - set(taken.get(name, ())) for name, asked in names.items()}
    return {name: max(left, key=ipaddress.ip_address) for name, left in free.items() if left}


def _last_of(network: str) -> set[str]:
    """Return the last host addresses of a network, which are seldom in use."""
    whole = ipaddress.ip_network(network)
    last = int(whole.broadcast_address) - 1
    first = max(int(whole.network_address) + 1, last - CANDIDATES)
    return {str(ipaddress.ip_address(n)) for n in range(first, last + 1)}


def _round(macs: Mapping[str, str], questions: Mapping[str, tuple[set[str], str]]) -> dict[str, dict[str, set[str]]]:
    """Ask from each of these NICs for (addresses, as this sender), all at once; return who answered what on each."""
    with ExitStack() as stack:
        lines: dict[socket.socket, str] = {}
        for name, (asked, sender) in questions.items():
            if asked:
                line = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP)))
                with suppress(OSError):  # a NIC that went meanwhile has nobody to ask
                    line.bind((name, ETH_P_ARP))
                    for address in asked:
                        line.send(_question(_mac(macs[name]), sender, address))
                    lines[line] = name
        return _collect(lines, macs, questions)


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _collect(lines: Mapping[socket.socket, str], macs: Mapping[str, str],
             questions: Mapping[str, tuple[set[str], str]]) -> dict[str, dict[str, set[str]]]:
    found: dict[str, dict[str, set[str]]] = {}
    deadline = time.monotonic() + WAIT_S
    while lines and (ready := select.select(list(lines), [], [], max(0.0, deadline - time.monotonic()))[0]):
        for line in ready:
            name, frame = lines[line], _heard(line)
            if len(frame) < 42 or frame[20:22] != b"\0\2" or frame[:6] != _mac(macs[name]):
                continue
            address = socket.inet_ntoa(frame[28:32])
            if address in questions[name][0]:
                found.setdefault(name, {}).setdefault(address, set()).add(frame[22:28].hex(":"))
    return found


def _heard(line: socket.socket) -> bytes:
    try:
        return line.recv(128)
    except OSError:  # ENETDOWN: told once when the NIC goes down
        return b""


def _question(mac: bytes, sender: str, address: str) -> bytes:
    head = BROADCAST + mac + struct.pack("!HHHBBH", ETH_P_ARP, 1, 0x0800, 6, 4, 1)
    return head + mac + socket.inet_aton(sender) + b"\0" * 6 + socket.inet_aton(address)
