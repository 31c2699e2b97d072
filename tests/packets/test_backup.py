# SPDX-License-Identifier: GPL-2.0-or-later
"""While an uplink is down its VEs go by its backup, of both families, and by nothing else; then they come back."""

import json

import pytest

from tests.site import BEYONDS, CLIENTS, pair

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
def down(site):
    """A node on which eth3 has lost its link, and nobody has looked at that yet."""
    ves(site)
    site.acquaint(*pair("101"))
    site.node.link("eth3", up=False)
    return site


def test_a_resync_takes_the_backup_and_takes_it_back(every):
    ves(every)
    every.acquaint(*pair("101"))
    every.node.link("eth3", up=False)
    every.leaves_by("101", None, EVERYWHERE)
    said = every.vzhooks("resync").stderr
    assert "uplink isp1: isp1 -> isp2: eth3 is down" in said
    every.comes_by("eth4", *pair("101"))
    every.forget("101")
    every.leaves_by("101", "eth4", EVERYWHERE)
    every.leaves_by("102", "eth4", EVERYWHERE)
    assert every.answers(*pair("101")) == ["eth4"] * 2
    assert every.status("101") == "backup"
    every.settled()
    every.flush("nft")
    every.leaves_by("101", "eth4", EVERYWHERE)
    every.vzhooks("resync")
    every.flush("rules")
    every.leaves_by("101", None, EVERYWHERE)
    every.up("eth3")
    every.forget("101")
    assert "uplink isp1: isp2 -> isp1: isp1 works again" in every.vzhooks("resync").stderr
    every.comes_by("eth3", *pair("101"))
    every.leaves_by("101", "eth3", EVERYWHERE)
    assert standing(every)["isp1"] == ("isp1", 2)
    every.settled()
