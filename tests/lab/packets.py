# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets as bytes: built by hand, parsed to plain values; no input or output here."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

ETH_P_ALL, ETH_P_IP, ETH_P_ARP, ETH_P_IPV6 = 0x0003, 0x0800, 0x0806, 0x86DD
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
BROADCAST = "ff:ff:ff:ff:ff:ff"
ALL_NODES = "ff02::1"
LAB = b"vzhooks lab"
"""What our own packets hold."""

_PROTOCOLS = {ICMP: "icmp", TCP: "tcp", UDP: "udp", ICMP6: "icmp6"}
_ICMP_NAMES = {0: "echo reply", 3: "unreachable", 5: "redirect", 8: "echo request", 11: "time exceeded"}
_ICMP6_NAMES = {1: "unreachable", 128: "echo request", 129: "echo reply", 137: "redirect"}
_NDP_NAMES = {135: "solicit", 136: "advert"}


class Parsed(NamedTuple):
    """What a frame says: proto is arp, icmp, icmp6, udp, tcp or a number; for ARP src and dst are sender and target."""

    src_mac: str
    dst_mac: str
    proto: str
    src: str
    dst: str
    info: str


def mac_bytes(mac: str) -> bytes:
    """Turn aa:bb:… into six bytes."""
    return bytes.fromhex(mac.replace(":", ""))


def mac_text(mac: bytes) -> str:
    """Turn six bytes into aa:bb:…"""
    return mac.hex(":")


