"""What happens to VEs is on record: an event a line, with fields in the journal."""

import re
import select
import socket

import pytest

from tests.datapaths import lose_way
from tests.site import VE101

pytestmark = pytest.mark.generation(4)  # what is read and said is the same on both

SOCKET = "/run/systemd/journal/socket"


@pytest.fixture
def journal(site):
    """Stand in for systemd-journald on the node; return what it was told since the last call."""
    path = site.node.hn.path(SOCKET)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)

    def told(event=""):
        found = []
        while select.select([server], [], [], 0.3)[0]:
            found.append(dict(line.split("=", 1) for line in server.recv(65536).decode().splitlines()))
        return [e for e in found if not event or e.get("VZHOOKS_EVENT") == event]

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        yield told


def values(entry):
    names = ("EVENT", "VE", "UPLINK", "DEVICE", "STATE", "CHANGES")
    return tuple(entry.get(f"VZHOOKS_{name}") for name in names)


def test_a_ve_s_life_is_on_record(site, journal):
    site.ve("101", uplink="eth3")
    mount = journal("mount")[0]
    assert values(mount)[:5] == ("mount", "101", "eth3", "eth3", "ok") and int(mount["VZHOOKS_CHANGES"]) > 0
    assert re.fullmatch(r"event=mount ve=101 uplink=eth3 device=eth3 state=ok changes=\d+ ms=\d+", mount["MESSAGE"])
    site.end_announcers()
    site.vzhooks("resync")
    journal()

    site.vzhooks("resync")
    again = journal()
    assert [values(e) for e in again] == [("resync", None, None, None, None, "0")] and again[0]["PRIORITY"] == "6"

    said = site.vzhooks("set", "101", "--uplink", "eth4", "--save").stderr
    assert re.search(r"VE 101: uplink eth4, \d+ changes made in \d+ ms; saved", said)
    entry = journal("set")[0]
    assert values(entry)[1:5] == ("101", "eth4", "eth4", "ok")
    assert (entry["VZHOOKS_FROM"], entry["VZHOOKS_TO"], entry["PRIORITY"]) == ("eth3", "eth4", "5")

    site.vzhooks("set", "101", "--uplink", "isp9", rc=1)
    failed = journal("set")[0]
    assert failed["VZHOOKS_STATE"] == "failed" and "isp9" in failed["VZHOOKS_ERROR"] and failed["PRIORITY"] == "3"

    site.vzhooks("harden", "--undo")
    assert journal("harden")
    site.end_announcers()
    assert site.vzctl.stop("101").rc == 0
    stopped = [values(e) for e in journal()]
    assert [e[:2] for e in stopped] == [("umount", "101"), ("postumount", "101")] and stopped[1][4] == "gone"
    site.node.create_ve("102", ["192.168.18.102"], "eth9")
    assert site.vzctl.start("102").rc != 0
    assert (journal("mount")[0]["VZHOOKS_STATE"]) == "refused"


def test_a_late_heal_is_on_record(site, journal):
    site.node.create_ve("101", [VE101], "eth3")
    journal()

    def flush():
        lose_way(site, VE101)
    assert site.vzctl.start("101", before_network=flush).rc == 0
    select.select([], [], [], 1.5)
    assert values(journal("heal")[0])[:3] == ("heal", "101", "eth3")


def test_installing_is_on_record(site, journal):
    site.vzhooks("uninstall")
    site.vzhooks("install")
    assert [e["VZHOOKS_EVENT"] for e in journal()] == ["uninstall", "install"]
    site.vzhooks("install")
    assert journal()[0]["VZHOOKS_EVENT"] == "install"


def giving_way(site):
    """Return what tells the rules that give VE 101 its way."""
    return "all fwmark " if site.marks else "192.168.18.101/32"


@pytest.mark.parametrize("argv", [("-v", "resync"), ("resync", "-v")])
def test_verbose_says_each_change_as_it_is_made(site, argv):
    site.ve("101", uplink="eth3")
    site.end_announcers()
    site.flush("rules")
    done = site.vzhooks(*argv)
    assert f"vzhooks resync: ip rule add from {giving_way(site)}" in done.stderr
    said = [line for line in done.stderr.splitlines() if " rule add " in line]
    assert done.stdout == "" and len(said) == len(set(said))


def test_verbose_says_what_an_uninstall_takes_from_the_kernel(site):
    site.ve("101", uplink="eth3")
    site.end_announcers()
    said = site.vzhooks("-v", "uninstall", "--force").stderr
    assert f"vzhooks uninstall: ip rule del from {giving_way(site)}" in said


@pytest.mark.parametrize("verbose, mark", [((), ""), (("-v",), "FAILED: ")])
def test_a_refusal_of_the_kernel_names_the_change_once(site, verbose, mark):
    site.ve("101", uplink="eth3")
    site.end_announcers()
    site.vzhooks("harden", "--undo")
    site.hn("sh", "-c", "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys")
    lines = site.vzhooks(*verbose, "harden", rc=1).stderr.splitlines()
    refusal = "sysctl -w net/ipv4/conf/default/rp_filter=2: " + mark + "cannot be written (Read-only file system)"
    assert [line for line in lines if "default/rp_filter" in line] == [f"vzhooks harden: {refusal}"]


def test_a_switch_is_one_line(site, journal):
    site.ini("[uplink:isp1]\ndevice = eth3\nbackup = isp2\n[uplink:isp2]\ndevice = eth4\n")
    site.ve("101", VE101, uplink="isp1")
    site.end_announcers()
    journal()
    site.node.link("eth3", up=False)
    for command in (("resync", "--dry-run"), ("resync",), ("resync",)):
        site.vzhooks(*command, rc=None)
    entries = journal("switch")
    told = r'event=switch uplink=isp1 from=isp1 to=isp2 device=eth4 why="eth3 is down" ves=1'
    assert [e["MESSAGE"] for e in entries] == [told] and entries[0]["PRIORITY"] == "4"
    site.node.link("eth4", up=False)
    site.vzhooks("resync", rc=1)
    assert journal("switch") == []
    site.up("eth3")
    site.vzhooks("resync")
    assert [(e["VZHOOKS_TO"], e["PRIORITY"]) for e in journal("switch")] == [("isp1", "5")]
