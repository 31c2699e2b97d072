"""The ini becomes checked values, and an error names file, section, key and what is allowed."""

import pytest

from vzhooks.errors import SettingsError
from vzhooks.model import Uplink
from vzhooks.settings import Settings, parse

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
        "isp1": Uplink("isp1", "eth3", "192.168.18.1", "auto", "isp2", 1003),
        "isp2": Uplink("isp2", "br0", "auto", "fe80::1"),
    }
    assert found.broken == {} and found.declared


def test_the_device_is_the_uplinks_own_name_by_default():
    assert parse("[uplink:eth3]\n").uplinks["eth3"] == Uplink("eth3", "eth3")


@pytest.mark.parametrize("text, parts", [
    ("[node]\ncolour = red", ["[node] colour", "unknown key", "unassigned, reserved, arp"]),
    ("[node]\nunassigned = maybe\n[uplink:a]", ["[node] unassigned = maybe", "main, block, a"]),
    ("[node]\non_error = shrug", ["[node] on_error = shrug", "refuse, warn"]),
    ("[node]\narp = on", ["[node] arp = on", "auto, off"]),
    ("[node]\ndatapath = magic", ["[node] datapath = magic", "rule"]),
    ("[node]\nreserved = eth0;rm", ["[node] reserved = eth0;rm", "not a device's name"]),
    ("[node]\nreserved = $(touch /x)", ["[node] reserved", "not a device"]),
    ("[nodes]\n", ["[nodes]", "unknown section", "[uplink:NAME]"]),
    ("[DEFAULT]\nunassigned = block", ["[DEFAULT]", "unknown section"]),
    ("unassigned = main", ["not a valid ini"]),
    ("[node\n", ["not a valid ini"]),
    ("[node]\nunassigned\n", ["not a valid ini"]),
    ("[node]\narp = off\narp = auto", ["not a valid ini", "arp"]),
])
def test_an_error_of_the_node_makes_the_ini_unusable(text, parts):
    with pytest.raises(SettingsError) as error:
        parse(text, "/etc/vz/vzhooks.ini")
    line = str(error.value)
    assert line.startswith("/etc/vz/vzhooks.ini: ") and "\n" not in line
    assert [p for p in parts if p not in line] == []


@pytest.mark.parametrize("body, parts", [
    ("devise = eth3", ["[uplink:x] devise", "unknown key", "device, gateway"]),
    ("device = eth3 && reboot", ["[uplink:x] device", "not a device's name"]),
    ("device = waytoolongforanif", ["[uplink:x] device", "15"]),
    ("gateway = 300.1.1.1", ["[uplink:x] gateway = 300.1.1.1", "an IPv4 address, none, auto"]),
    ("gateway = fe80::1", ["[uplink:x] gateway", "IPv4"]),
    ("gateway6 = 10.0.0.1", ["[uplink:x] gateway6", "IPv6"]),
    ("gateway = 224.0.0.1", ["[uplink:x] gateway"]),
    ("backup = x", ["[uplink:x] backup = x", "allowed: good"]),
    ("backup = nowhere", ["[uplink:x] backup = nowhere"]),
    ("table = 254", ["[uplink:x] table = 254", "but 253, 254, 255"]),
    ("table = -1", ["[uplink:x] table = -1"]),
    ("table = 4294967296", ["[uplink:x] table"]),
    ("table = 1003", ["[uplink:x] table = 1003", "[uplink:good]"]),
    ("device = eth0", ["[uplink:x] device = eth0", "reserved"]),
])
def test_an_error_in_one_uplink_concerns_that_one_alone(body, parts):
    found = parse(f"[node]\nreserved = eth0\n[uplink:good]\ndevice = eth3\ntable = 1003\n[uplink:x]\n{body}\n")
    assert list(found.uplinks) == ["good"] and list(found.broken) == ["x"]
    assert [p for p in parts if p not in found.broken["x"]] == [] and "\n" not in found.broken["x"]


@pytest.mark.parametrize("name", ["none", "main", "block", "a b", "$(x)", ""])
def test_a_name_that_means_something_else_is_refused(name):
    assert list(parse(f"[uplink:{name}]\ndevice = eth3").broken) == [name]
