"""Bad input is told in one line that says what to do; nothing in it is executed and nobody else is hurt."""

import os
import threading
from contextlib import suppress

import pytest

from tests.lab import ns
from tests.lab.links import set_link
from tests.lab.node import MACS
from tests.site import VE101
from tests.told import goes_on, hook, hook_refuses, one_line, records, refused, running, unhurt

CONF, INI = "/etc/vz/conf/101.conf", "/etc/vz/vzhooks.ini"
GOOD, TABLES = "/var/lib/vzhooks/vzhooks.ini.good", "/var/lib/vzhooks/tables.json"
# VE 102 goes by eth4 with an ini and without.
pytestmark = pytest.mark.generation(4)  # what is read and said is the same on both

ETH4 = "[uplink:eth4]\n"
ISP1 = "[uplink:isp1]\ndevice = eth3\n"
SHELL = ("$(touch /x)", "`touch /x`", "eth3; touch /x", "'; touch /x; '", '"; touch /x; "', "../../eth3", "\x1b[31mred")


def use(site, ini):
    """Write an ini and bring the node in line with it."""
    if ini:
        site.ini(ini)
        site.vzhooks("resync")


def assert_nothing_executed(site):
    assert not [name for name in ("/x", "/etc/vz/conf/x", "/vz/x") if site.node.hn.exists(name)]


def make_bridge(site, name, member=None):
    """Make a bridge in the HN, with a member that is one of its NICs."""
    with site.node.hn.ipr() as ipr:
        ipr.link("add", ifname=name, kind="bridge")
        set_link(ipr, site.node.hn.index(name), True)
        if member:
            ipr.link("set", index=site.node.hn.index(member), master=site.node.hn.index(name))


# -- uplinks that a VE cannot have ------------------------------------------------------------------

REFUSED = {
    "unknown without an ini": ("", "eth9", ["uplink eth9", "no LAN NIC of that name", "eth0, eth3, eth4"]),
    "unknown with an ini": (ETH4 + ISP1, "isp9", ["uplink isp9", "not in this node's ini", "eth4, isp1"]),
    "a NIC that the ini does not name": (ETH4, "eth3", ["uplink eth3", "not in this node's ini", "it has eth4"]),
    "reserved, without sections": ("[node]\nreserved = eth0\n", "eth0", ["eth0 is reserved", "eth3, eth4"]),
    "reserved, and a section's": (ETH4 + "[uplink:own]\ndevice = eth0\n[node]\nreserved = eth0\n", "own",
                                  ["vzhooks.ini: [uplink:own] device = eth0", "reserved", "name another device"]),
    "one with an unknown key": (ETH4 + "[uplink:isp3]\ndevise = eth3\n", "isp3",
                                ["vzhooks.ini: [uplink:isp3] devise", "unknown key", "allowed: device, gateway"]),
    "the later of two with one table": (ETH4 + "table = 1003\n" + ISP1 + "table = 1003\n", "isp1",
                                        ["[uplink:isp1] table = 1003", "[uplink:eth4]", "choose another"]),
    "one that is named twice": (ETH4 + ISP1 + "[uplink: isp1]\ndevice = eth0\n", "isp1", ["isp1", "named twice"]),
    "the loopback": ("", "lo", ["lo is the loopback", "eth0, eth3, eth4"]),
    "the loopback, by a section": (ETH4 + "[uplink:isp1]\ndevice = lo\n", "isp1", ["isp1: lo is the loopback"]),
    "venet0": ("", "venet0", ["venet0 is the VEs' own side", "eth0, eth3, eth4"]),
    "main": ("", "main", ["uplink main", "eth0, eth3, eth4"]),
    "block": (ETH4, "block", ["uplink block", "it has eth4"]),
}


@pytest.mark.parametrize("ini, uplink, parts", REFUSED.values(), ids=REFUSED)
def test_a_start_is_refused_for_an_uplink_that_is(busy, ini, uplink, parts):
    use(busy, ini)
    tables = busy.node.hn.read(TABLES)
    busy.node.create_ve("101", [VE101], uplink)
    with unhurt(busy):
        refused(busy, "101", "VE 101", "start refused", *parts)
    assert busy.node.hn.read(TABLES) == tables


