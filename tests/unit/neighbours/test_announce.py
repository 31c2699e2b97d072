"""What neighbours hear, byte by byte."""

import struct

from vzhooks.neighbours.announce import frame

MAC = bytes.fromhex("000c29b3a268")


def test_an_arp_announcement_is_a_request_for_the_address_itself():
    sent = frame("192.168.18.101", MAC)
    ip = bytes([192, 168, 18, 101])
    assert sent[:14] == b"\xff" * 6 + MAC + b"\x08\x06"
    assert sent[14:] == bytes.fromhex("0001080006040001") + MAC + ip + b"\0" * 6 + ip


def test_an_unsolicited_advertisement_overrides_and_has_a_right_checksum():
    sent = frame("fd00:18::101", MAC)
    assert sent[:14] == bytes.fromhex("333300000001") + MAC + b"\x86\xdd"
    packet = sent[14:]
    body = packet[40:]
    assert packet[7] == 255  # RFC 4861, 7.1.2: other hop limits are discarded
    assert body[0] == 136
    assert body[4:8] == bytes.fromhex("20000000")
    assert body[24:] == bytes([2, 1]) + MAC
    words = struct.unpack(f"!{(40 + len(body)) // 2}H", packet[8:40] + struct.pack("!II", len(body), 58) + body)
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF
