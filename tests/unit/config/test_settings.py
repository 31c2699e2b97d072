"""The ini becomes checked values, and an error names file, line, section, key and what is allowed."""

import re

import pytest

from vzhooks.config.settings import Settings, errors, parse
from vzhooks.errors import SettingsError
from vzhooks.model import Uplink

WHOLE = """
[node]
unassigned = block   ; cut off
reserved = eth0, eth9
on_error = warn
[uplink:isp1]
device = eth3            ; the NIC
gateway = 192.168.18.1
backup = isp2
table = 1003
sources = 192.168.18.0/24, fd00:18::/64 10.0.0.7
[uplink:isp2]
device = br0
gateway6 = fe80::1
"""


def test_an_empty_ini_gives_the_defaults():
    assert parse("") == Settings() and not parse("").declared


def test_every_key_is_read():
    found = parse(WHOLE)
    assert (found.unassigned, found.reserved, found.on_error) == ("block", ("eth0", "eth9"), "warn")
    assert found.uplinks == {
        "isp1": Uplink("isp1", "eth3", "192.168.18.1", "auto", "isp2", 1003,
                       ("192.168.18.0/24", "fd00:18::/64", "10.0.0.7/32")),
        "isp2": Uplink("isp2", "br0", "auto", "fe80::1"),
    }
    assert found.broken == {} and found.declared


def test_the_device_is_the_uplinks_own_name_by_default():
    assert parse("[uplink:eth3]\n").uplinks["eth3"] == Uplink("eth3", "eth3")


@pytest.mark.parametrize("value, inside", [
    ("auto", None), ("", ()), ("docker0", ("docker0",)), ("docker0, tap1 wg0", ("docker0", "tap1", "wg0")),
])
def test_guests_of_the_node_are_behind_the_devices_named_or_told_by_themselves(value, inside):
    assert parse(f"[node]\ninside = {value}").inside == inside


@pytest.mark.parametrize("text, parts", [
    ("[node]\ninside = docker0;rm", ["[node] inside = docker0;rm", "not a device's name"]),
    ("[node]\ncolour = red", ["ini:2: [node] colour", "unknown key", "unassigned, reserved, inside, arp"]),
    ("[node]\nunassigned = maybe\n[uplink:a]", ["[node] unassigned = maybe", "main, block, by-address, a"]),
    ("[node]\non_error = shrug", ["[node] on_error = shrug", "refuse, warn"]),
    ("[node]\narp = on", ["[node] arp = on", "auto, off"]),
    ("[node]\ndatapath = magic", ["[node] datapath = magic", "rule"]),
    ("[node]\nreserved = eth0;rm", ["[node] reserved = eth0;rm", "not a device's name"]),
    ("[node]\nreserved = $(touch /x)", ["[node] reserved", "not a device"]),
    ("[nodes]\n", ["ini:1: [nodes]", "unknown section; did you mean [node]?", "[uplink:NAME]"]),
    ("[Node]\n", ["did you mean [node]?"]),
    ("[uplink isp1]\n", ["did you mean [uplink:isp1]?"]),
    ("[Uplink:isp1]\n", ["did you mean [uplink:isp1]?"]),
    ("[isp1]\ndevice = eth3\n", ["did you mean [uplink:isp1]?"]),
    ("[other]\nx = 1\n", ["[other]: unknown section; allowed: [node]"]),
    ("[node]\nmetrics = 9188", ["[node] metrics = 9188", "as 127.0.0.1:9188 or [::1]:9188"]),
    ("[node]\nmetrics = ::1:9188", ["[node] metrics = ::1:9188", "[::1]:9188"]),
    ("[node]\nmetrics = 127.0.0.1:99999", ["[node] metrics"]),
    ("[node]\nreserve = eth0", ["unknown key; did you mean reserved?"]),
    ("[node]\ndevice = eth0", ["unknown key; it belongs into an [uplink:NAME];"]),
    ("[node]\narp = Off", ["did you mean off?"]),
    ("[node]\nunassigned = isp\n[uplink:isp1]", ["did you mean isp1?"]),
    ("[DEFAULT]\nunassigned = block", ["[DEFAULT]", "unknown section"]),
    ("\n# x\nunassigned = main", ["ini:3: unassigned = main: stands before the first section; put it below [node]"]),
    ("[node\n", ["ini:1: [node: "]),
    ("[node]\nunassigned\n", ["ini:2: unassigned: neither a [section] nor key = value; correct that line"]),
    ("[node]\n= off\n", ["ini:2: = off: neither"]),
    ("[node]\narp = off\nARP = auto", ["ini:3: [node] arp: is in line 2 already; remove one of them"]),
    ("[node]\narp = off\n\n[node]\n", ["ini:4: [node]: is in line 1 already; put the two together"]),
    ("[node] reserved = eth0\n", ["ini:1: [node] reserved = eth0: more than a [section] in its line"]),
    ("[node]\nreserved = eth0\n  arp = off", ["ini:3: [node] arp: indented, so it goes on with reserved of line 2; "
                                             "remove the blanks before it"]),
    ("[uplink:a]\ndevice = eth3\n  [node]\n  reserved = eth0\n", ["ini:3: [node]: indented"]),
])
def test_an_error_of_the_node_makes_the_ini_unusable(text, parts):
    with pytest.raises(SettingsError) as error:
        parse(text, "/etc/vz/vzhooks.ini")
    line = str(error.value)
    assert re.match(r"/etc/vz/vzhooks\.ini:[1-9]: ", line) and "\n" not in line
    assert [p for p in parts if p not in line] == []