def test_the_hook_itself_ends_with_1_for_a_refusal(busy):
    busy.node.create_ve("101", [VE101], "eth9")
    with unhurt(busy):
        hook_refuses(busy, "101", "uplink eth9")


@pytest.mark.parametrize("ini, uplink", [("", "docker0"), (ETH4 + "[uplink:isp1]\ndevice = docker0\n", "isp1")],
                         ids=["by name", "by a section"])
def test_a_start_is_refused_for_a_container_bridge(site, ini, uplink):
    make_bridge(site, "docker0")
    running(site, ini)
    site.node.create_ve("101", [VE101], uplink)
    with unhurt(site):
        refused(site, "101", f"uplink {uplink}: docker0 belongs to containers of another kind", "this node has")


@pytest.mark.parametrize("ini, uplink", [("", "eth3"), (ETH4 + ISP1, "isp1")], ids=["by name", "by a section"])
def test_a_start_is_refused_for_a_bridge_member_and_its_master_is_told(site, ini, uplink):
    make_bridge(site, "br0", "eth3")
    running(site, ini)
    site.node.create_ve("101", [VE101], uplink)
    with unhurt(site):
        refused(site, "101", "eth3 is a member of the bridge br0; name br0 instead")


@pytest.mark.parametrize("reserved", [False, True])
def test_on_error_warn_starts_it_cut_off(site, reserved):
    site.ini("[node]\non_error = warn\n" + ("reserved = eth0\n" if reserved else ETH4))
    site.node.create_ve("101", [VE101], "eth0" if reserved else "isp9")
    goes_on(site, "101", "VE 101", "cut off", "uplink eth0" if reserved else "uplink isp9")
    site.leaves_by("101", None)
    assert site.status("101") == "blocked"
    for layer in ("rules", "nft"):
        site.flush(layer)
        site.leaves_by("101", None)
        site.vzhooks("resync", rc=1)


def test_a_declared_uplink_without_its_device_starts_cut_off_and_heals(site):
    site.hn("ip", "link", "del", "eth3")
    running(site, ETH4 + ISP1 + "gateway = 192.168.18.1\n")
    site.node.create_ve("101", [VE101], "isp1")
    goes_on(site, "101", "VE 101", "eth3 does not exist (yet)")
    site.end_announcers()
    site.leaves_by("101", None)
    site.node.add_nic("eth3", MACS["eth3"])
    site.leaves_by("101", None)
    site.vzhooks("resync")
    site.leaves_by("101", "eth3")
    site.leaves_by("102", "eth4")
    site.settled()


def test_a_blank_uplink_counts_as_none_and_is_told(site):
    site.node.create_ve("101", [VE101], " ")
    goes_on(site, "101", "101.conf: UPLINK is blank", "name an uplink or remove the line")
    site.leaves_by("101", "eth0")


# -- values that a shell would execute --------------------------------------------------------------


@pytest.mark.parametrize("value", SHELL)
def test_a_shell_s_characters_in_an_uplink_make_no_name(busy, value):
    busy.node.create_ve("101", [VE101], value)
    with unhurt(busy):
        refused(busy, "101", "UPLINK=", "is no uplink's name", "eth0, eth3, eth4")
    assert_nothing_executed(busy)


def test_a_shell_s_characters_in_other_values_are_mere_text(site):
    texts = "\n".join(f'HOSTNAME="{value}"\nDESCRIPTION={value}\nVE_ROOT="/vz/root/{value}"' for value in SHELL)
    site.node.create_ve("101", [VE101, *SHELL], "eth3", texts)
    result = site.vzctl.start("101")
    assert result.rc == 0
    for line in result.stderr.splitlines():
        one_line(line, "101.conf: IP_ADDRESS", "is no address a VE can have", "correct it")
    site.leaves_by("101", "eth3")
    assert site.vzctl.stop("101").rc == 0
    assert_nothing_executed(site)


