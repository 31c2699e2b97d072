# SPDX-License-Identifier: GPL-2.0-or-later
"""While an uplink is down its VEs go by its backup, of both families, and by nothing else; then they come back."""

import json
import re
import socket
import time

import pytest

from tests.datapaths import without_nft
from tests.deaf import deaf, hear, neighbours_of
from tests.lab.node import MACS
from tests.resident import Resident, quiet, resident_of_two, until
from tests.site import BEYONDS, CLIENTS, NICS, VE101, pair

EVERYWHERE = (*CLIENTS, *BEYONDS)
INI = """[node]
reserved = eth0
[uplink:isp1]
device = eth3
backup = isp2
[uplink:isp2]
device = eth4
[uplink:isp0]
device = eth5
backup = isp1
"""


def ves(site):
    """Start VE 101 by isp1, VE 102 by isp2, with an address of each family."""
    site.ini(INI)
    site.both("101", uplink="isp1")
    site.both("102", uplink="isp2")
    site.end_announcers()
    site.vzhooks("resync")


@pytest.fixture(scope="module")
def prepare():
    return ves


def standing(site):
    """Return who stands in for whom, and how often that was another one, by our notes."""
    notes = json.loads(site.node.hn.read("/run/vzhooks/standing.json"))
    return {name: (s["by"] if s["works"] else "", s["switches"]) for name, s in notes.items()}


def rows(site, rc=None):
    """Return VEs and uplinks by name, as `status --json` has them."""
    data = json.loads(site.vzhooks("status", "--json", rc=rc).stdout)
    return {v["ve"]: v for v in data["ves"]}, {u["uplink"]: u for u in data["uplinks"]}


@pytest.fixture
def resident_site(site):
    """A node whose daemon has nothing more to do; VE 101 runs by isp1, VE 102 by isp2."""
    with resident_of_two(site, INI) as site.daemon:
        yield site


def exits(site, ctid="101"):
    """Return the devices by which the guard lets a VE out, of both families."""
    listed = "".join(site.hn("nft", "list", "set", "inet", "vzhooks", f"exits{f}") for f in (4, 6))
    return {nic for nic in NICS for a in pair(ctid) if f'{a} . "{nic}"' in listed}


def test_a_resync_takes_the_backup_and_takes_it_back(site):
    ves(site)
    site.acquaint(*pair("101"))
    site.node.link("eth3", up=False)
    site.leaves_by("101", None, EVERYWHERE)
    said = site.vzhooks("resync").stderr
    assert "uplink isp1: isp1 -> isp2: eth3 is down" in said
    site.comes_by("eth4", *pair("101"))
    site.forget("101")
    site.leaves_by("101", "eth4", EVERYWHERE)
    site.leaves_by("102", "eth4", EVERYWHERE)
    assert site.answers(*pair("101")) == ["eth4"] * 2
    assert site.status("101") == "backup"
    site.settled()
    site.flush("nft")
    site.leaves_by("101", without_nft(site, "eth4"), EVERYWHERE)
    site.vzhooks("resync")
    site.flush("rules")
    site.leaves_by("101", None, EVERYWHERE)
    site.up("eth3")
    site.forget("101")
    assert "uplink isp1: isp2 -> isp1: isp1 works again" in site.vzhooks("resync").stderr
    site.comes_by("eth3", *pair("101"))
    site.leaves_by("101", "eth3", EVERYWHERE)
    assert standing(site)["isp1"] == ("isp1", 2)
    site.settled()


def test_any_hook_s_run_takes_the_backup_for_all_ves_of_the_uplink(site):
    ves(site)
    site.node.link("eth3", up=False)
    site.both("105", uplink="isp2")
    site.end_announcers()
    assert exits(site) == {"eth4"}
    site.comes_by("eth4", *pair("101"))
    site.leaves_by("101", "eth4", EVERYWHERE)


@pytest.mark.generation(4)
def test_a_chain_of_backups_and_all_of_them_down(site):
    ves(site)
    site.node.write_conf("101", pair("101"), "isp0")
    site.vzhooks("resync")
    site.leaves_by("101", "eth3", EVERYWHERE)
    site.node.carrier("eth3", on=False)
    site.vzhooks("resync")
    site.leaves_by("101", "eth4", EVERYWHERE)
    why = rows(site)[0]["101"]["why"]
    assert "eth5 does not exist (yet); its backup isp1: eth3 has no carrier" in why
    assert rows(site)[1]["isp0"]["by"] == "isp2"
    said = site.vzhooks("route", "101", CLIENTS[0]).stdout
    assert "the uplink isp2, the backup of isp0 (eth5 does not exist (yet)" in said
    assert "uplink-down: uplink isp1" in site.vzhooks("doctor", rc=3).stdout
    site.node.link("eth4", up=False)
    site.leaves_by("101", None, EVERYWHERE)
    site.vzhooks("resync", rc=1)
    site.leaves_by("101", None, EVERYWHERE)
    site.leaves_by("102", None, EVERYWHERE)
    site.settled()
    assert site.status("101") == "blocked"
    site.flush("nft")
    site.leaves_by("101", None, EVERYWHERE)
    site.vzhooks("resync", rc=1)
    site.flush("rules")
    site.leaves_by("101", None, EVERYWHERE)


