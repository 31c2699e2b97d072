"""Questions are as the RFCs have them, and only whole answers are heard."""

import struct

import pytest

from tests.lab.packets import parse
from vzhooks.neighbours.announce import ETH_P_ARP, ETH_P_IPV6, checksum
from vzhooks.neighbours.questions import ETH_P_IP, Heard, group_mac, heard, ping, who_has

MAC, OTHER = bytes.fromhex("000c29b3a268"), bytes.fromhex("000c29d2c7aa")
GATEWAY, GATEWAY6, OWN, OWN6 = "192.168.18.1", "fd00:18::1", "192.168.18.11", "fd00:18::11"
DATA = b"\0\1\0\2keykey12"


def on_the_wire(packet, kind, to=b"\xff" * 6):
    return parse(to + MAC + struct.pack("!H", kind) + packet)


@pytest.mark.parametrize("source, sender", [(OWN, OWN), ("", "0.0.0.0")])
def test_who_has(source, sender):
    asked = on_the_wire(who_has(GATEWAY, MAC, source), ETH_P_ARP)
    assert (asked.proto, asked.src, asked.dst, asked.info) == ("arp", sender, GATEWAY, "who-has")


@pytest.mark.parametrize("source, sender", [(OWN6, OWN6), ("", "::")])
def test_a_solicitation(source, sender):
    packet = who_has(GATEWAY6, MAC, source)
    asked = on_the_wire(packet, ETH_P_IPV6, group_mac(GATEWAY6))
    assert (asked.src, asked.info, asked.dst_mac) == (sender, f"solicit {GATEWAY6}", "33:33:ff:00:00:01")
    assert packet[7] == 255 and packet.endswith(b"\1\1" + MAC) is bool(source)


def test_a_ping_has_right_checksums():
    packet = ping("203.0.113.9", OWN, DATA)
    assert checksum(packet[:20]) == checksum(packet[20:]) == 0 and packet[2:4] == struct.pack("!H", len(packet))
    assert packet[20:22] == b"\x08\0" and packet.endswith(DATA)
    assert ping("2001:db8::9", OWN6, DATA)[40] == 128


def reply(address, own, data):
    """Return the answer to a ping, which is the ping with its ends turned round and another type."""
    packet = bytearray(ping(own, address, data))
    packet[20 if ":" not in own else 40] = 0 if ":" not in own else 129
    return bytes(packet)


def advert(flags=b"\x60\0\0\0", option=b"\2\1" + OTHER, hops=255):
    body = b"\x88\0\0\0" + flags + b"\xfd\0\0\x18" + b"\0" * 11 + b"\1" + option
    return struct.pack("!IHBB", 6 << 28, len(body), 58, hops) + b"\xfe\x80" + b"\0" * 30 + body


ARP = b"\0\1\x08\0\6\4\0\2" + OTHER + b"\xc0\xa8\x12\1" + MAC + b"\xc0\xa8\x12\x0b"
HEARD = {
    "a reply": (ETH_P_ARP, ARP, Heard(GATEWAY, OTHER)),
    "a request": (ETH_P_ARP, ARP[:7] + b"\1" + ARP[8:], None),
    "half a reply": (ETH_P_ARP, ARP[:27], None),
    "an advertisement": (ETH_P_IPV6, advert(), Heard(GATEWAY6, OTHER)),
    "one without an option": (ETH_P_IPV6, advert(option=b""), Heard(GATEWAY6, MAC)),
    "one from afar": (ETH_P_IPV6, advert(hops=254), None),
    "half of one": (ETH_P_IPV6, advert()[:60], None),
    "an answer to a ping": (ETH_P_IP, reply("203.0.113.9", OWN, DATA), Heard("203.0.113.9", echo=DATA)),
    "a ping": (ETH_P_IP, ping(OWN, "203.0.113.9", DATA), None),
    "an answer to an IPv6 ping": (ETH_P_IPV6, reply("2001:db8::9", OWN6, DATA), Heard("2001:db8::9", echo=DATA)),
    "an IPv6 ping": (ETH_P_IPV6, ping(OWN6, "2001:db8::9", DATA), None),
    "nothing": (ETH_P_IP, b"", None), "a datagram": (ETH_P_IP, b"\x45" + b"\0" * 8 + b"\x11" + b"\0" * 30, None),
}


@pytest.mark.parametrize("kind, packet, answer", HEARD.values(), ids=HEARD)
def test_heard_is(kind, packet, answer):
    assert heard(kind, packet, MAC) == answer
