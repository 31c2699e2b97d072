# SPDX-License-Identifier: GPL-2.0-or-later
"""What appears on a hardened node later, or stands in an odd way, is no worse off than without vzhooks."""

import time

import pytest

from tests.lab import bystanders
from tests.lab.bystanders import sh
from tests.lab.tap import Tap
from tests.lab.wire import flush_neighbours, ping, send_udp
from tests.site import BEYONDS, SIX101, pair

MOVED = "ip rule add priority 32765 lookup local; ip -6 rule add priority 32765 lookup local"
GONE = "ip rule del priority 0; ip -6 rule del priority 0"



def reached(site, address):
    """Ping an address of the node from a client that knows nothing of it, and from it the client."""
    flush_neighbours(site.node.client)
    return ping(site.node.client, address, count=3, timeout=0.5)


def assigned(site):
    site.both("101", uplink="eth3")
    site.end_announcers()


def test_a_nic_that_comes_later_answers_for_its_address_before_anybody_looks(every):
    assigned(every)
    address = bystanders.late_nic(every.node)
    assert reached(every, address) == 3


def test_and_after_a_resync_answers_alone(every):
    assigned(every)
    address = bystanders.late_nic(every.node)
    every.vzhooks("resync")
    assert reached(every, address) == 3
    every.leaves_by("101", "eth3")
    every.settled()


@pytest.mark.parametrize("strict", ["0", "1"])
def test_a_virtual_router_s_address_on_a_macvlan_is_answered(site, strict):
    site.node.hn.sysctl("net/ipv4/conf/all/rp_filter", strict)
    idle = site.node.hn.sysctl("net/ipv4/conf/all/rp_filter")
    assigned(site)
    address = bystanders.virtual_router(site.node)
    assert reached(site, address) == 3
    site.vzhooks("resync")
    assert reached(site, address) == 3
    assert site.node.hn.sysctl("net/ipv4/conf/all/rp_filter") == idle


def test_a_local_rule_that_was_moved_back_is_said_and_makes_no_loop(site):
    sh(site.node.hn, f"{MOVED}; {GONE}")
    site.both("105")
    site.node.create_ve("101", pair("101"), "eth3")
    started = site.vzctl.start("101")
    assert "ip rule add priority 0 lookup local" in started.stderr + site.vzhooks("resync", rc=None).stderr
    with Tap(site.node.hn) as tap:
        for dst in ("192.168.18.10", "192.168.18.11", "fd00:18::10"):
            assert ping(site.node.ve("105").box, dst, count=3, timeout=0.5) == 3
            assert ping(site.node.hn, dst, src=dst, count=3, timeout=0.5) == 3
        assert len(tap.frames) < 150
    if started.rc == 0:
        site.leaves_by("101", None, src=SIX101)


def test_a_local_rule_moved_while_ves_run_makes_no_loop_after_a_resync(site):
    assigned(site)
    sh(site.node.hn, f"{MOVED}; {GONE}")
    site.vzhooks("resync", rc=None)
    assert ping(site.node.hn, "192.168.18.11", src="192.168.18.10", count=3, timeout=0.5) == 3
    with site.only_by("eth3"):
        send_udp(site.node.ve("101").box, SIX101, "fd00:18::129", count=3)


def test_gateway6_on_a_nic_without_ipv6_is_said_in_one_line_and_the_rest_works(site):
    site.ini("[uplink:isp1]\ndevice = eth3\ngateway = 192.168.18.1\ngateway6 = fd00:18::1\n")
    site.node.hn.sysctl("net/ipv6/conf/eth3/disable_ipv6", 1)
    site.node.create_ve("101", pair("101"), "isp1")
    started = site.vzctl.start("101")
    assert started.rc == 0
    said = [line for line in started.stderr.splitlines() if "vzhooks" in line.lower() and "harden" not in line]
    assert len(said) <= 1, said
    site.end_announcers()
    assert len(site.vzhooks("resync", rc=None).stderr.splitlines()) <= 1
    assert site.node.hn.sysctl("net/ipv4/conf/eth3/arp_ignore") == "1"
    site.leaves_by("101", "eth3", ("192.168.18.129", BEYONDS[0]), src=pair("101")[0])
    site.leaves_by("101", None, src=SIX101)


@pytest.mark.parametrize("layer", ["", "nft"])
def test_lo_that_went_down_and_up_lets_no_ipv6_out(site, layer):
    assigned(site)
    sh(site.node.hn, "ip link set lo down; ip link set lo up")
    if layer:
        site.flush(layer)
    site.node.link("eth3", False)
    site.leaves_by("101", None, BEYONDS)


def test_after_lo_went_down_and_up_a_resync_has_it_all_back(site):
    assigned(site)
    sh(site.node.hn, "ip link set lo down; ip link set lo up")
    site.vzhooks("resync")
    site.settled()
    site.leaves_by("101", "eth3")


@pytest.mark.parametrize("layer", ["", "nft", "rules"])
def test_a_ve_that_still_lives_behind_a_tunnel_is_not_reached_by_the_reserved_nic(site, layer):
    """It is only mounted here: main has a host route to it by a tunnel, which leaves by eth0."""
    bystanders.tunnel(site.node)
    site.ini("[node]\nreserved = eth0\n")
    site.hn("ip", "route", "add", "192.168.18.102/32", "dev", "vx0")
    site.both("101", uplink="eth3")
    site.node.create_ve("102", ["192.168.18.102"], "eth4")
    site.vzctl.mount("102")
    site.vzhooks("resync", rc=None)
    site.end_announcers()
    if layer:
        site.flush(layer)
    with site.only_by("eth3"), Tap(site.node.hn, "vx0") as tap:
        send_udp(site.node.ve("101").box, pair("101")[0], "192.168.18.102", count=3)
        assert tap.find(nic="vx0", outgoing=True, src=pair("101")[0], proto="udp") == []


@pytest.mark.generation(9)
def test_a_ve_started_on_a_hardened_node_leaves_nothing_to_change(site):
    """Its device inherits the filter that is meant for NICs that come later, and gives it back."""
    assigned(site)
    site.both("105")
    time.sleep(6)  # what a start leaves behind is done by then
    site.settled()


@pytest.mark.generation("4b")
@pytest.mark.parametrize("how", ["hardened", "assigned"])
def test_a_venet0_that_comes_later_takes_no_more_sources_than_without_hardening(site, how):
    """It inherits the filter that is meant for NICs that come later, until a hook or a resync sees it."""
    if how == "hardened":
        site.vzhooks("harden")
        site.both("105", "106")
        site.end_announcers()
        site.node.create_ve("107", pair("107"))
        assert site.vzctl.start("107").rc == 0
    else:
        site.both("101", uplink="eth3")
        site.both("105")
        site.end_announcers()
        site.vzhooks("resync")
    assert site.node.hn.sysctl("net/ipv4/conf/default/rp_filter") == "2"
    assert site.node.hn.sysctl("net/ipv4/conf/venet0/rp_filter") == "1"
    assert "-net/ipv4/conf/venet0/rp_filter = 1\n" in site.node.hn.read("/etc/sysctl.d/90-vzhooks.conf")
    with site.only_by(src="10.98.0.9"):
        send_udp(site.node.ve("105").box, "10.98.0.9", "192.168.18.129", count=3)
    assert site.ping("105") == 3
    site.settled()
    site.vzhooks("harden", "--undo")
    assert site.node.hn.sysctl("net/ipv4/conf/venet0/rp_filter") == "1"