# -- addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["192.168.18.300", "ve.example", "127.0.0.1", "fe80::1"])
def test_an_address_that_is_none_is_told_and_left_out(site, address):
    site.node.create_ve("101", [VE101], "eth3")
    site.node.write_conf("101", [VE101, address], "eth3")
    said = hook(site, "mount")
    assert said.returncode == 0
    one_line(said.stderr, "101.conf: IP_ADDRESS", f"'{address}'", "is no address a VE can have")
    site.node.write_conf("101", [VE101], "eth3")
    assert site.vzctl.start("101").rc == 0
    site.leaves_by("101", "eth3")


@pytest.mark.parametrize("address", ["192.168.18.11", "192.168.18.10", "fd00:18::12"])
def test_an_address_of_the_node_is_never_a_ve_s(busy, address):
    told = (f"address {address} is this node's own", "give the VE another one")
    with unhurt(busy):
        busy.node.create_ve("101", [address], "eth3")
        refused(busy, "101", *told)
        busy.node.write_conf("101", [address])
        said = hook(busy, "mount")
        assert said.returncode == 0
        one_line(said.stderr, *told)
        assert hook(busy, "umount").returncode == hook(busy, "postumount").returncode == 0


# -- a VE's config ----------------------------------------------------------------------------------

UNREADABLE = {"empty": ("", ["empty or caught in mid-save", "try again"]),
              "huge": ('UPLINK="eth3"\n' + "#" * (2 << 20), ["larger than 1048576 bytes", "look at the file"]),
              "binary": ('ONBOOT="yes"\nUPLINK="eth3"\n\0\1\2\n', ["holds binary data", "look at the file"])}


@pytest.mark.parametrize("text, parts", UNREADABLE.values(), ids=UNREADABLE)
def test_a_config_that_cannot_be_read_refuses_the_start(busy, text, parts):
    busy.node.create_ve("101", [VE101])
    busy.node.hn.write(CONF, text)
    with unhurt(busy):
        refused(busy, "101", f"{CONF}: ", *parts)
        one_line(busy.vzhooks("status", "101", rc=None).stderr, "101.conf", *parts)


def test_on_error_warn_starts_nothing_that_may_not_be_cut_off(busy):
    """Which addresses a config holds that cannot be read is not known."""
    use(busy, "[node]\non_error = warn\n")
    busy.node.create_ve("101", [VE101], "eth3")
    busy.node.hn.write(CONF, UNREADABLE["huge"][0])
    with unhurt(busy):
        refused(busy, "101", "start refused", "larger than")


@pytest.mark.parametrize("text, parts", UNREADABLE.values(), ids=UNREADABLE)
def test_a_config_that_cannot_be_read_changes_nothing_for_its_running_ve(busy, text, parts):
    conf = "/etc/vz/conf/102.conf"
    whole = busy.node.hn.read(conf)
    busy.node.hn.write(conf, text)
    with unhurt(busy):
        assert parts[0] in busy.vzhooks("resync", rc=1).stderr
    busy.node.hn.write(conf, whole)


def test_a_config_that_is_not_there_hinders_nobody(busy):
    """vzctl mounts a VE that it creates before the config has its name."""
    busy.node.hn.path(CONF).symlink_to("/vz/nowhere/ve.conf")
    with unhurt(busy):
        said = hook(busy, "mount")
        assert (said.returncode, said.stdout) == (0, "")
        one_line(said.stderr, "VE 101", CONF, "no config yet")
        busy.vzhooks("resync")
        one_line(busy.vzhooks("resync", "101", rc=1).stderr, "101: no such VE", "vzlist -a")


def test_a_config_caught_in_mid_save_is_read_again(site):
    site.node.create_ve("101", [VE101], "eth3")
    whole = site.node.hn.read(CONF)
    site.node.hn.write(CONF, "")
    saved = threading.Timer(0.25, site.node.hn.write, (CONF, whole))
    saved.start()
    result = site.vzctl.start("101")
    saved.join()
    assert (result.rc, result.stderr) == (0, "")
    site.leaves_by("101", "eth3")


