"""What the kernel tells of links is read by hand: which device has none by it."""

import struct

import pytest

from vzhooks.kernel.told import LINKS, TABLE, Told, changes

NEWLINK, DELLINK, UP, LOWER_UP = 16, 17, 1, 1 << 16


def event(kind, index, flags):
    body = struct.pack("=BxHiII", 0, 1, index, flags, 0)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


@pytest.mark.parametrize("kind, flags, dark", [
    (NEWLINK, UP | LOWER_UP, 0), (NEWLINK, UP | LOWER_UP | 0x1002, 0), (NEWLINK, UP, 7), (NEWLINK, LOWER_UP, 7),
    (NEWLINK, 0, 7), (DELLINK, UP | LOWER_UP, 7),
])
def test_a_device_without_a_link_is_told(kind, flags, dark):
    told = list(changes(event(kind, 7, flags) + event(NEWLINK, 8, UP | LOWER_UP)))
    assert [(t.what, t.dark) for t in told] == [(LINKS, dark), (LINKS, 0)]


@pytest.mark.parametrize("length", range(16, 32))
def test_half_an_event_names_no_device(length):
    assert [t.dark for t in changes(event(NEWLINK, 7, 0)[:length])] == [0]


@pytest.mark.parametrize("kind, ruled", [
    (0, True), (2, True), (3, True), (6, True), (8, True), (9, False), (12, False)])
def test_tables_chains_and_rules_of_nftables_are_told_from_what_is_in_sets(kind, ruled):
    """The numbers are those of nf_tables.h: from NFT_MSG_NEWTABLE to DELRULE, then NEWSET and NEWSETELEM."""
    body = bytes(4) + struct.pack("=HH", 4 + 8, 1) + b"others\0\0"
    message = struct.pack("=IHHII", 16 + len(body), 10 << 8 | kind, 0, 0, 0) + body
    assert list(changes(message)) == [Told(TABLE, named="others", ruled=ruled)]
