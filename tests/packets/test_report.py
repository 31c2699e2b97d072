"""`vzhooks report` makes one file that holds what matters of a node and nothing else, or no file at all."""

import json
import os
import re
import tarfile

import pytest

from tests.lab import ns
from tests.lab.node import MACS
from tests.packets.test_bad_commands import said, unchanged
from tests.packets.test_hook_scripts import AS_NOBODY, open_to_all
from tests.site import OWN, pair
from tests.told import ETH4, ISP1

FOUR = pytest.mark.generation(4)
SECRET = 'ROOTPW="hush"\nDESCRIPTION="of customer Miller"\nNAME="miller shop"\nHOSTNAME="shop.miller.example"\n'


@pytest.fixture
def told(site):
    """A node with VEs, an ini with a comment, and something of others in nft."""
    site.ini(f"; rented by Miller, 203.0.113.77\n{ETH4}{ISP1}")
    site.both("101", uplink="isp1")
    site.both("105")
    site.end_announcers()
    site.vzhooks("resync")
    site.end_announcers()
    conf = "/etc/vz/conf/101.conf"
    site.node.hn.write(conf, site.node.hn.read(conf) + SECRET)
    site.hn("nft", "add table ip customers; add chain ip customers miller; add rule ip customers miller ip saddr "
            "198.51.100.7 counter")
    return site


def report(site, *argv, rc=0, name="/vz/r.tar.gz"):
    done = site.vzhooks("report", "-o", name, *argv, rc=rc)
    with tarfile.open(site.node.hn.path(name)) as tar:
        assert {m.mode for m in tar.getmembers()} == {0o600}
        parts = {m.name.partition("/")[2]: tar.extractfile(m).read().decode() for m in tar.getmembers()}
    return done, parts


def test_it_holds_what_matters_and_nothing_else(told):
    with unchanged(told, ("/etc/vz", "/var/lib/vzhooks", "/run/vzhooks")):
        done, parts = report(told)
    assert done.stdout == "/vz/r.tar.gz\n" and "--mask hides them" in done.stderr
    assert told.node.hn.path("/vz/r.tar.gz").stat().st_mode & 0o777 == 0o600
    ves = json.loads(parts["status.json"])["ves"]
    assert {ve["ve"]: ve["state"] for ve in ves} == {"101": "ok", "105": "unassigned"}
    kept = ("nft/inet.txt",) * 2 if told.marks else ("ip/rules4.txt", "ip/rules6.txt")
    assert [a for a, name in zip(pair("101"), kept) if re.search(rf"\b{a}\b", parts[name]) is None] == []
    assert "unreachable default" in parts["ip/routes4.txt"] and "192.168.18.101" in parts["ip/proxies4.txt"]
    assert "table inet vzhooks" in parts["nft/inet.txt"] and "table arp vzhooks" in parts["nft/arp.txt"]
    assert "table ip customers" in parts["nft/tables.txt"] and "198.51.100.7" not in "".join(parts.values())
    assert "net/ipv4/conf/eth3/arp_ignore = 1" in parts["sysctls.txt"]
    assert 'UPLINK="isp1"' in parts["ves/101.conf"] and "PHYSPAGES" not in parts["ves/101.conf"]
    assert "LOCKDIR=/vz/lock" in parts["ves/vz.conf"]
    assert "ROOTPW" not in "".join(parts.values()) and "Miller" not in parts["ves/101.conf"]
    assert "vps.mount of vzhooks" in parts["files/hooks.txt"]
    assert parts["files/vzhooks.ini"].startswith("; rented")
    assert re.search(r"^vzhooks \d.*\npython 3.*\npyroute2 0\.9.*\nkernel Linux ", parts["versions/about.txt"])
    assert isinstance(json.loads(parts["doctor.json"]), list)


def test_a_mask_hides_every_address_and_name(told):
    _, parts = report(told, "--mask")
    whole = "\n".join(parts.values())
    hidden = [*pair("101"), *pair("105"), *OWN, "203.0.113.77", "192.168.18.1", "fd00:18::1", "miller shop",
              "shop.miller", "Miller", os.uname().nodename, *(mac[9:] for mac in MACS.values())]
    assert [text for text in hidden if re.search(rf"(?<![\w.:-]){re.escape(text)}(?![\w.:-])", whole)] == []
    ve = next(v for v in json.loads(parts["status.json"])["ves"] if v["ve"] == "101")
    for address in ve["addresses"]:
        rules = parts["ip/rules6.txt" if ":" in address else "ip/rules4.txt"]
        assert (told.marks or f"from {address} " in rules) and address in parts["nft/inet.txt"]
    assert 'UPLINK="isp1"' in parts["ves/101.conf"] and "name-1" in parts["ves/101.conf"]


