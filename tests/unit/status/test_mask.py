"""A mask hides every address and name, always by the same other one, and keeps what they have to do with each other."""

import ipaddress
import random

import pytest

from vzhooks.status.mask import Mask

KEY = b"k" * 32


def common(a, b):
    """Return how many bits two addresses have in common at their beginning."""
    return a.max_prefixlen - (int(a) ^ int(b)).bit_length()


@pytest.mark.parametrize("kind, width", [(ipaddress.IPv4Address, 32), (ipaddress.IPv6Address, 128)])
def test_what_addresses_have_in_common_stays(kind, width):
    chance, mask = random.Random(1), Mask(KEY)
    for _ in range(60):
        one = kind(chance.getrandbits(width) >> 3 | 1 << (width - 3))
        two = kind(int(one) ^ (1 << chance.randrange(width - 16)))
        assert common(mask.address(one), mask.address(two)) == common(one, two)
        assert mask.address(one) == Mask(KEY).address(one) != Mask(b"x" * 32).address(one)


@pytest.mark.parametrize("text", ["0.0.0.0", "127.0.0.1", "255.255.255.0", "224.0.0.1", "::1", "::", "ff02::1",
                                  "fe80::ffff:1:1", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01",
                                  "version 0.9.7", "12:34:56 and 2026-11-30T15:04:05", "10.1.2", "1.2.3.4.5", "a::b::c",
                                  "vzhooks 1.0.6-2+deb12u1", "0x76", "fwmark 0xff0000/0xff0000", "999.1.1.1"])
def test_what_is_nobody_s_stays(text):
    assert Mask(KEY).text(text) == text


@pytest.mark.parametrize("address", ["192.168.18.101", "203.0.113.9", "fd00:18::101", "2001:db8:113::9", "10.0.0.1",
                                     "fe80::20c:29ff:feb3:a268"])
@pytest.mark.parametrize("around", ["{}", "from {} lookup", "[{}]", "({})", "{}.", "{},", '"{}"', "via {}\n", "={}:x",
                                    "{}%eth3", "{} . eth3", "ip={};", "'{}'"])
def test_an_address_is_hidden_wherever_it_stands(address, around):
    if ":" in address and around in ("={}:x",):
        return
    mask = Mask(KEY)
    told = mask.text(around.format(address))
    assert address not in told
    assert told == around.format(mask.address(ipaddress.ip_address(address)))


def test_a_network_stays_one_and_holds_who_was_in_it():
    mask = Mask(KEY)
    for net, host in (("192.168.18.0/24", "192.168.18.101"), ("fd00:18::/64", "fd00:18::101"),
                      ("10.0.0.0/9", "10.1.1.1")):
        hidden = ipaddress.ip_network(mask.text(net))
        assert ipaddress.ip_address(mask.text(host)) in hidden and str(hidden) != net
    assert mask.text("10.0.0.0/8") == "10.0.0.0/8" and mask.text("0.0.0.0/0 ::/0") == "0.0.0.0/0 ::/0"
    own = mask.text("192.168.18.11/24").split("/")
    assert own == [mask.text("192.168.18.11"), "24"]
    assert mask.text("192.168.18.101/255.255.255.0") == f"{mask.text('192.168.18.101')}/255.255.255.0"


def test_a_mac_keeps_its_vendor():
    told = Mask(KEY).text("link/ether 00:0c:29:b3:a2:68 brd ff:ff:ff:ff:ff:ff")
    assert told.startswith("link/ether 00:0c:29:") and "b3:a2:68" not in told and told.endswith("ff:ff:ff:ff:ff:ff")
    assert Mask(KEY).text("00:0C:29:B3:A2:68") == Mask(KEY).text("00:0c:29:b3:a2:68")


def test_a_solicited_address_is_hidden_in_the_number_that_nft_writes():
    mask, address = Mask(KEY), ipaddress.ip_address("fd00:18::101")
    assert mask.text(f"{{ 0x{int(address):032x} }}") == f"{{ 0x{int(mask.address(address)):032x} }}"


def test_names_are_hidden_as_whole_words_in_every_form():
    mask = Mask(KEY, ["web one", "web", "bär", "a.example.org", "", 'q"uote'], "node7.example.org")
    assert mask.text("web one, WEB, webmail; node7 of node7.example.org") == "name-5, name-4, webmail; node of node"
    for form in ("bär", "b\\u00e4r", "b\\xe4r"):
        assert mask.text(f'"{form}"') == '"name-2"'
    assert mask.text('{"q\\"uote": "a.example.org"}') == '{"name-3": "name-1"}'
    assert Mask(KEY).text("web") == "web"
