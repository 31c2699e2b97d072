# SPDX-License-Identifier: GPL-2.0-or-later
"""What a box can send and ask: pings, spoofed datagrams, who-has, announcements; and what its neighbour cache holds."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from typing import Callable

from tests.lab import packets
from tests.lab.box import Box
from tests.lab.links import family_of
from tests.lab.packets import BROADCAST, ETH_P_ALL, ETH_P_ARP, ETH_P_IPV6
from tests.lab.tap import Frame, Tap, enlarge

__all__ = [
    "Frame",
    "Tap",
    "advertise_router",
    "age_neighbour",
    "announce",
    "flush_neighbours",
    "neighbour",
    "ping",
    "send_udp",
    "who_has",
    "who_has6",
    "who_have",
]

IP_TRANSPARENT, IPV6_TRANSPARENT = 19, 75
NUD_PERMANENT, NUD_NOARP, NUD_STALE = 0x80, 0x40, 0x04


def ping(
    box: Box, dst: str, src: str | None = None, count: int = 1, timeout: float = 1.0, interval: float = 0.01
) -> int:
    """Send echo requests and return how many were answered within `timeout` after the last."""
    version = 6 if ":" in dst else 4
    ident = int.from_bytes(os.urandom(2), "big")
    protocol = packets.ICMP6 if version == 6 else packets.ICMP
    with box.socket(family_of(dst), socket.SOCK_RAW, protocol) as icmp:
        enlarge(icmp)
        if src is not None:
            icmp.bind((src, 0))
        answered: set[int] = set()
        for number in range(count):
            _try_send(icmp, packets.echo_request(version, ident, number), dst)
            if number < count - 1:
                time.sleep(interval)
        _collect_replies(icmp, version, ident, answered, count, timeout)
    return len(answered)


def _try_send(sender: socket.socket, data: bytes, dst: str) -> None:
    with contextlib.suppress(OSError):  # unreachable counts as unanswered
        sender.sendto(data, (dst, 0))


def _collect_replies(
    icmp: socket.socket, version: int, ident: int, answered: set[int], enough: int, timeout: float
) -> None:
    for packet in _packets(icmp, timeout):
        body = packet if version == 6 else packet[(packet[0] & 15) * 4 :]
        if len(body) < 8 or body[0] != (129 if version == 6 else 0):
            continue
        its, number = struct.unpack("!HH", body[4:8])
        if its == ident:
            answered.add(number)
        if len(answered) >= enough:
            return


def _packets(source: socket.socket, timeout: float) -> Iterator[bytes]:
    """Yield what a socket receives until the time is over."""
    deadline = time.monotonic() + timeout
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([source], [], [], left)[0]:
            return
        yield source.recv(2048)


def send_udp(
    box: Box,
    src: str,
    dst: str,
    count: int = 1,
    *,
    port: int = 9,
    source_port: int = 40000,
    interval: float = 0.0,
    data: bytes = b"vzhooks lab",
) -> int:
    """Send datagrams from any source address, own or spoofed; return how many the kernel took."""
    packet = packets.ip_packet(src, dst, packets.UDP, packets.udp(src, dst, source_port, port, data))
    taken = 0
    with box.socket(family_of(dst), socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        _bind_to_any(raw, src)
        for _ in range(count):
            with contextlib.suppress(OSError):  # no route: the packet goes nowhere
                raw.sendto(packet, (dst, 0))
                taken += 1
            if interval:
                time.sleep(interval)
    return taken


def _bind_to_any(raw: socket.socket, src: str) -> None:
    """Let the route be looked up for this source (so that `from` rules count), local or not."""
    if ":" in src:
        raw.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
    else:
        raw.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
    raw.bind((src, 0))


def who_has(box: Box, nic: str, ip: str, sender_ip: str, wait: float = 0.3) -> list[str]:
    """Ask by broadcast who has an IPv4 address; return the MAC of every answer, sorted."""

    def answer(frame: bytes) -> str | None:
        it = packets.parse(frame)
        return it.info[6:] if it.info.startswith("is-at") and it.src == ip else None

    def question(mac: str) -> bytes:
        return packets.ethernet(BROADCAST, mac, ETH_P_ARP, packets.arp(1, mac, sender_ip, ip))

    return _ask(box, nic, ETH_P_ARP, question, answer, wait)


def who_has6(box: Box, nic: str, ip: str, sender_ip: str, wait: float = 0.3) -> list[str]:
    """Ask by neighbour solicitation who has an IPv6 address; return the MAC of every answer, sorted."""

    def answer(frame: bytes) -> str | None:
        it = packets.parse(frame)
        return it.src_mac if it.info == f"advert {ip}" else None

    return _ask(box, nic, ETH_P_IPV6, lambda mac: packets.solicitation(mac, sender_ip, ip), answer, wait)


def _ask(
    box: Box,
    nic: str,
    kind: int,
    question: Callable[[str], bytes],
    answer: Callable[[bytes], str | None],
    wait: float,
) -> list[str]:
    with box.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind)) as line:
        line.bind((nic, kind))
        line.send(question(packets.mac_text(line.getsockname()[4])))
        return sorted(mac for mac in map(answer, _packets(line, wait)) if mac is not None)


def who_have(box: Box, nic: str, asked: Mapping[str, str], wait: float = 0.3) -> dict[str, list[str]]:
    """Ask for addresses of either family at once, each for a sender; return by address the MACs that answer."""
    answers: dict[str, list[str]] = {ip: [] for ip in asked}
    with box.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as line:
        line.bind((nic, ETH_P_ALL))
        mac = packets.mac_text(line.getsockname()[4])
        for ip, sender in asked.items():
            six = packets.solicitation(mac, sender, ip) if ":" in ip else b""
            line.send(six or packets.ethernet(BROADCAST, mac, ETH_P_ARP, packets.arp(1, mac, sender, ip)))
        for it in map(packets.parse, _packets(line, wait)):
            what, _, value = it.info.partition(" ")
            ip = it.src if what == "is-at" else value
            if what in ("is-at", "advert") and ip in answers and it.dst_mac == mac:
                answers[ip].append(value if what == "is-at" else it.src_mac)
    return {ip: sorted(macs) for ip, macs in answers.items()}


def announce(box: Box, nics: list[str], ip: str) -> None:
    """Tell the neighbours of each interface that it has an address (gratuitous ARP, unsolicited advertisement)."""
    kind = ETH_P_IPV6 if ":" in ip else ETH_P_ARP
    with box.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as line:
        for nic in nics:
            line.bind((nic, 0))
            mac = packets.mac_text(line.getsockname()[4])
            if kind == ETH_P_IPV6:
                frame = packets.advertisement(mac, ip)
            else:
                frame = packets.ethernet(BROADCAST, mac, kind, packets.arp(1, mac, ip, ip))
            line.sendto(frame, (nic, kind))


def advertise_router(box: Box, nic: str, src: str, lifetime_s: int = 600) -> None:
    """Offer the box as IPv6 default gateway on an interface, by its link-local address `src`."""
    with box.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as line:
        line.bind((nic, 0))
        mac = packets.mac_text(line.getsockname()[4])
        line.sendto(packets.router_advertisement(mac, src, lifetime_s), (nic, ETH_P_IPV6))


def flush_neighbours(box: Box) -> None:
    """Forget all neighbours that were learnt."""
    with box.ipr() as ipr:
        for family in (socket.AF_INET, socket.AF_INET6):
            for entry in list(ipr.get_neighbours(family=family)):
                if not entry["state"] & (NUD_PERMANENT | NUD_NOARP):
                    ipr.neigh("del", family=family, dst=entry.get("NDA_DST"), ifindex=entry["ifindex"])


def age_neighbour(box: Box, ip: str) -> None:
    """Make a neighbour entry stale, as it is half a minute after it was last confirmed."""
    with box.ipr() as ipr:
        for entry in list(ipr.get_neighbours(family=family_of(ip))):
            if entry.get("NDA_DST") == ip:
                ipr.neigh("change", dst=ip, lladdr=entry.get("NDA_LLADDR"), ifindex=entry["ifindex"], state=NUD_STALE)


def neighbour(box: Box, ip: str) -> str | None:
    """Return the MAC the box has in its cache for an address."""
    with box.ipr() as ipr:
        entries = [entry for entry in ipr.get_neighbours(family=family_of(ip)) if entry.get("NDA_DST") == ip]
    return next((entry.get("NDA_LLADDR") for entry in entries if entry.get("NDA_LLADDR")), None)
