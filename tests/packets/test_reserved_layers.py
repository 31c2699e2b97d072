# SPDX-License-Identifier: GPL-2.0-or-later
"""A reserved NIC is kept from VEs without an uplink by each of the two layers alone."""

import pytest

from tests.lab.bystanders import sh
from tests.site import BEYONDS, CLIENTS, pair

pytestmark = [pytest.mark.bridged, pytest.mark.datapaths]
EVERYWHERE = (*CLIENTS, *BEYONDS)


def kept(site, *ctids):
    """Start VEs without an uplink on a node whose eth0 is reserved."""
    site.ini("[node]\nreserved = eth0\n")
    site.both(*ctids)
    site.vzhooks("resync")
    site.end_announcers()


@pytest.mark.parametrize("layer", ["", "nft", "rules"])
@pytest.mark.parametrize("more", ["", "101"], ids=["alone", "beside_an_assigned_ve"])
def test_a_ve_without_an_uplink_does_not_leave_by_it_with_one_layer_gone(every, layer, more):
    kept(every, "105")
    if more:
        every.both(more, uplink="eth3")
        every.end_announcers()
    if layer:
        every.flush(layer)
    for src in pair("105"):
        for dst in EVERYWHERE:
            if (":" in src) == (":" in dst):
                with every.only_by("eth3", "eth4", src=src):
                    every.pings("105", dst, src=src, count=1)


@pytest.mark.parametrize("layer", ["", "nft", "rules"])
def test_with_one_layer_gone_ves_still_reach_each_other_and_the_node(site, layer):
    kept(site, "105", "106")
    if layer:
        site.flush(layer)
    heard = 0 if site.marks and layer == "nft" else 3
    assert site.ping("105", pair("106")) == heard
    assert site.ping("106", ("192.168.18.10", "fd00:18::10")) in (3, heard)


@pytest.mark.generation(4)
def test_a_port_of_venet0_that_vzctl_just_makes_is_no_lan_nic(site):
    site.both("101", uplink="eth3")
    site.end_announcers()
    inside = site.node.box("ve202").pid
    sh(site.node.hn, f"ip link add venet0.202 type veth peer name eth0 netns {inside}; ip link set venet0.202 up")
    assert site.status("101") == "ok"
    assert "venet0.202" not in site.vzhooks("doctor", rc=None).stdout
    site.node.create_ve("102", pair("102"), "eth4")
    assert site.vzctl.start("102").rc == 0
    assert site.node.hn.sysctl("net/ipv4/conf/venet0.202/arp_ignore") == "0"
    site.leaves_by("101", "eth3")
    site.leaves_by("102", "eth4")
