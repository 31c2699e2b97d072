# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask on the wire by neighbour solicitations who answers for an IPv6 address.

They come from nobody (`::`), as those that look for duplicates do (RFC 4862, 5.4.2): the answer goes to
all nodes and nobody's cache learns our own address.
"""

from __future__ import annotations

import ctypes
import ipaddress
import select
import socket
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress

from vzhooks.addresses import family_of
from vzhooks.model import Nic
from vzhooks.neighbours.announce import ALL_NODES_MAC, ETH_P_IPV6, NA_TYPE, OPT_TARGET_MAC, icmpv6

WAIT_S = 1.0  # proxied answers come at random within neigh/NIC/proxy_delay, 0.8 s
NS_TYPE = 135
NOBODY = bytes(16)
# include/uapi/linux/if_packet.h, asm-generic/socket.h
PACKET_ADD_MEMBERSHIP, PACKET_MR_ALLMULTI, SOL_PACKET = 1, 2, 263
SO_ATTACH_FILTER = 26
# bpf_common.h: load byte 20 (next header), then 54 (type); keep advertisements alone, so that a busy NIC costs nothing.
FILTER = ((0x30, 0, 0, 20), (0x15, 0, 3, socket.IPPROTO_ICMPV6), (0x30, 0, 0, 54), (0x15, 0, 1, NA_TYPE),
          (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0))


def ask(nics: Iterable[Nic], macs: Mapping[str, str], ves: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return, for each IPv6 address of these NICs and of these VEs, the MACs that answer for it, sorted.

    Takes a second, whatever the number of NICs; none where no NIC has an IPv6 network.
    """
    nics, six = list(nics), [a for a in ves if family_of(a) == 6]
    questions = {nic: _of_mates(nic, nics) | {a for a in six if _near(a, nic)} for nic in nics}
    found: dict[str, set[str]] = {}
    for address, mac in _round({nic.name: asked for nic, asked in questions.items() if asked}, macs):
        found.setdefault(address, set()).add(mac)
    return {address: tuple(sorted(answered)) for address, answered in found.items()}


def _of_mates(nic: Nic, nics: Iterable[Nic]) -> set[str]:
    """Return the addresses of the other NICs on a NIC's LAN."""
    return {a for mate in nics if mate != nic for a in mate.owns if family_of(a) == 6 and _near(a, nic)}


def _near(address: str, nic: Nic) -> bool:
    ip = ipaddress.ip_address(address)
    return any(ip in ipaddress.ip_network(n) for n in nic.networks if family_of(n) == 6)


def _round(questions: Mapping[str, set[str]], macs: Mapping[str, str]) -> set[tuple[str, str]]:
    """Ask from each of these NICs for addresses, all at once; return (address, MAC) of each answer."""
    with ExitStack() as stack:
        lines: dict[socket.socket, str] = {}
        for name, asked in questions.items():
            line = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
            with suppress(OSError):  # a NIC that went meanwhile has nobody to ask
                _listen(line, name)
                for address in asked:
                    line.send(solicitation(address, bytes.fromhex(macs[name].replace(":", ""))))
                lines[line] = name
        return {(a, mac) for a, mac, name in _collect(lines) if a in questions[name] and mac != macs[name]}


def _listen(line: socket.socket, name: str) -> None:
    """Bind a socket to a NIC, for advertisements to all nodes alone."""
    attach(line, FILTER)
    line.bind((name, ETH_P_IPV6))
    member = struct.pack("iHH8s", socket.if_nametoindex(name), PACKET_MR_ALLMULTI, 0, b"")
    line.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, member)


def attach(line: socket.socket, code: Sequence[tuple[int, int, int, int]]) -> None:
    """Let a packet socket have only what this filter keeps (bpf(4), as SO_ATTACH_FILTER takes it)."""
    text = (ctypes.c_char * (8 * len(code))).from_buffer_copy(b"".join(struct.pack("HBBI", *step) for step in code))
    line.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(code), ctypes.addressof(text)))


def _collect(lines: Mapping[socket.socket, str]) -> Iterable[tuple[str, str, str]]:
    deadline = time.monotonic() + WAIT_S
    while lines and (ready := select.select(list(lines), [], [], max(0.0, deadline - time.monotonic()))[0]):
        for line in ready:
            frame = _heard(line)
            if len(frame) >= 78 and frame[:6] == ALL_NODES_MAC:
                yield str(ipaddress.IPv6Address(frame[62:78])), _sender(frame), lines[line]


def _heard(line: socket.socket) -> bytes:
    try:
        return line.recv(256)
    except OSError:  # ENETDOWN: told once when the NIC goes down
        return b""


def _sender(frame: bytes) -> str:
    """Return the MAC that an advertisement tells, else the one it came from."""
    told = frame[80:86] if len(frame) >= 86 and frame[78:80] == bytes((OPT_TARGET_MAC, 1)) else frame[6:12]
    return told.hex(":")


def solicitation(address: str, mac: bytes) -> bytes:
    """Return the Ethernet frame that asks who has an IPv6 address, in nobody's name (RFC 4861, 4.3)."""
    target = ipaddress.IPv6Address(address).packed
    group = ipaddress.IPv6Address("ff02::1:ff00:0").packed[:13] + target[13:]  # RFC 4291, 2.7.1
    body = struct.pack("!BBHI", NS_TYPE, 0, 0, 0) + target
    return icmpv6(b"\x33\x33" + group[12:] + mac, NOBODY, group, body)