# -- the environment --------------------------------------------------------------------------------


@pytest.mark.parametrize("veid", ["../../x", "", None, "0", "101;touch /x", "101\nUPLINK=x", "a" * 200])
def test_what_is_no_ve_s_id_is_refused(busy, veid):
    busy.node.create_ve("101", [VE101])
    with unhurt(busy):
        for event, status in (("mount", 1), ("umount", 0)):
            said = hook(busy, event, VEID=veid)
            assert said.returncode == status
            one_line(said.stderr, f"vzhooks: {event}: ", "is no VE's id", "vzlist")
    assert_nothing_executed(busy)


def test_without_its_config_s_name_a_ve_s_usual_config_is_read(busy):
    busy.node.create_ve("101", [VE101], "eth9")
    with unhurt(busy):
        said = hook(busy, "mount", VE_CONFFILE=None)
        assert said.returncode == 1
        one_line(said.stderr, "uplink eth9")


# -- the node's ini ---------------------------------------------------------------------------------


def spoil(site, how):
    """Make the ini one that must not be used."""
    ini = site.node.hn.path(INI)
    if how == "error in [node]":
        ini.write_text("[node]\nreserve = eth0\n" + ini.read_text())
    elif how == "owned by another":
        site.node.hn.call(os.chown, INI, 65534, 65534)
    elif how == "dangling link":
        ini.unlink()
        ini.symlink_to("/vz/nowhere.ini")
    else:
        site.node.hn.path({"writable": INI, "in a writable directory": "/etc/vz"}[how]).chmod(0o777)


@pytest.mark.parametrize("how, parts", [
    ("error in [node]", ["[node] reserve: unknown key", "allowed: unassigned, reserved"]),
    ("writable", [f"{INI}: others than root can write it", "chmod go-w"]),
    ("in a writable directory", ["/etc/vz: others than root can write it", "chmod go-w"]),
    ("owned by another", [f"{INI}: others than root can write it", "chown root"]),
    ("dangling link", [f"{INI}: the link leads nowhere"]),
])
def test_an_ini_that_cannot_be_used(site, how, parts):
    """Hooks go by the last good copy and warn, the command line refuses; without a copy nobody is let out."""
    running(site, ETH4 + ISP1)
    for ctid, uplink in (("101", "isp1"), ("103", "isp1"), ("105", None)):
        site.node.create_ve(ctid, [f"192.168.18.{ctid}"], uplink)
    spoil(site, how)
    with unhurt(site):
        for command in ("resync", "status"):
            done = site.vzhooks(command, rc=1)
            assert done.stdout == ""
            one_line(done.stderr, *parts)
    goes_on(site, "101", *parts, "going by the last good copy")
    site.leaves_by("101", "eth3")
    site.end_announcers()
    site.node.hn.path(GOOD).unlink()
    with unhurt(site):
        refused(site, "103", "start refused", *parts)
    goes_on(site, "105", "not hindered", *parts)
    site.leaves_by("105", "eth0")


@pytest.mark.parametrize("body, parts", [
    ("device = eth3\n  && reboot", ["[uplink:isp1] device = eth3", "&& reboot", "not a device's name"]),
    ("device = eth3\ngateway = 300.1.1.1", ["[uplink:isp1] gateway = 300.1.1.1", "an IPv4 address, none, auto"]),
    ("device = eth3\n\x1b[31mred = 1", ["[uplink:isp1]", "unknown key"]),
])
def test_an_error_in_one_uplink_concerns_its_ves_alone(busy, body, parts):
    use(busy, f"{ETH4}[uplink:isp1]\n{body}\n")
    busy.node.create_ve("101", [VE101], "isp1")
    with unhurt(busy):
        refused(busy, "101", "VE 101", "start refused", INI, *parts)
        busy.node.write_conf("101", [VE101], "eth4")
        assert hook(busy, "mount").returncode == 0
        assert hook(busy, "umount").returncode == hook(busy, "postumount").returncode == 0