@FOUR
def test_a_file_that_is_there_is_not_overwritten(busy):
    busy.node.hn.write("/vz/r.tar.gz", "mine")
    busy.node.hn.path("/vz/link").symlink_to("nowhere")
    with unchanged(busy):
        for name in ("/vz/r.tar.gz", "/vz/link", "/vz"):
            said(busy, ["report", "-o", name], 1, f"{name}: is there already", "name another file by -o")
        said(busy, ["report", "-o", "/vz/none/r"], 1, "/vz/none: no such directory")
        said(busy, ["report", "-o", "/dev/null/r"], 1, "/dev/null: no such directory")
        said(busy, ["report", "-o", ""], 2, "the FILE of -o is empty")
        said(busy, ["report", "x"], 2, "--help")
    assert busy.node.hn.read("/vz/r.tar.gz") == "mine" and not busy.node.hn.exists("/vz/nowhere")


@FOUR
@pytest.mark.parametrize("how, why", [("size=4k", "No space left"), ("ro", "Read-only")])
def test_a_full_or_read_only_disk_leaves_nothing_half(busy, how, why):
    if not busy.node.hn.exists("/vz/small"):
        busy.node.hn.path("/vz/small").mkdir()
    busy.node.hn.call(ns.mount, "tiny", "/vz/small", "tmpfs", 0, "size=4k,mode=700" if how != "ro" else "ro")
    said(busy, ["report", "-o", "/vz/small/r.tar.gz"], 1, "/vz/small/r.tar.gz: cannot be", why)
    assert busy.hn("ls", "-A", "/vz/small") == ""
    busy.hn("umount", "/vz/small")


@FOUR
def test_without_root_nothing_is_made(busy):
    busy.hn("sh", "-c", "mkdir -p /vz/open && chmod 777 /vz/open")
    said(busy, ["report", "-o", "/vz/open/r"], 1, "root", command=[*AS_NOBODY, open_to_all(busy)])
    assert busy.hn("ls", "-A", "/vz/open") == ""


@FOUR
def test_without_a_name_it_is_a_new_one_in_this_directory(busy):
    done = busy.node.hn.run(["sh", "-c", f"cd /vz && exec {open_to_all(busy)} -I -m vzhooks report --mask"])
    assert done.returncode == 0, done
    name = done.stdout.strip()
    assert re.fullmatch(r"vzhooks-report-\d{8}-\d{6}\.tar\.gz", name) and busy.node.hn.exists(f"/vz/{name}")


@FOUR
def test_what_cannot_be_had_is_noted_and_hinders_nothing(told):
    """Without vzctl, systemd's journal, nft(8) and notes that can be read."""
    hn = told.node.hn
    hn.write("/run/vzhooks/ves.json", "{")
    hn.write("/var/log/messages", "Nov 30 vzhooks[7]: event=resync\nNov 30 kernel: nothing\n")
    told.hn("sh", "-c", 'for p in journalctl nft; do f=$(command -v $p); mount --bind /dev/null '
            '"$(readlink -f $f)"; done')
    done, parts = report(told)
    assert "not to be had: " in done.stderr and "missing.txt in it" in done.stderr
    missing = parts["missing.txt"]
    for part in ("status.json: /run/vzhooks/ves.json: ", "nft/inet.txt: nft: cannot be run"):
        assert part in missing, missing
    assert parts["journal.txt"] == "Nov 30 vzhooks[7]: event=resync\n"
    assert ("fwmark" if told.marks else "from 192.168.18.101") in parts["ip/rules4.txt"]
    assert parts["files/ves.json"] == "{"
    hn.path("/run/vzhooks/ves.json").unlink()
    told.hn("mv", "/etc/vz/conf", "/etc/vz/away")
    _, parts = report(told, name="/vz/second.tar.gz")
    assert "is vzctl installed on this node?" in parts["missing.txt"]
