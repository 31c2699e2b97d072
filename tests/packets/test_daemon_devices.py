# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices that go and come as others under the same name: the daemon uses what is there, and nobody leaks meanwhile."""

import signal

import pytest

from tests.lab import tun
from tests.lab.bystanders import sh
from tests.lab.node import MACS, NICS
from tests.lab.wire import neighbour
from tests.resident import quiet, resident, resident_of_two, until
from tests.site import BEYONDS, pair

pytestmark = pytest.mark.generation(4)  # the node's own devices are the same on both
INI = "[uplink:isp1]\ndevice = eth3\nprobe = gateway\nprobe_interval = 500ms\n[uplink:isp2]\ndevice = eth4\n"


def replace(site, mac):
    """Delete eth3, and make another one in its place."""
    former = site.node.hn.index("eth3")
    site.hn("ip", "link", "del", "eth3")
    site.node.add_nic("eth3", mac)
    for cidr in NICS["eth3"][1:]:
        site.node.add_address("eth3", cidr)
    assert site.node.hn.index("eth3") != former


@pytest.mark.parametrize("mac, looks", [(MACS["eth3"], True), ("00:0c:29:b3:a2:99", False)],
                         ids=["the same MAC", "another MAC, and all was over before the daemon looked"])
def test_a_nic_that_is_replaced_serves_again(site, mac, looks):
    with resident_of_two(site, INI) as daemon:
        site.acquaint(*pair("101"))
        with site.only_by("eth3"):
            if not looks:
                daemon.signal(signal.SIGSTOP)
            replace(site, mac)
            daemon.signal(signal.SIGCONT)
            until(lambda: site.ping("101", count=1) == 1)
        assert site.node.hn.sysctl("net/ipv4/conf/eth3/arp_ignore") == "1"
        until(lambda: [neighbour(site.node.client, a) for a in pair("101")] == [mac, mac])
        quiet(site)
        site.forget("101")
        site.leaves_by("101", "eth3", BEYONDS)
        site.leaves_by("102", "eth4")
        until(lambda: site.status("101") == "ok")


def dial(site, isp, number, default):
    """Have pppd set up a line, with addresses that are others each time; return what hangs up."""
    hang_up = tun.join(site.node.hn, "ppp0", isp, "line", tun.IFF_TUN)
    lend(site, isp, number)
    if default:
        sh(site.node.hn, "ip route add default dev ppp0 metric 200; ip -6 route add default dev ppp0 metric 2000")
    return hang_up


def lend(site, isp, number):
    for box, device, own, peer in ((site.node.hn, "ppp0", 2, 1), (isp, "line", 1, 2)):
        sh(box, f"ip link set {device} up; ip addr flush dev {device} scope global;"
                f"ip addr add 10.64.{number}.{own} peer 10.64.{number}.{peer}/32 dev {device};"
                f"ip addr add fd00:64:{number}::{own} peer fd00:64:{number}::{peer}/128 dev {device} nodad")
    sh(isp, " && ".join(f"ip route replace {a} dev line" for a in pair("101")))


@pytest.fixture
def isp(site):
    """The other end of a line, with what is beyond."""
    box = site.node.box("isp")
    sh(box, "ip link set lo up; " + "; ".join(f"ip addr add {a} dev lo" for a in BEYONDS))
    return box


@pytest.mark.parametrize("gateway", ["none", "auto"])
def test_a_line_that_is_dialled_again_serves_again(site, isp, gateway):
    """With none all is sent by it; auto follows the default route that pppd makes."""
    site.ini(f"[node]\nreserved = eth0\n[uplink:isp1]\ndevice = ppp0\ngateway = {gateway}\ngateway6 = {gateway}\n")
    hang_up = dial(site, isp, 1, gateway == "auto")
    with resident(site):
        site.both("101", uplink="isp1")
        with site.only_by():
            for number in (2, 3):
                until(lambda: site.ping("101", BEYONDS, count=1) == 1)
                quiet(site)
                hang_up()
                site.leaves_by("101", None, BEYONDS)
                hang_up = dial(site, isp, number, gateway == "auto")
            until(lambda: site.ping("101", BEYONDS, count=1) == 1)
            lend(site, isp, 4)
            if gateway == "auto":
                sh(site.node.hn, "ip route replace default dev ppp0 metric 200")
            until(lambda: site.ping("101", BEYONDS, count=1) == 1)
        quiet(site)
        ours = site.hn("ip", "route", "show", "table", "all", "proto", "118")
        assert "10.64.4.1 dev ppp0" in ours and "10.64.3.1" not in ours, ours
    hang_up()