GONE_BAD = {
    "": "uplink isp1: not in this node's ini",
    "[uplink:isp1]\ndevice = lo\n": "uplink isp1: lo is the loopback",
    "[uplink:isp1]\ndevise = eth3\n": "[uplink:isp1] devise: unknown key",
    ISP1 + "[node]\nreserved = eth3\n": "[uplink:isp1] device = eth3: reserved",
}


def test_a_running_ve_is_cut_off_when_its_uplink_goes_bad(site):
    """By the next resync, never by main; the others go on, and the old ini brings it back."""
    running(site, ETH4 + ISP1)
    site.ve("101", uplink="isp1")
    site.end_announcers()
    for isp1, part in GONE_BAD.items():
        site.ini(ETH4 + isp1)
        for command in ("resync", "status"):
            told = [line for line in site.vzhooks(command, rc=None).stderr.splitlines() if "VE 101" in line]
            one_line("\n".join(told), f"vzhooks {command}: VE 101: ", part)
        site.leaves_by("101", None)
        site.leaves_by("102", "eth4")
    assert site.status("101") == "blocked"
    site.ini(ETH4 + ISP1)
    site.vzhooks("resync")
    site.leaves_by("101", "eth3")


# -- what belongs to others -------------------------------------------------------------------------


@pytest.mark.parametrize("occupy, part", [
    ("ip route {} 10.9.0.0/16 dev eth0 table 1003", "holds another's route to 10.9.0.0/16"),
    ("ip rule {} from 10.9.0.0/16 lookup 1003 priority 900", "is looked up by another's rule of priority 900"),
], ids=["routes", "a rule"])
def test_a_table_that_others_use_is_refused(busy, occupy, part):
    busy.hn(*occupy.format("add").split())
    use(busy, f"{ETH4}{ISP1}table = 1003\n")
    busy.node.create_ve("101", [VE101], "isp1")
    with unhurt(busy):
        refused(busy, "101", f"uplink isp1: table 1003 {part}; choose a free table")
    busy.hn(*occupy.format("del").split())


def test_another_s_rule_within_our_priorities_is_told(site):
    """At first use it refuses an assigned VE, each time; later it is a warning; it hinders no other VE."""
    add = ("ip", "rule", "add", "from", "10.9.9.9", "lookup", "77", "priority", "1099")
    parts = ["1000-1099", "from 10.9.9.9/32 lookup 77", "give that rule another priority"]
    site.hn(*add)
    site.ve("105")
    site.node.create_ve("101", [VE101], "eth3")
    before = site.state()
    hook_refuses(site, "101", *parts)
    refused(site, "101", *parts)
    assert site.state() == before
    site.hn("ip", "rule", "del", "priority", "1099")
    running(site)
    site.hn(*add)
    goes_on(site, "101", *parts)
    site.leaves_by("101", "eth3")
    site.leaves_by("102", "eth4")


# -- no room ----------------------------------------------------------------------------------------


def fill(path):
    """Fill a directory's file system to its last byte."""
    with suppress(OSError), open(f"{path}/filler", "wb", buffering=0) as file:
        while file.write(b"\0" * 512):
            pass


@pytest.mark.parametrize("path", ["/run/vzhooks", "/var/lib/vzhooks"])
def test_a_full_disk_lets_nobody_out_and_hinders_nobody_else(site, path):
    site.node.hn.call(ns.mount, "tiny", path, "tmpfs", 0, "size=32k")
    running(site)
    site.node.create_ve("101", [VE101], "eth3")
    site.node.create_ve("105", ["192.168.18.105"])
    site.node.hn.call(fill, path)
    with unhurt(site):
        refused(site, "101", f"{path}/", "cannot be written (No space left on device)")
    result = site.vzctl.start("105")
    assert result.rc == 0 and len(result.stderr.splitlines()) <= 1
    site.leaves_by("105", "eth0")
    site.node.hn.path(f"{path}/filler").unlink()
    assert site.vzctl.start("101").rc == 0
    site.leaves_by("101", "eth3")


def test_a_start_is_noted(site):
    """Else `refused` could not fail for a note that is left."""
    site.ve("101", uplink="eth3")
    assert "101" in records(site)
