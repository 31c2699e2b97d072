"""IPv6 gateways of every kind, nodes with and without IPv6, and what would let its packets leak."""

import time

import pytest

from tests.lab.node import BEYOND6, CLIENT, CLIENT6, GATEWAY6
from tests.lab.wire import advertise_router
from tests.site import NICS, SIX101, SIX102, VE101

ways_of_the_node = pytest.mark.generation(4)  # what is behind the node, not VEs, makes the difference here

LINK_LOCAL = "fe80::20c:29ff:fed2:c7aa"


def link_local_gateway(site):
    """Take the global gateway from main: the client's link-local address shall be the way out."""
    assert LINK_LOCAL in site.node.client.run(["ip", "addr"], check=True).stdout
    site.node.del_route("::/0", oif="eth0", gateway=GATEWAY6)


@ways_of_the_node
def test_a_link_local_gateway_that_main_has_on_the_uplink(site):
    link_local_gateway(site)
    site.hn("ip", "-6", "route", "add", "default", "via", LINK_LOCAL, "dev", "eth3")
    site.ve("101", SIX101, uplink="eth3")
    site.leaves_by("101", "eth3", BEYOND6, src=SIX101)
    assert site.ping("101", BEYOND6, src=SIX101) == 3
    site.settled()


@ways_of_the_node
def test_a_link_local_gateway_of_the_ini(site):
    link_local_gateway(site)
    site.ini(f"[uplink:isp2]\ndevice = eth4\ngateway6 = {LINK_LOCAL}\n")
    site.ve("101", SIX101, uplink="isp2")
    site.leaves_by("101", "eth4", BEYOND6, src=SIX101)
    assert site.ping("101", BEYOND6, src=SIX101) == 3


@ways_of_the_node
def test_a_gateway_learnt_from_a_router_advertisement(site):
    link_local_gateway(site)
    site.node.hn.sysctl("net/ipv6/conf/eth3/accept_ra", 2)
    site.ve("101", SIX101, uplink="eth3")
    site.leaves_by("101", None, BEYOND6, src=SIX101)
    advertise_router(site.node.client, "eth0", LINK_LOCAL)
    deadline = time.monotonic() + 5
    while LINK_LOCAL not in site.hn("ip", "-6", "route", "show", "default"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    site.vzhooks("resync")
    site.leaves_by("101", "eth3", BEYOND6, src=SIX101)
    advertise_router(site.node.client, "eth0", LINK_LOCAL, lifetime_s=0)
    while LINK_LOCAL in site.hn("ip", "-6", "route", "show", "default", "table", "main"):
        assert time.monotonic() < deadline + 5
        time.sleep(0.05)
    site.vzhooks("resync")
    site.leaves_by("101", None, BEYOND6, src=SIX101)
    site.leaves_by("101", "eth3", CLIENT6, src=SIX101)


@ways_of_the_node
def test_no_gateway_at_all_reaches_the_lan_and_nothing_else(site):
    site.ini("[uplink:isp1]\ndevice = eth3\ngateway6 = none\n")
    site.ve("101", SIX101, uplink="isp1")
    site.leaves_by("101", "eth3", CLIENT6, src=SIX101)
    site.leaves_by("101", None, BEYOND6, src=SIX101)


def test_the_hook_does_not_wait_for_duplicate_address_detection(site):
    site.node.hn.sysctl("net/ipv6/conf/eth3/accept_dad", 1)
    site.node.hn.sysctl("net/ipv6/conf/eth3/dad_transmits", 5)
    site.hn("ip", "addr", "add", "fd00:77::11/64", "dev", "eth3")
    site.ve("101", SIX101, uplink="eth3")
    assert "tentative" in site.hn("ip", "addr", "show", "dev", "eth3"), "the hook waited"
    site.leaves_by("101", "eth3", CLIENT6, src=SIX101)
    site.leaves_by("101", "eth3", BEYOND6, src=SIX101)


@pytest.mark.parametrize("where", ["all", "eth3", "default"])
def test_a_node_without_ipv6_says_no_error(site, where):
    names = NICS if where == "all" else [where]
    for name in [where, *names]:
        site.node.hn.sysctl(f"net/ipv6/conf/{name}/disable_ipv6", 1)
    site.node.create_ve("101", [VE101], "eth3")
    started = site.vzctl.start("101")
    assert started.rc == 0 and "hardened" in started.stderr and started.stderr.count("\n") == 1
    site.leaves_by("101", "eth3")
    site.settled()
    assert (site.vzctl.stop("101").rc, site.vzhooks("resync").stderr.count("\n")) == (0, 1)


@pytest.mark.generation(4)
def test_a_ve_with_ipv4_alone_sends_no_ipv6(site):
    """On OpenVZ 9 its device holds whatever it sends: see test_device_guard.py."""
    site.ini("[node]\nreserved = eth0\n")
    site.ve("101", VE101, uplink="eth3")
    site.leaves_by("101", "eth3", CLIENT)
    site.leaves_by("101", None, CLIENT6, src=SIX101)
    for layer in ("rules", "nft"):
        site.flush(layer)
        site.leaves_by("101", None, CLIENT6, src=SIX101)
        site.vzhooks("resync")


@pytest.mark.generation(4)
def test_an_address_added_while_it_runs_is_closed_until_the_resync(site):
    """OpenVZ 9, where a script of ours runs for it, is in test_live9.py."""
    site.ini("[node]\nreserved = eth0\n")
    site.ve("101", SIX101, uplink="eth3")
    site.end_announcers()
    site.vzctl.ipadd("101", SIX102, save=True)
    site.leaves_by("101", None, CLIENT6, src=SIX102)
    site.vzhooks("resync")
    site.leaves_by("101", "eth3", CLIENT6, src=SIX102)
    assert site.answers(SIX102) == ["eth3"]
    site.vzctl.ipdel("101", SIX102, save=True)
    site.vzhooks("resync")
    assert not [text for text in site.state().values() if SIX102 in text]
    assert site.answers(SIX102) == []
