"""Plain messages of rtnetlink are read by hand; what says more is left to pyroute2."""

import ipaddress
import struct

import pytest

from vzhooks.kernel import plain
from vzhooks.kernel.nearby import SERVING
from vzhooks.model import Proxy, Route, Rule
from vzhooks.policy.plan import address_of

NAMES = {3: "eth3"}
DST, SRC, OIF, GATEWAY, PRIORITY, TABLE, METRICS, MULTIPATH, NH_ID = 1, 2, 4, 5, 6, 15, 8, 9, 30


def number(value):
    return struct.pack("=I", value)


def message(head, attrs):
    body = head + b"".join(struct.pack("=HH", 4 + len(v), k) + v + bytes(-len(v) % 4) for k, v in attrs.items())
    return struct.pack("=IHHII", 16 + len(body), 24, 2, 1, 0) + body


def route(attrs, family=2, length=32, src_len=0, tos=0, kind=1, flags=0):
    return message(struct.pack("=BBBBBBBBI", family, length, src_len, tos, 254, 118, 253, kind, flags), attrs)


PLAIN = {TABLE: number(254), DST: b"\x0a\0\0\x07", OIF: number(3)}


@pytest.mark.parametrize("attrs, more, found", [
    (PLAIN, {}, Route(4, 254, "10.0.0.7/32", "eth3")),
    ({**PLAIN, TABLE: number(70000), PRIORITY: number(9)}, {}, Route(4, 70000, "10.0.0.7/32", "eth3", "", 9)),
    ({**PLAIN, OIF: number(9)}, {"length": 24}, Route(4, 254, "10.0.0.7/24", "?")),
    ({OIF: number(3)}, {"length": 0}, Route(4, 254, "default", "eth3")),
    ({DST: PLAIN[DST]}, {"kind": 9}, Route(4, 254, "10.0.0.7/32", type="throw")),
    ({DST: PLAIN[DST]}, {"kind": 7}, Route(4, 254, "10.0.0.7/32")),
    ({DST: bytes(15) + b"\1", OIF: number(3)}, {"family": 10, "length": 128}, Route(6, 254, "::1/128", "eth3")),
    ({**PLAIN, GATEWAY: b"\x0a\0\0\1"}, {}, None), ({**PLAIN, METRICS: b""}, {}, None),
    ({**PLAIN, MULTIPATH: b""}, {}, None), ({**PLAIN, NH_ID: number(1)}, {}, None), (PLAIN, {"src_len": 8}, None),
    (PLAIN, {"tos": 16}, None), (PLAIN, {"flags": 0x200}, None), (PLAIN, {"kind": 2}, None),
    ({TABLE: number(254), OIF: number(3)}, {}, None), ({DST: PLAIN[DST]}, {}, None), (PLAIN, {"family": 28}, None)])
def test_a_route_is_read_where_it_is_plain(attrs, more, found):
    assert plain.route(route(attrs, **more), NAMES) == found


FRA = {15: number(10000), 6: number(1020), 21: b"\x76", 14: number(0xFFFFFFFF)}


@pytest.mark.parametrize("attrs, more, found", [
    ({**FRA, 2: b"\x0a\0\0\x07"}, {"src_len": 32}, Rule(4, 1020, 10000, "10.0.0.7/32")),
    ({**FRA, 1: b"\x0a\0\0\x07", 14: number(31)}, {"length": 32}, Rule(4, 1020, 10000, dst="10.0.0.7/32", suppress=31)),
    ({**FRA, 3: b"venet0\0"}, {"kind": 7}, Rule(4, 1020, iif="venet0", unreachable=True)),
    ({**FRA, 4: number(1050)}, {"kind": 2}, Rule(4, 1020, goto=1050)), (FRA, {"kind": 3}, Rule(4, 1020)),
    ({**FRA, 10: number(1)}, {}, None), ({**FRA, 17: b"eth0\0"}, {}, None), (FRA, {"kind": 8}, None),
    (FRA, {"tos": 4}, None), (FRA, {"flags": 2}, None)])
def test_a_rule_is_read_where_it_is_plain(attrs, more, found):
    sent = route(attrs, **{"length": 0, **more})
    assert plain.rule(sent) == (1020, 118, found)


@pytest.mark.parametrize("flags, attrs, found", [
    (8, {1: b"\x0a\0\0\x07", 12: b"\x76"}, (Proxy(4, "10.0.0.7", "eth3"), 118)),
    (8, {1: b"\x0a\0\0\x07"}, (Proxy(4, "10.0.0.7", "eth3"), 0)), (0, {1: b"\x0a\0\0\x07"}, None), (8, {}, None)])
def test_a_published_address_is_told_from_other_neighbours(flags, attrs, found):
    assert plain.proxy(message(struct.pack("=BxxxiHBB", 2, 3, 0, flags, 0), attrs), NAMES) == found


@pytest.mark.parametrize("text", ["10.0.0.1", "255.255.255.255", "fd00::1", "::", "::1.2.3.4", "::ffff:1.2.3.4",
                                  "1:0:0:2::3", "fe80::1:0:0:0"])
def test_an_address_is_read_as_we_write_it(text):
    ip = ipaddress.ip_address(text)
    assert plain.address(ip.packed) == str(ip)


def test_a_rule_that_need_not_be_read_serves_one_address():
    """What a look at some addresses passes over is what it could not take away either."""
    assert all(address_of(Rule(4, p, src="10.0.0.7/32")) == "10.0.0.7" for p in SERVING)