@pytest.mark.parametrize("body, parts", [
    ("devise = eth3", ["ini:8: [uplink:x] devise", "unknown key; did you mean device?", "device, gateway"]),
    ("Device=eth3\n\n; c\ngatway = 10.0.0.1", ["ini:11: ", "did you mean gateway?"]),
    ("device = eth3\n  gateway = auto", ["ini:9: [uplink:x] gateway: indented, so it goes on with device of line"]),
    ("device = eth3\ndevice = eth4", ["ini:9: [uplink:x] device: is in line 8 already"]),
    ("reserved = eth0", ["unknown key; it belongs into [node]"]),
    ("gateway = Auto", ["ini:8: [uplink:x] gateway = Auto", "did you mean auto?"]),
    ("backup = god", ["[uplink:x] backup = god", "did you mean good?"]),
    ("device = eth3 && reboot", ["[uplink:x] device", "not a device's name"]),
    ("device = waytoolongforanif", ["[uplink:x] device", "15"]),
    ("gateway = 300.1.1.1", ["[uplink:x] gateway = 300.1.1.1", "an IPv4 address, none, auto"]),
    ("gateway = fe80::1", ["[uplink:x] gateway", "IPv4"]),
    ("gateway6 = 10.0.0.1", ["[uplink:x] gateway6", "IPv6"]),
    ("gateway = 224.0.0.1", ["[uplink:x] gateway"]),
    ("backup = x", ["[uplink:x] backup = x", "allowed: good"]),
    ("backup = nowhere", ["[uplink:x] backup = nowhere"]),
    ("probe = gatway", ["[uplink:x] probe = gatway", "link, gateway, or an address"]),
    ("probe = 127.0.0.1", ["[uplink:x] probe = 127.0.0.1", "nothing to probe"]),
    ("probe_interval = 100ms", ["[uplink:x] probe_interval = 100ms", "200ms to 1h, in ms, s, m or h"]),
    ("probe_interval = 61m", ["[uplink:x] probe_interval", "200ms to 1h"]),
    ("hold_down = -1", ["[uplink:x] hold_down = -1", "0s to 24h"]),
    ("hold_down = 1 week", ["[uplink:x] hold_down", "0s to 24h"]),
    ("probe_fail = 0", ["[uplink:x] probe_fail = 0", "1 to 100"]),
    ("probe_ok = 1.5", ["[uplink:x] probe_ok = 1.5", "1 to 100"]),
    ("table = 254", ["[uplink:x] table = 254", "but 253, 254, 255"]),
    ("table = -1", ["[uplink:x] table = -1"]),
    ("table = 4294967296", ["[uplink:x] table"]),
    ("table = 1003", ["[uplink:x] table = 1003", "[uplink:good]"]),
    ("device = eth0", ["[uplink:x] device = eth0", "reserved"]),
    ("sources = 10.0.0.0/24 10.0.1.7/24", ["ini:8: [uplink:x] sources", "10.0.1.7/24 is an address within a network; "
                                           "did you mean 10.0.1.0/24?"]),
    ("sources = 10.0.0.0/33", ["[uplink:x] sources", "10.0.0.0/33 is not a network", "IPv4 and IPv6 networks"]),
    ("sources = eth3", ["eth3 is not a network"]),
    ("sources = fe80::1%eth0", ["is not a network"]),
    ("sources = 224.0.0.0/8", ["224.0.0.0/8 is not a network"]),
    ("sources = 10.9.0.0/24\n  fd09::/64", ["ini:8: [uplink:x] sources = fd09::/64: is in sources of [uplink:good] "
                                            "already; take it from one of the two"]),
])
def test_an_error_in_one_uplink_concerns_that_one_alone(body, parts):
    good = "[uplink:good]\ndevice = eth3\ntable = 1003\nsources = fd09::/64\n"
    found = parse(f"[node]\nreserved = eth0\n{good}[uplink:x]\n{body}\n")
    assert list(found.uplinks) == ["good"] and list(found.broken) == ["x"]
    assert [p for p in parts if p not in found.broken["x"]] == [] and "\n" not in found.broken["x"]


