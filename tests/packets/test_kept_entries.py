"""Neighbours that have an entry already, as those in use do, send a VE's packets to its uplink within 5 s."""

import time

import pytest

from tests.lab.node import GATEWAY, GATEWAY6, MACS
from tests.lab.wire import announce, flush_neighbours, neighbour, ping
from tests.site import NICS, OWN, OWN6, pair

pytestmark = pytest.mark.bridged
BOTH = pair("101")
stale = pytest.mark.parametrize("stale", [False, True], ids=["reachable", "stale"])


def begun(site, stale, uplink="eth3"):
    """Start VE 101, wait until nobody announces it any more, and let the client have entries of it."""
    site.both("101", uplink=uplink)
    site.end_announcers()
    site.vzhooks("resync")
    site.end_announcers()
    site.forget()
    site.acquaint(*BOTH, stale=stale)
    site.comes_by(uplink, *BOTH)


@stale
@pytest.mark.generation(4, 9)
def test_without_an_uplink_all_comes_by_the_nic_announced_last_or_by_any(bare, stale):
    """The state before: what is measured here holds of a node without vzhooks."""
    bare.both("101")
    bare.acquaint(*BOTH, stale=stale)
    assert bare.vzctl.restart("101").rc == 0
    assert all(bare.reached_by(address).split(",")[0] in NICS for address in BOTH)


@stale
def test_after_a_restart(every, stale):
    """vzctl's own announcement from all NICs is the last one heard, and eth4's the last of them."""
    begun(every, stale)
    assert every.vzctl.restart("101").rc == 0
    every.comes_by("eth3", *BOTH)
    time.sleep(1)
    every.comes_by("eth3", *BOTH, within=0)


@stale
def test_after_set(every, stale):
    begun(every, stale)
    every.vzhooks("set", "101", "--uplink", "eth4")
    every.comes_by("eth4", *BOTH)


@stale
def test_after_set_that_unassigns(site, stale):
    """Main leads all by eth0 then, and with rp_filter 1 a packet that comes by another NIC is lost."""
    begun(site, stale)
    site.vzhooks("set", "101", "--uplink", "none")
    site.comes_by("eth0", *BOTH)


def test_after_a_start_with_another_uplink(every):
    begun(every, stale=False)
    assert every.vzctl.stop("101").rc == 0
    every.node.write_conf("101", BOTH, "eth4")
    assert every.vzctl.start("101").rc == 0
    every.comes_by("eth4", *BOTH)


def test_after_a_resync_that_moves(site):
    begun(site, stale=True)
    site.node.write_conf("101", BOTH, "eth4")
    site.vzhooks("resync")
    site.comes_by("eth4", *BOTH)


def test_when_vzctl_announces_once_more_a_second_after_the_hook(site):
    begun(site, stale=False)
    assert site.vzctl.restart("101").rc == 0
    time.sleep(1)
    for address in BOTH:
        announce(site.node.hn, list(NICS), address)
    site.comes_by("eth3", *BOTH)


def test_after_uninstall_the_node_and_its_ves_are_reached_at_once(site):
    """With rp_filter 1 main takes packets of the LAN by eth0 alone, and neighbours still know the other NICs."""
    begun(site, stale=False)
    own = [address for address in OWN if ":" not in address]
    site.acquaint(*own)
    site.vzhooks("uninstall", "--force")
    site.comes_by("eth0", *own, *BOTH)
    time.sleep(3)
    site.comes_by("eth0", *own, *BOTH, within=0)


def test_on_an_uplink_without_an_address(site):
    site.ini(f"[uplink:isp1]\ndevice = eth3\ngateway = {GATEWAY}\ngateway6 = {GATEWAY6}\n")
    for address in ("192.168.18.11/24", OWN6["eth3"]):
        site.node.del_address("eth3", address)
    site.both("101", uplink="isp1")
    site.comes_by("eth3", *BOTH)
    assert site.vzctl.restart("101").rc == 0
    site.comes_by("eth3", *BOTH)


def test_a_running_ve_is_not_said_to_start(site):
    site.both("101", uplink="eth3")
    site.end_announcers()
    assert site.status("101") == "ok"


def test_a_running_ve_s_address_is_refused_to_a_second_one(site):
    site.both("101", uplink="eth3")
    site.node.create_ve("102", BOTH, "eth4")
    refused = site.vzctl.start("102")
    assert refused.rc != 0 and "101" in refused.stderr
    site.leaves_by("101", "eth3")


@pytest.mark.generation("4b")
def test_venet0_made_anew_is_known(site):
    """On a bridge the last address that goes takes venet0 along, with its index."""
    site.ve("101", BOTH[0], uplink="eth3")
    site.vzctl.ipdel("101", BOTH[0], save=True)
    for address in BOTH:
        assert site.vzctl.ipadd("101", address, save=True).rc == 0
    site.vzhooks("resync")
    site.comes_by("eth3", *BOTH)
    site.leaves_by("101", "eth3")


def test_where_arp_is_not_hardened_a_ve_s_uplink_teaches_nobody_the_node_s_own_address(site):
    """A strict rp_filter has the LAN know .11 at eth0, and takes nothing for it at eth3."""
    site.ini("[node]\narp = off\n")
    site.acquaint("192.168.18.11")
    assert neighbour(site.node.client, "192.168.18.11") == MACS["eth0"]
    site.ve("101", uplink="eth3")
    site.end_announcers()
    time.sleep(1.1)  # a neighbour entry is not overwritten within a second of its making (arp(7), locktime)
    flush_neighbours(site.node.hn)
    site.leaves_by("101", "eth3")
    assert site.ping("101") == 3
    assert neighbour(site.node.client, "192.168.18.11") == MACS["eth0"]
    assert ping(site.node.client, "192.168.18.11", count=3) == 3
