"""With the daemon the node is right again by itself, whatever changes on it, and nobody leaks meanwhile."""

import time

import pytest

from tests.datapaths import is_ruled
from tests.lab.wire import flush_neighbours
from tests.resident import quiet, resident_of_two, until
from tests.site import SIX101, VE101, pair
from tests.told import records

INI = "[uplink:isp1]\ndevice = eth3\n[uplink:isp2]\ndevice = eth4\n"


@pytest.fixture
def healed(site):
    """VE 101 runs by isp1, VE 102 by isp2, and the daemon has nothing more to do."""
    with resident_of_two(site, INI) as daemon:
        yield daemon


def right(site, nic="eth3", within=5.0):
    """Assert that VE 101 soon leaves by this NIC and is reached by it, and never leaves by another."""
    with site.only_by(nic):
        until(lambda: site.ping("101", count=1) == 1, within)
    site.comes_by(nic, *pair("101"), within=20)
    quiet(site)


def unpublish(site, address):
    site.hn("ip", "neigh", "del", "proxy", address, "dev", "eth3")


BREAK = {
    "rules flushed": lambda s: s.flush("rules"),
    "nft flushed": lambda s: s.flush("nft"),
    "tables flushed": lambda s: s.hn("sh", "-c", "ip route flush proto 118; ip -6 route flush proto 118"),
    "the link flaps": lambda s: (s.node.link("eth3", False), s.up("eth3")),
    "the carrier flaps": lambda s: (s.node.carrier("eth3", False), s.node.carrier("eth3", True)),
    "published addresses deleted": lambda s: [unpublish(s, a) for a in pair("101")],
    "settings reset": lambda s: s.node.hn.sysctl("net/ipv4/conf/eth3/arp_ignore", 0),
}


@pytest.mark.parametrize("how", BREAK.values(), ids=BREAK)
def test_it_is_mended_when(site, healed, how):
    with site.only_by("eth3"):
        how(site)
    if how in (BREAK["published addresses deleted"], BREAK["settings reset"]):
        site.node.link("eth4", False)  # which tells no event themselves
    right(site)


def test_the_gateway_follows_main(site, healed):
    """As when a lease is renewed with another one."""
    with site.node.client.ipr() as ipr:
        ipr.addr("add", index=site.node.client.index("eth0"), address="192.168.18.2", prefixlen=24)
    site.hn("ip", "route", "replace", "default", "via", "192.168.18.2", "dev", "eth0")
    until(lambda: "192.168.18.2" in site.hn("ip", "route", "show", "table", "all", "proto", "118"))
    quiet(site)
    site.leaves_by("101", "eth3", "203.0.113.9", src=VE101)


def test_a_nic_plugged_in_later_is_hardened_at_once(site, healed):
    site.node.add_nic("eth5", "00:0c:29:b3:a2:77")
    site.node.add_address("eth5", "192.168.18.15/24")
    until(lambda: site.node.hn.sysctl("net/ipv4/conf/eth5/arp_ignore") == "1")
    flush_neighbours(site.node.client)
    quiet(site)


@pytest.mark.generation(4)
def test_a_live_ipadd_is_closed_and_announced(site, healed):
    """vzctl 4 runs no script for it: the route that appears is all there is to see."""
    site.vzctl.ipadd("101", "192.168.18.111", save=True)
    until(lambda: "192.168.18.111" in site.hn("nft", "list", "set", "inet", "vzhooks", "exits4"))
    quiet(site)
    site.leaves_by("101", "eth3", src="192.168.18.111")
    site.comes_by("eth3", "192.168.18.111")


def test_a_config_edited_by_hand_moves_the_ve(site, healed):
    site.node.write_conf("101", pair("101"), "isp2")
    until(lambda: site.status("101") == "ok" and "eth4" in site.vzhooks("status", "101", rc=None).stdout)
    right(site, "eth4")


def test_an_ini_that_is_saved_moves_all_of_an_uplink(site, healed):
    site.ini(INI.replace("eth3", "eth9").replace("eth4", "eth3").replace("eth9", "eth4"))
    until(lambda: "192.168.18.101 . \"eth4\"" in site.hn("nft", "list", "set", "inet", "vzhooks", "exits4"))
    quiet(site)
    right(site, "eth4")


EDITS = {
    "an ini with an error": lambda s: s.ini(INI.replace("device = eth3", "devise = eth3")),
    "an ini that is no ini": lambda s: s.ini("[uplink:isp1\n"),
    "an ini without its uplink": lambda s: s.ini("[uplink:isp2]\ndevice = eth4\n"),
    "a config with an uplink that is none": lambda s: s.node.write_conf("101", pair("101"), "isp7"),
}


@pytest.mark.generation(4)
@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_running_ve_keeps_its_way_after(site, healed, edit):
    """What would take it is said once and waits, and all else is mended all the same."""
    edit(site)
    until(lambda: "101" in healed.said() or "isp1" in healed.said() or "vzhooks.ini" in healed.said())
    site.flush("rules")
    with site.only_by("eth3"):
        until(lambda: is_ruled(site, VE101) and site.ping("101", count=1) == 1)
    time.sleep(0.3)
    said = healed.said().splitlines()
    assert len(said) == len(set(said)), said


@pytest.mark.generation(4)
def test_what_waits_is_shown_and_done_by_force(site, healed):
    site.node.write_conf("101", pair("101"), "isp7")
    until(lambda: "waiting: VE 101" in site.vzhooks("status", rc=None).stdout)
    site.leaves_by("101", "eth3")
    site.vzhooks("resync", "--force", rc=None)
    site.leaves_by("101", None)
    until(lambda: "waiting" not in site.vzhooks("status", rc=None).stdout)


def test_it_ends_when_vzhooks_is_uninstalled_and_brings_nothing_back(site, healed):
    site.vzhooks("uninstall", "--force")
    until(lambda: healed.process.poll() is not None)
    assert healed.process.returncode == 0
    assert SIX101 not in site.hn("ip", "-6", "rule") and "vzhooks" not in site.hn("nft", "list", "ruleset")
    assert not site.node.hn.exists("/run/vzhooks/ves.json") and records(site) == {}