@pytest.mark.parametrize("text, value", [
    ("probe_interval = 200ms", 0.2), ("probe_interval = 1.5s", 1.5), ("probe_interval = 2", 2.0),
    ("hold_down = 2m", 120), ("hold_down = 24h", 86400), ("hold_down = 0", 0), ("probe_fail = 100", 100),
    ("probe_ok = 1", 1), ("probe = FD00:18:0::1", "fd00:18::1"), ("probe = gateway", "gateway"),
])
def test_what_probes_are_made_of(text, value):
    assert getattr(parse(f"[uplink:isp1]\n{text}").uplinks["isp1"], text.partition(" ")[0]) == value


@pytest.mark.parametrize("value, place", [
    ("127.0.0.1:9188", ("127.0.0.1", 9188)), ("[::1]:80", ("::1", 80)), ("", None),
])
def test_where_metrics_are(value, place):
    assert parse(f"[node]\nmetrics = {value}").metrics == place


@pytest.mark.parametrize("backups, broken, circle", [
    ({"a": "b", "b": "c", "c": ""}, [], ""),
    ({"a": "b", "b": "a"}, ["b"], "b -> a -> b"),
    ({"c": "a", "a": "b", "b": "c"}, ["b"], "b -> c -> a -> b"),
    ({"a": "b", "b": "c", "c": "b"}, ["c"], "c -> b -> c"),
    ({"a": "c", "b": "c", "c": ""}, [], ""),
])
def test_backups_make_chains_and_no_circle(backups, broken, circle):
    found = parse("".join(f"[uplink:{name}]\nbackup = {after}\n" for name, after in backups.items()))
    assert list(found.broken) == broken
    told = f"goes round in a circle: {circle}; take one backup of these out"
    assert all(told in why for why in found.broken.values())


def test_a_broken_uplink_takes_nothing_from_a_sound_one():
    found = parse("[uplink:x]\ntable = 1003\nbackup = x\n[uplink:y]\ntable = 1003\n")
    assert list(found.broken) == ["x"] and found.uplinks["y"].table == 1003


def test_a_network_within_another_s_is_no_error_and_neither_is_all_there_is():
    found = parse("[uplink:x]\nsources = 10.0.0.0/8 0.0.0.0/0\n[uplink:y]\nsources = 10.1.0.0/16, ::/0\n")
    assert [u.sources for u in found.uplinks.values()] == [("10.0.0.0/8", "0.0.0.0/0"), ("10.1.0.0/16", "::/0")]


@pytest.mark.parametrize("text", ["[node]\nunassigned = by-address", "[node]\nunassigned = by-address\n[uplink:a]"])
def test_ves_without_uplink_may_go_by_their_addresses(text):
    assert parse(text).unassigned == "by-address"


def test_every_error_is_told_in_the_order_of_the_lines():
    text = ("\ufeffstray\n[uplink:x]\ndevise = eth3\n gateway = 300.1.1.1\ntable = 254\n[nodes]\n[node]\narp = on\n"
            "reserve = eth0\n\x1b = 1\n")
    found = errors(text, "f.ini")
    assert [(e.line, e.section, e.key) for e in found] == [
        (1, "", "stray"), (3, "uplink:x", "devise"), (4, "uplink:x", "gateway"), (5, "uplink:x", "table"),
        (6, "nodes", ""), (8, "node", "arp"), (9, "node", "reserve"), (10, "node", "\x1b")]
    assert all(e.text.startswith(f"f.ini:{e.line}: ") and e.text.isprintable() for e in found)
    assert errors(WHOLE) == ()


@pytest.mark.parametrize("name", ["none", "main", "block", "by-address", "a b", "$(x)", "a,b", ""])
def test_a_name_that_means_something_else_is_refused(name):
    assert list(parse(f"[uplink:{name}]\ndevice = eth3").broken) == [name]
