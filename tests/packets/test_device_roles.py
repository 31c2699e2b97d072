"""A device's role is known, not guessed: a LAN NIC under a bridge, a VE's device of any name."""

from dataclasses import replace

import pytest

from tests.lab.bystanders import sh
from tests.lab.node import CLIENT
from tests.lab.ve9 import new_netif
from tests.lab.wire import ping, send_udp
from tests.site import CLIENTS, OWN, VE101, VE102, pair


@pytest.mark.generation(4, 9)
def test_a_bridge_over_a_reserved_nic_is_no_uplink_and_no_way_out(site):
    """Were eth0 under a bond under the bridge, it would be the same."""
    sh(site.node.hn, """ip link add br0 address $(cat /sys/class/net/eth0/address) type bridge; ip link set br0 up
        ip addr flush dev eth0; ip link set eth0 master br0
        ip addr add 192.168.18.10/24 dev br0; ip addr add fd00:18::10/64 dev br0 nodad
        ip route add default via 192.168.18.1 dev br0
        ip -6 route del default; ip -6 route add default via fd00:18::1 dev br0""")
    site.ini("[node]\nreserved = eth0\n[uplink:isp1]\ndevice = br0\n[uplink:isp2]\ndevice = eth4\n")
    site.node.create_ve("101", pair("101"), "isp1")
    refused = site.vzctl.start("101")
    assert refused.rc != 0 and "br0" in refused.stderr and "reserved" in refused.stderr
    site.both("102", uplink="isp2")
    site.both("105")
    with site.only_by("eth3", "eth4", src=(*pair("105"), *pair("102"))):
        for ctid in ("105", "102"):
            for source, to in site.ways(ctid, CLIENTS):
                send_udp(site.node.ve(ctid).box, source, to, count=3)
    site.leaves_by("102", "eth4")


@pytest.mark.generation(9)
@pytest.mark.parametrize("ipv6", [0, 1], ids=["IPv4 alone", "both families"])
def test_a_ve_s_device_of_any_name_is_the_ve_s_side(site, ipv6):
    for where in ("all", "default"):
        site.node.hn.sysctl(f"net/ipv6/conf/{where}/disable_ipv6", 1 - ipv6)
    nic = replace(new_netif("101", "venet0"), host_name="web0")
    mine = pair("101") if ipv6 else (VE101,)
    site.node.create_ve("101", mine, "eth3", extra=f'NETIF="{nic}"')
    assert site.vzctl.start("101").rc == 0
    site.node.create_ve("102", pair("102") if ipv6 else (VE102,), "eth4")
    assert site.vzctl.start("102").rc == 0
    other = pair("102") if ipv6 else (VE102,)
    own = tuple(address for address in OWN if ipv6 or "." in address)
    assert site.ping("101", (*other, *own)) == 3
    assert site.ping("102", mine) == 3
    assert ping(site.node.hn, VE101, count=3) == 3
    assert site.node.hn.sysctl("net/ipv4/conf/web0/arp_ignore") == "0"
    site.leaves_by("101", "eth3", CLIENTS if ipv6 else CLIENT)


@pytest.mark.generation(9)
def test_a_ve_s_device_of_any_name_leads_nothing_out_by_a_reserved_nic(site):
    """Before it has any address, too."""
    site.ini("[node]\nreserved = eth0\n")
    nic = replace(new_netif("105", "venet0"), host_name="web0")
    site.node.create_ve("105", [], extra=f'NETIF="{nic}"')
    site.both("101", uplink="eth3")
    assert site.vzctl.start("105").rc == 0
    ve = site.node.ve("105")
    for where in ("all", "web0"):
        site.node.hn.sysctl(f"net/ipv4/conf/{where}/rp_filter", 0)
    sources = ("10.98.0.1", "2001:db8:66::6")
    for source in sources:
        ve.add_address(source)
    with site.only_by("eth3", "eth4", src=sources):
        for source, to in zip(sources, CLIENTS):
            send_udp(ve.box, source, to, count=3)
