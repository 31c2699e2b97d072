# SPDX-License-Identifier: GPL-2.0-or-later
"""vzctl 4's venet0 as a bridge: what the real 4.11 makes on a kernel without OpenVZ."""

import pytest

from tests.lab import ExampleNode, Vzctl4Bridged
from tests.lab.node import CLIENT, CLIENT6, MACS
from tests.lab.wire import Tap, ping, who_has

VE1, VE1_6, VE2, VE2_6 = "192.168.18.101", "fd00:18::101", "192.168.18.102", "fd00:18::102"
ALL_MACS = sorted(MACS.values())


@pytest.fixture(name="bridged")
def _bridged():
    with ExampleNode(rp_filter=1, bridged=True) as node:
        yield node, Vzctl4Bridged(node)


def links(node, *options):
    return node.hn.run(["ip", "-d", "link", "show", *options], check=True).stdout


def test_venet0_is_a_bridge_with_a_port_for_each_ve(bridged):
    node, vzctl = bridged
    assert "venet0" not in node.hn.nics()
    vzctl.add_ve("101", VE1, VE1_6)
    assert "bridge " in links(node, "venet0") and "NOARP" not in links(node, "venet0")
    assert "master venet0" in links(node, "venet0.101")
    assert f"{VE1} dev venet0" in node.hn.run(["ip", "route"]).stdout
    assert f"{VE1_6} dev venet0" in node.hn.run(["ip", "-6", "route"]).stdout


def test_ves_reach_the_client_the_node_and_each_other_and_back(bridged):
    node, vzctl = bridged
    first, second = vzctl.add_ve("101", VE1, VE1_6), vzctl.add_ve("102", VE2, VE2_6)
    for dst in (CLIENT, CLIENT6, "192.168.18.12", "fd00:18::12", VE2, VE2_6):
        assert ping(first.box, dst, count=3) == 3, dst
    for dst in (VE1, VE1_6, VE2, VE2_6):
        assert ping(node.client, dst, count=3) == ping(node.hn, dst, count=3) == 3, dst
    with Tap(node.hn) as tap:
        assert ping(second.box, VE1) == 1
    assert not [f for f in tap.find(outgoing=True, src=VE2, proto="icmp") if f.nic in MACS]


def test_a_start_announces_from_all_nics(bridged):
    node, vzctl = bridged
    with Tap(node.client) as tap:
        vzctl.add_ve("101", VE1)
    assert {frame.src_mac for frame in tap.find(proto="arp", src=VE1, dst=VE1)} == set(ALL_MACS)


def test_a_stop_takes_the_port_and_leaves_what_was_published(bridged):
    node, vzctl = bridged
    vzctl.add_ve("101", VE1)
    assert vzctl.stop("101").rc == 0
    assert "venet0.101" not in node.hn.nics() and "venet0" in node.hn.nics()
    assert VE1 in node.hn.run(["ip", "route"]).stdout
    assert who_has(node.client, "eth0", VE1, CLIENT, wait=0.1) != []
    assert vzctl.start("101").rc == 0
    assert ping(node.client, VE1, count=3) == 3


def test_venet0_goes_with_the_last_address_and_comes_again(bridged):
    node, vzctl = bridged
    ve = vzctl.add_ve("101", VE1)
    assert vzctl.ipdel("101", VE1).rc == 0
    assert "venet0" not in node.hn.nics() and "venet0" not in ve.box.nics()
    assert vzctl.ipadd("101", VE2).rc == 0
    assert "venet0.101" in node.hn.nics()
    assert ping(node.client, VE2, count=3) == ping(ve.box, CLIENT, count=3) == 3
