# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the packets that ask whether somebody is there, and read the answers: ARP, neighbour discovery, ping. Pure.

Without the link's own header: a packet socket of SOCK_DGRAM writes that itself, whatever the device.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import dataclass

from vzhooks.neighbours.announce import ETH_P_ARP, ETH_P_IPV6, NA_TYPE, OPT_TARGET_MAC, checksum, icmpv6

ETH_P_IP = 0x0800
NOBODY4, NOBODY6 = bytes(4), bytes(16)
NS_TYPE, OPT_SOURCE_MAC = 135, 1  # RFC 4861, 4.3 and 4.6.1
ECHO, ECHO_REPLY, ECHO6, ECHO6_REPLY = 8, 0, 128, 129  # RFC 792; RFC 4443, 4
NO_MACS = bytes(12)
# bpf_common.h; offsets are those of the network header. Keep answers alone, so that a busy NIC costs nothing.
FILTERS = {
    ETH_P_ARP: ((0x28, 0, 0, 6), (0x15, 0, 1, 2), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0)),
    ETH_P_IP: ((0x30, 0, 0, 9), (0x15, 0, 4, socket.IPPROTO_ICMP), (0xB1, 0, 0, 0), (0x50, 0, 0, 0),
               (0x15, 0, 1, ECHO_REPLY), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0)),
    ETH_P_IPV6: ((0x30, 0, 0, 6), (0x15, 0, 4, socket.IPPROTO_ICMPV6), (0x30, 0, 0, 40), (0x15, 1, 0, NA_TYPE),
                 (0x15, 0, 1, ECHO6_REPLY), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0)),
}


@dataclass(frozen=True)
class Heard:
    """Hold one answer: a neighbour's, with its MAC, or to a ping, with what the ping held."""

    address: str
    mac: bytes = b""
    echo: bytes = b""


def who_has(address: str, mac: bytes, source: str) -> bytes:
    """Ask for a neighbour, from an address of ours or in nobody's name: as RFC 5227, 1.1 and RFC 4862, 5.4.2 do."""
    ip = ipaddress.ip_address(address)
    own = ipaddress.ip_address(source).packed if source else b""
    if ip.version == 4:
        head = struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, 1)
        return head + mac + (own or NOBODY4) + bytes(6) + ip.packed
    option = struct.pack("!BB", OPT_SOURCE_MAC, 1) + mac if own else b""
    body = struct.pack("!BBHI", NS_TYPE, 0, 0, 0) + ip.packed + option
    return icmpv6(NO_MACS, own or NOBODY6, group_of(address), body)[14:]


def group_of(address: str) -> bytes:
    """Return the group that whoever has an IPv6 address listens to (RFC 4291, 2.7.1)."""
    return ipaddress.IPv6Address("ff02::1:ff00:0").packed[:13] + ipaddress.ip_address(address).packed[13:]


def group_mac(address: str) -> bytes:
    """Return the MAC by which all are asked who may have an address."""
    return b"\xff" * 6 if ":" not in address else b"\x33\x33" + group_of(address)[12:]


def ping(address: str, source: str, data: bytes) -> bytes:
    """Return a ping that holds these 12 bytes: identifier, number, and what nobody else knows."""
    src, dst = ipaddress.ip_address(source), ipaddress.ip_address(address)
    if dst.version == 6:
        return icmpv6(NO_MACS, src.packed, dst.packed, struct.pack("!BBH", ECHO6, 0, 0) + data)[14:]
    body = struct.pack("!BBH", ECHO, 0, checksum(struct.pack("!BBH", ECHO, 0, 0) + data)) + data
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0x4000, 64, socket.IPPROTO_ICMP, 0,
                       src.packed, dst.packed)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def heard(protocol: int, packet: bytes, sender: bytes) -> Heard | None:
    """Return what an answer says, None for what is none; sender: the MAC that it came from."""
    if protocol == ETH_P_ARP and len(packet) >= 28 and packet[4:8] == b"\6\4\0\2":
        return Heard(socket.inet_ntoa(packet[14:18]), packet[8:14])
    if protocol == ETH_P_IP and len(packet) >= 28 and packet[9] == socket.IPPROTO_ICMP:
        body = packet[(packet[0] & 15) * 4:]
        return Heard(socket.inet_ntoa(packet[12:16]), echo=body[4:16]) if body[:1] == bytes([ECHO_REPLY]) else None
    if protocol == ETH_P_IPV6 and len(packet) >= 56 and packet[6] == socket.IPPROTO_ICMPV6:
        return _heard6(packet, sender)
    return None


def _heard6(packet: bytes, sender: bytes) -> Heard | None:
    if packet[40] == ECHO6_REPLY:
        return Heard(str(ipaddress.IPv6Address(packet[8:24])), echo=packet[44:56])
    if packet[40] == NA_TYPE and packet[7] == 255 and len(packet) >= 64:
        told = packet[66:72] if packet[64:66] == bytes((OPT_TARGET_MAC, 1)) else sender
        return Heard(str(ipaddress.IPv6Address(packet[48:64])), told)
    return None
