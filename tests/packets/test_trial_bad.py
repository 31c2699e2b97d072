"""A trial that cannot be is one line and no change, and so is one that cannot be confirmed."""

import pytest

from tests.lab import ns
from tests.packets.test_bad_commands import said, unchanged
from tests.packets.test_bad_node import fill
from tests.packets.test_hook_scripts import AS_NOBODY, open_to_all
from tests.packets.test_trial import AFTER, BEFORE, NOTE, end_time, is_over, wait_for
from tests.told import ETH4, INI, ISP1, one_line

pytestmark = pytest.mark.generation(4)  # what is read and said is the same on both

SECONDS = ["0", "-1", "1.5", "1e3", "", "x", "86401", "9" * 5000, "\u0663", "5s"]


def test_no_time_is_a_usage_error(busy):
    with unchanged(busy):
        for seconds in SECONDS:
            for verb in ("resync", "harden"):
                done = busy.vzhooks(verb, f"--confirm={seconds}", rc=2)
                one_line(done.stderr, "--confirm", "give whole seconds from 1 to 86400")
        for argv in (["resync", "--confirm", "5", "--dry-run"], ["harden", "--check", "--confirm", "5"]):
            said(busy, argv, 2, "give one of them")
        said(busy, ["resync", "--ini", "/vz/x.ini"], 2, "--confirm SECONDS or --dry-run")
        said(busy, ["resync", "--ini", "", "--dry-run"], 2, "the FILE of --ini is empty")
        said(busy, ["confirm", "5"], 2, "--help")
        said(busy, ["confirm"], 1, "nothing is on trial", "`vzhooks resync --confirm SECONDS`")


def test_an_ini_that_cannot_be_tried(busy):
    hn = busy.node.hn
    hn.write("/vz/bad.ini", "[node]\nreserve = eth0\n")
    hn.write("/vz/open.ini", ETH4, 0o666)
    hn.path("/vz/binary.ini").write_bytes(b"\xff\0")
    with unchanged(busy):
        for file, part in (("/vz/bad.ini", "/vz/bad.ini:2: [node] reserve: unknown key"), ("/nowhere", "No such file"),
                           ("/vz", "Is a directory"), ("/vz/open.ini", "chmod go-w"),
                           ("/vz/binary.ini", "is not UTF-8"), ("/dev/zero", "larger than")):
            for more in (["--confirm", "5"], ["--dry-run"]):
                said(busy, ["resync", "--ini", file, *more], 1, part)
        hn.write("/vz/less.ini", ISP1)
        done = busy.vzhooks("resync", "--confirm", "5", "--ini", "/vz/less.ini", rc=1)
        assert "nothing was changed" in done.stderr and is_over(busy)


def test_without_root_nothing_is_tried_or_confirmed(busy):
    for path in ("/var/lib/vzhooks", "/run/vzhooks"):
        busy.node.hn.path(path).chmod(0o700)
    with unchanged(busy):
        for argv in (["confirm"], ["resync", "--confirm", "5"], ["harden", "--confirm", "5"]):
            said(busy, argv, 1, "root", command=[*AS_NOBODY, open_to_all(busy)])


def by_isp1(site, notes, size):
    """Bring a node to where VE 101 goes by isp1, with a disk for these notes that is soon full."""
    site.node.hn.call(ns.mount, "tiny", notes, "tmpfs", 0, f"size={size},mode=700")
    site.ini(BEFORE)
    site.both("101", uplink="isp1")
    site.end_announcers()
    site.vzhooks("resync")


def test_with_a_full_disk_nothing_is_tried_and_what_is_tried_is_not_confirmed(site):
    by_isp1(site, "/var/lib/vzhooks", "16k")
    site.end_announcers()
    site.node.hn.write("/vz/new.ini", site.worded(AFTER))
    fill = ["sh", "-c", "cat /dev/zero > /var/lib/vzhooks/fill"]
    site.node.hn.run(fill)
    with unchanged(site, ("/etc/vz", "/run/vzhooks")):
        said(site, ["resync", "--confirm", "5", "--ini", "/vz/new.ini"], 1, NOTE, "No space left")
    site.node.hn.path("/var/lib/vzhooks/fill").unlink()
    site.vzhooks("resync", "--confirm", "5", "--ini", "/vz/new.ini")
    site.node.hn.run(fill)
    said(site, ["confirm"], 1, "No space left", "mend that")
    site.leaves_by("101", "eth4")
    wait_for(lambda: is_over(site))
    site.leaves_by("101", "eth3")
    assert site.node.hn.read(INI) == site.worded(BEFORE)


def test_a_full_disk_does_not_keep_it_from_being_given_back(site):
    """It is over, although what became of a VE meanwhile cannot be noted down."""
    by_isp1(site, "/run/vzhooks", "64k")
    site.ini(AFTER)
    site.vzhooks("resync", "--confirm", "600")
    site.both("105")
    site.end_announcers()
    site.leaves_by("101", "eth4")
    site.node.hn.call(fill, "/run/vzhooks")
    end_time(site)
    told = site.vzhooks("resync", rc=1).stderr.splitlines()
    assert len([x for x in told if "No space left" in x]) == 1 and any("is given back" in x for x in told), told
    assert is_over(site) and site.node.hn.read(INI) == site.worded(BEFORE)
    site.leaves_by("101", "eth3")
    site.node.hn.path("/run/vzhooks/filler").unlink()
    site.vzhooks("resync")
    site.settled()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"token": 1}', '{"a": "b"}', "\xff"])
def test_a_note_that_is_not_ours_is_one_line(busy, text):
    busy.node.hn.write(NOTE, text, 0o600)
    try:
        for argv in (["confirm"], ["resync"], ["status"]):
            said(busy, argv, 1, NOTE, "remove it and run `vzhooks resync`")
    finally:
        busy.node.hn.path(NOTE).unlink()
