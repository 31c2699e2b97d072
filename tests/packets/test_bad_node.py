"""An ini, a disk or neighbours in the kernel that hinder us are told in one line, and let nobody out."""

import os
from contextlib import nullcontext, suppress

import pytest

from tests.lab import ns
from tests.resident import resident, until
from tests.site import VE101
from tests.told import (
    ETH4,
    INI,
    ISP1,
    goes_on,
    hook,
    hook_refuses,
    one_line,
    records,
    refused,
    running,
    unhurt,
    use,
)

pytestmark = pytest.mark.generation(4)  # what is read and said is the same on both

GOOD = "/var/lib/vzhooks/vzhooks.ini.good"


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
    """Hooks and looks go by the last good copy and warn, a resync refuses; without a copy nobody is let out."""
    running(site, ETH4 + ISP1)
    for ctid, uplink in (("101", "isp1"), ("103", "isp1"), ("105", None)):
        site.node.create_ve(ctid, [f"192.168.18.{ctid}"], uplink)
    spoil(site, how)
    with unhurt(site):
        done = site.vzhooks("resync", rc=1)
        assert done.stdout == ""
        one_line(done.stderr, *parts)
        said = site.vzhooks("status").stdout.splitlines()[0]
        assert said.startswith("warning: ") and said.endswith("going by the last good copy until then")
        assert [part for part in parts if part not in said] == []
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
    use(busy, f"{ETH4}[uplink:isp1]\n{body}\n", "--force")
    busy.node.create_ve("101", [VE101], "isp1")
    with unhurt(busy):
        refused(busy, "101", "VE 101", "start refused", INI, *parts)
        busy.node.write_conf("101", [VE101], "eth4")
        assert hook(busy, "mount").returncode == 0
        assert hook(busy, "umount").returncode == hook(busy, "postumount").returncode == 0


def test_one_typo_cuts_off_nobody_who_has_an_uplink(site):
    """Hooks go by the last good copy of an uplink, and by the new ini for all else; no resync by hand cuts it off."""
    running(site, ETH4 + ISP1)
    site.ve("101", uplink="isp1")
    site.end_announcers()
    site.node.create_ve("103", ["192.168.18.103"], "isp1")
    site.node.create_ve("104", ["192.168.18.104"], "isp2")
    site.ini(f"{ETH4}{ISP1}gatway = 192.168.18.1\n[uplink:isp2]\ndevice = eth0\n")
    typo = f"{INI}:4: [uplink:isp1] gatway: unknown key; did you mean gateway?"
    with unhurt(site):
        said = site.vzhooks("resync", rc=1).stderr
        assert "nothing was changed" in said and typo in said, said
    for ctid, nic in (("103", "eth3"), ("104", "eth0")):
        goes_on(site, ctid, typo, "going by the last good copy of uplink isp1 until then")
        site.end_announcers()
        site.leaves_by(ctid, nic)
    site.leaves_by("101", "eth3")


GONE_BAD = {
    "": "uplink isp1: not in this node's ini",
    "[uplink:isp1]\ndevice = lo\n": "uplink isp1: lo is the loopback",
    "[uplink:isp1]\ndevise = eth3\n": "[uplink:isp1] devise: unknown key",
    ISP1 + "[node]\nreserved = eth3\n": "[uplink:isp1] device = eth3: reserved",
}


def test_a_running_ve_is_cut_off_when_its_uplink_goes_bad(site):
    """By no resync but a forced one, and never by main; the others go on, and the old ini brings it back."""
    running(site, ETH4 + ISP1)
    site.ve("101", uplink="isp1")
    site.end_announcers()
    site.vzhooks("resync")
    for isp1, part in GONE_BAD.items():
        site.ini(ETH4 + isp1)
        with unhurt(site):
            said = site.vzhooks("resync", rc=1).stderr
            assert "nothing was changed" in said and part in said and "--force" in said, said
        site.leaves_by("101", "eth3")
        told = [line for line in site.vzhooks("resync", "--force", rc=1).stderr.splitlines() if "VE 101" in line]
        assert told and all(part in line for line in told)
        site.leaves_by("101", None)
        site.leaves_by("102", "eth4")
        assert site.status("101") != "ok"
        site.ini(ETH4 + ISP1)
        site.vzhooks("resync")
        site.leaves_by("101", "eth3")