def checksum(data: bytes) -> int:
    """Compute the Internet checksum."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(dst: str, src: str, kind: int, payload: bytes) -> bytes:
    """Build a frame."""
    return mac_bytes(dst) + mac_bytes(src) + struct.pack("!H", kind) + payload


def arp(operation: int, sender_mac: str, sender: str, target: str, target_mac: str = "00:00:00:00:00:00") -> bytes:
    """Build an ARP packet; operation 1 asks, 2 answers."""
    head = struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, operation)
    return head + mac_bytes(sender_mac) + ip_address(sender).packed + mac_bytes(target_mac) + ip_address(target).packed


def echo_request(version: int, ident: int, number: int) -> bytes:
    """Build an ICMP or ICMPv6 echo request (for v6 the kernel fills in the checksum)."""
    kind = 8 if version == 4 else 128
    body = struct.pack("!HH", ident, number) + LAB
    zero = struct.pack("!BBH", kind, 0, 0) + body
    return struct.pack("!BBH", kind, 0, checksum(zero) if version == 4 else 0) + body


def ip_packet(src: str, dst: str, protocol: int, payload: bytes, ttl: int = 64) -> bytes:
    """Build an IPv4 or IPv6 packet, whatever its source."""
    source, target = ip_address(src).packed, ip_address(dst).packed
    if len(source) == 16:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, ttl) + source + target + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, ttl, protocol, 0, source, target)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def udp(src: str, dst: str, source_port: int, port: int, data: bytes) -> bytes:
    """Build a UDP datagram with its checksum."""
    length = 8 + len(data)
    pseudo = ip_address(src).packed + ip_address(dst).packed + struct.pack("!IHBB", length, 0, 0, UDP)
    ports = struct.pack("!HHH", source_port, port, length)
    total = checksum(pseudo + ports + b"\0\0" + data) or 0xFFFF
    return ports + struct.pack("!H", total) + data


def _icmp6(src: str, dst: str, kind: int, body: bytes) -> bytes:
    pseudo = ip_address(src).packed + ip_address(dst).packed + struct.pack("!IHBB", 4 + len(body), 0, 0, ICMP6)
    total = checksum(pseudo + struct.pack("!BBH", kind, 0, 0) + body)
    return ip_packet(src, dst, ICMP6, struct.pack("!BBH", kind, 0, total) + body, ttl=255)


def solicited_node(address: str) -> tuple[str, str]:
    """Tell the solicited-node multicast address of an IPv6 address and its MAC."""
    tail = IPv6Address(address).packed[-3:]
    group = IPv6Address(bytes.fromhex("ff0200000000000000000001ff") + tail)
    return str(group), mac_text(b"\x33\x33\xff" + tail)


def solicitation(mac: str, src: str, target: str) -> bytes:
    """Build the frame of a multicast neighbour solicitation."""
    group, group_mac = solicited_node(target)
    body = b"\0\0\0\0" + IPv6Address(target).packed + b"\x01\x01" + mac_bytes(mac)
    return ethernet(group_mac, mac, ETH_P_IPV6, _icmp6(src, group, 135, body))


def advertisement(mac: str, target: str) -> bytes:
    """Build the frame of an unsolicited neighbour advertisement (override set)."""
    body = b"\x20\0\0\0" + IPv6Address(target).packed + b"\x02\x01" + mac_bytes(mac)
    return ethernet("33:33:00:00:00:01", mac, ETH_P_IPV6, _icmp6(target, ALL_NODES, 136, body))


def router_advertisement(mac: str, src: str, lifetime_s: int) -> bytes:
    """Build the frame by which a router offers itself as default gateway (RFC 4861, 4.2)."""
    body = struct.pack("!BBHII", 64, 0, lifetime_s, 0, 0) + b"\x01\x01" + mac_bytes(mac)
    return ethernet("33:33:00:00:00:01", mac, ETH_P_IPV6, _icmp6(src, ALL_NODES, 134, body))


def parse(frame: bytes) -> Parsed:
    """Read a frame; what is unknown or cut short stays empty."""
    if len(frame) < 14:
        return Parsed("", "", "?", "", "", "")
    dst, src, kind = mac_text(frame[:6]), mac_text(frame[6:12]), struct.unpack("!H", frame[12:14])[0]
    body = frame[14:]
    if kind == ETH_P_ARP and len(body) >= 28:
        return Parsed(src, dst, *_parse_arp(body))
    if kind == ETH_P_IP and len(body) >= 20:
        return Parsed(src, dst, *_parse_ip(body))
    if kind == ETH_P_IPV6 and len(body) >= 40:
        return Parsed(src, dst, *_parse_ip6(body))
    return Parsed(src, dst, f"{kind:#06x}", "", "", "")


def _parse_arp(body: bytes) -> tuple[str, str, str, str]:
    operation = struct.unpack("!H", body[6:8])[0]
    sender, target = ip_address(body[14:18]), ip_address(body[24:28])
    info = "who-has" if operation == 1 else f"is-at {mac_text(body[8:14])}"
    return "arp", str(sender), str(target), info


def _parse_ip(body: bytes) -> tuple[str, str, str, str]:
    protocol, rest = body[9], body[(body[0] & 15) * 4 :]
    info = _transport(protocol, rest)
    if protocol == ICMP and rest:
        info = _ICMP_NAMES.get(rest[0], str(rest[0]))
    return _PROTOCOLS.get(protocol, str(protocol)), str(ip_address(body[12:16])), str(ip_address(body[16:20])), info


def _parse_ip6(body: bytes) -> tuple[str, str, str, str]:
    protocol, rest = body[6], body[40:]
    info = _transport(protocol, rest)
    if protocol == ICMP6 and rest:
        info = _ICMP6_NAMES.get(rest[0], str(rest[0]))
        if rest[0] in _NDP_NAMES and len(rest) >= 24:
            info = f"{_NDP_NAMES[rest[0]]} {ip_address(rest[8:24])}"
    return _PROTOCOLS.get(protocol, str(protocol)), str(ip_address(body[8:24])), str(ip_address(body[24:40])), info


def _transport(protocol: int, rest: bytes) -> str:
    if protocol not in (TCP, UDP) or len(rest) < 4:
        return ""
    source, target = struct.unpack("!HH", rest[:4])
    return f"{source} > {target}"