def test_with_the_daemon_a_lost_link_moves_ves_within_a_second(resident_site):
    site = resident_site
    site.acquaint(*pair("101"))
    with site.only_by("eth3", "eth4", src=pair("101")):
        start = time.monotonic()
        site.node.link("eth3", up=False)
        until(lambda: exits(site) == {"eth4"})
        assert time.monotonic() - start < 1
        site.comes_by("eth4", *pair("101"))
        assert site.ping("101", EVERYWHERE) == 3
    quiet(site)
    uplink = rows(site)[1]["isp1"]
    assert (uplink["state"], uplink["health"], uplink["by"]) == ("down", "down", "isp2")
    assert uplink["since_s"] is not None and "eth3 is down; isp2 stands in" in uplink["why"]
    assert standing(site)["isp1"] == ("isp2", 1)


FAST = INI.replace("backup = isp2\n", "backup = isp2\nhold_down = 2s\n", 1)


def test_an_uplink_that_comes_and_goes_does_not_move_ves_with_it(resident_site):
    """They come back once it stayed up for the hold-down, and not before."""
    site = resident_site
    site.ini(FAST)
    site.node.link("eth3", up=False)
    until(lambda: exits(site) == {"eth4"})
    for _ in range(3):
        site.up("eth3")
        until(lambda: rows(site)[1]["isp1"]["health"] == "held")
        site.node.link("eth3", up=False)
        until(lambda: rows(site)[1]["isp1"]["health"] == "down")
    start = time.monotonic()
    site.up("eth3")
    with site.only_by("eth3", "eth4", src=pair("101")):
        until(lambda: exits(site) == {"eth3"})
        assert time.monotonic() - start > 2
        site.comes_by("eth3", *pair("101"))
    quiet(site)
    site.leaves_by("101", "eth3", EVERYWHERE)
    assert standing(site)["isp1"] == ("isp1", 2)


PROBED = FAST.replace("hold_down = 2s", "hold_down = 1s\nprobe = gateway\nprobe_interval = 200ms\nprobe_fail = 2")


def test_a_gateway_that_stops_answering_moves_ves_and_one_that_answers_again_gets_them_back(resident_site):
    site, client = resident_site, resident_site.node.client
    site.ini(PROBED)
    until(lambda: "isp1" in json.loads(site.node.hn.read("/run/vzhooks/health.json"))["uplinks"])
    with deaf(client, neighbours_of(MACS["eth3"])), site.only_by("eth3", "eth4", src=pair("101")):
        until(lambda: exits(site) == {"eth4"})
        site.comes_by("eth4", *pair("101"))
        uplink = rows(site)[1]["isp1"]
        assert re.match(r"gateway 192.168.18.1( and gateway fd00:18::1)? do(es)? not answer on eth3", uplink["why"])
        # A daemon that ends, or dies, moves nobody: the next one goes on from its note.
        site.daemon.kill()
        assert site.vzhooks("resync").stdout == ""
        assert exits(site) == {"eth4"}
        site.daemon = Resident(site).ready()
        assert exits(site) == {"eth4"} and standing(site)["isp1"] == ("isp2", 1)
        assert rows(site)[1]["isp1"]["health"] == "down"
        hear(client, neighbours_of(MACS["eth3"]))
        until(lambda: rows(site)[1]["isp1"]["health"] == "held")
        assert exits(site) == {"eth4"}
        until(lambda: exits(site) == {"eth3"})
        site.comes_by("eth3", *pair("101"))
    assert standing(site)["isp1"] == ("isp1", 2)
    site.daemon.close()


@pytest.mark.generation(4)
def test_a_connection_goes_on_by_the_backup(resident_site):
    """The VE keeps its address, and the LAN learns where that is now."""
    site = resident_site
    ve, client = site.node.ve("101").box, site.node.client
    with client.socket(socket.AF_INET, socket.SOCK_STREAM) as door:
        door.bind((CLIENTS[0], 5001))
        door.listen()
        with ve.socket(socket.AF_INET, socket.SOCK_STREAM) as near:
            near.settimeout(20)
            near.bind((VE101, 0))
            near.connect((CLIENTS[0], 5001))
            far, _ = door.accept()
            far.settimeout(20)
            site.node.link("eth3", up=False)
            for n in range(20):
                near.sendall(b"%02d" % n)
                assert far.recv(2, socket.MSG_WAITALL) == b"%02d" % n
                far.sendall(b"ok")
                assert near.recv(2, socket.MSG_WAITALL) == b"ok"
            far.close()
    assert exits(site) == {"eth4"}