# -- what belongs to others -------------------------------------------------------------------------


@pytest.mark.parametrize("occupy, part", [
    ("ip route {} 10.9.0.0/16 dev eth0 table 1003", "holds another's route to 10.9.0.0/16"),
    ("ip rule {} from 10.9.0.0/16 lookup 1003 priority 900",
     "is looked up by another's rule (from 10.9.0.0/16 lookup 1003 priority 900)"),
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


@pytest.mark.parametrize("watched", [False, True], ids=["alone", "daemon"])
def test_on_a_full_disk_a_ve_without_uplink_is_held_and_reached_all_the_same(site, watched):
    """What became of it is found out again by the next run, so that no note of it is needed."""
    site.node.hn.call(ns.mount, "tiny", "/run/vzhooks", "tmpfs", 0, "size=64k")
    site.ini("[node]\nreserved = eth0\n")
    with resident(site) if watched else nullcontext():
        site.ve("102", uplink="eth4")
        site.end_announcers()
        site.node.hn.call(fill, "/run/vzhooks")
        site.node.create_ve("105", ["192.168.18.105"])
        assert site.vzctl.start("105").rc == 0
        site.leaves_by("105", None)
        if not watched:
            done = site.vzhooks("resync", rc=1)
            one_line("".join(f"{line}\n" for line in done.stderr.splitlines() if "made" not in line), "No space left")
        until(lambda: site.ping("102", "192.168.18.105", count=1) == 1)
        site.leaves_by("105", None)
        site.stop("105")
        site.node.hn.path("/run/vzhooks/filler").unlink()
        until(lambda: not site.vzhooks("resync", rc=None).returncode)
        site.settled()


@pytest.mark.parametrize("watched", [False, True], ids=["alone", "daemon"])
def test_on_a_full_disk_neighbours_hear_of_a_ve_that_moves_all_the_same(site, watched):
    site.node.hn.call(ns.mount, "tiny", "/run/vzhooks", "tmpfs", 0, "size=64k")
    with resident(site) if watched else nullcontext() as daemon:
        site.ve("101", uplink="eth3")
        site.ve("102", uplink="eth4")
        site.vzhooks("resync")
        site.end_announcers()
        site.acquaint(VE101)
        site.node.hn.call(fill, "/run/vzhooks")
        site.node.write_conf("101", [VE101], "eth4")
        if daemon:
            until(lambda: "No space left" in daemon.said())
        else:
            told = site.vzhooks("resync", rc=1).stderr
            assert "VE 101: eth3 -> eth4" in told and "changes made in" in told and "No space left" in told, told
        site.comes_by("eth4", VE101)
        site.node.hn.path("/run/vzhooks/filler").unlink()
        until(lambda: site.vzhooks("resync", rc=None).returncode == 0)
        until(lambda: records(site)["101"]["uplink"] == "eth4")
        site.settled()


def test_a_start_is_noted(site):
    """Else `refused` could not fail for a note that is left."""
    site.ve("101", uplink="eth3")
    assert "101" in records(site)


@pytest.mark.parametrize("command", [("harden",), ("harden", "--undo")])
def test_a_typo_in_an_uplink_cuts_off_nobody_at_a_command_that_is_not_about_it(site, command):
    running(site, ETH4 + ISP1)
    site.ve("101", uplink="isp1")
    site.end_announcers()
    site.vzhooks("resync")
    site.ini(ETH4 + ISP1 + "gatway = 192.168.18.1\n")
    site.vzhooks(*command, rc=None)
    site.leaves_by("101", "eth3")


def test_a_resync_refuses_to_cut_off_a_ve_that_has_just_started(site):
    """Its note still says starting, as the announcer was ended."""
    running(site, ETH4 + ISP1)
    site.ve("101", uplink="isp1")
    site.end_announcers()
    site.ini(ETH4)
    with unhurt(site):
        assert "nothing was changed" in site.vzhooks("resync", rc=1).stderr
    site.leaves_by("101", "eth3")
