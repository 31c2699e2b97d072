"""Our tables are copies of main's routes by their device, with all their attributes."""

from dataclasses import replace

import pytest

from tests.unit.example import ETH0, ETH3, ETH4, LO, NICS, VENET0, facts, nic, routes, table_of, wanted
from vzhooks.addresses import host_prefix
from vzhooks.model import MAIN, Gateway, Route, Ve
from vzhooks.policy.tables import LESS, uplink_key

VE101 = Ve("101", ("192.168.18.101",), "eth3")
ISP = Ve("101", ("192.168.18.101",), "isp1")
LAST = "unreachable default metric 4294967295"
DOCKER = nic("docker0", 20, "172.17.0.1/16", kind="bridge")


def route(dst, dev="", gateway="", metric=0, family=4, **more):
    return Route(family, MAIN, dst, dev, gateway, metric, **more)


def table(*main, ve=VE101, ini="", nics=NICS, **more):
    """Return the routes in the table of the VE's uplink but for the last resorts."""
    known = facts(*nics, main=main, **more)
    found = routes(wanted(ve, ini=ini, known=known), table_of(uplink_key(ve.uplink), ve, ini=ini, known=known))
    assert found.count(LAST) == 2
    return [r for r in found if r != LAST]


def test_a_point_to_point_nic_without_a_known_gateway_leads_nowhere_by_itself():
    """By `none` it does."""
    ppp = nic("ppp0", 9, "10.64.0.2/32", kind="ppp", pointopoint=True)
    ini = "[uplink:isp1]\ndevice = ppp0\n"
    assert [table(ve=ISP, ini=ini + more, nics=(*NICS, ppp), gateways=()) for more in ("", "gateway = none\n")] == [
        [], ["default dev ppp0"]]


USUAL = ["192.168.18.0/24 dev eth3", "default via 192.168.18.1 dev eth3 onlink"]


@pytest.mark.parametrize("main, found", [
    ((), []),
    ((route("10.8.0.0/16", "eth3", "192.168.18.7"),), ["10.8.0.0/16 via 192.168.18.7 dev eth3 onlink"]),
    ((route("10.8.0.0/16", "eth3", "192.168.18.7", 50, metrics=(("advmss", 1360), ("mtu", 1400))),),
     ["10.8.0.0/16 via 192.168.18.7 dev eth3 metric 50 advmss 1360 mtu 1400 onlink"]),
    ((route("10.8.0.0/16", "eth3", "fe80::7"),), ["10.8.0.0/16 via inet6 fe80::7 dev eth3 onlink"]),
    ((route("10.8.0.0/16", "eth4", "192.168.18.7"), route("10.9.0.0/16", "wg0")), []),
    ((route("172.17.0.0/16", "docker0"),), ["172.17.0.0/16 dev docker0"]),
    ((route("10.3.0.5/32", "lxd7"), route("10.3.1.0/28", "lxd7")), ["10.3.0.5/32 dev lxd7", "10.3.1.0/28 dev lxd7"]),
    ((route("198.51.100.16/28", type="blackhole"),), ["blackhole 198.51.100.16/28"]),
    ((route("198.51.100.16/28", type="prohibit"), route("198.51.101.0/24", metric=7)),
     ["prohibit 198.51.100.16/28", "unreachable 198.51.101.0/24 metric 7"]),
    ((route("198.51.100.16/28", type="throw"),), ["unreachable 198.51.100.16/28"]),
    ((route("192.168.18.102/32", "vx0"), route("192.168.18.103/32", "eth0")), []),
    ((route("192.168.18.105/32", "venet0"),), []),
])
def test_what_main_has_by_the_device_or_to_guests_of_the_node_is_copied(main, found):
    more = (nic("docker0", 20, kind="bridge"), nic("lxd7", 21, kind="veth"), nic("wg0", 22, kind="wireguard"),
            nic("vx0", 23, kind="vxlan"))
    assert table(*main, nics=(*NICS, *more)) == sorted(USUAL + found)


def test_a_portless_bridge_with_an_address_of_the_lan_does_not_steal_the_lan():
    vip = nic("vip0", 9, "192.168.18.50/24", kind="bridge")
    assert table(nics=(*NICS, vip)) == USUAL
    assert table(nics=(LO, ETH0, replace(ETH3, up=False), ETH4, VENET0, vip)) == []
    far = Ve("101", ("192.168.18.101",), "eth5")
    assert table(ve=far, nics=(*NICS, nic("eth5", 8, "10.5.0.1/24"), vip)) == ["10.5.0.0/24 dev eth5"]
    assert table(nics=(*NICS, DOCKER)) == sorted([*USUAL, "172.17.0.0/16 dev docker0"])


@pytest.mark.parametrize("ini, main, default", [
    ("", [route("default", "eth3", "192.168.18.2", 100)], ["default via 192.168.18.2 dev eth3 metric 100 onlink"]),
    ("", [route("default", "eth3", "192.168.18.2", 100, metrics=(("mtu", 1400),)),
          route("default", "eth3", "192.168.18.3", 200)],
     ["default via 192.168.18.2 dev eth3 metric 100 mtu 1400 onlink",
      "default via 192.168.18.3 dev eth3 metric 200 onlink"]),
    ("", [route("default", "eth3", "fe80::1", 5)], ["default via inet6 fe80::1 dev eth3 metric 5 onlink"]),
    ("gateway=192.168.18.9", [route("default", "eth3", "192.168.18.2", 100)],
     ["default via 192.168.18.9 dev eth3 onlink"]),
    ("gateway=none", [route("default", "eth3", "192.168.18.2", 100)], []),
])
def test_the_default_is_main_s_by_the_device_unless_the_ini_says_another(ini, main, default):
    found = table(*main, ve=ISP, ini=f"[uplink:isp1]\ndevice=eth3\n{ini}\n", gateways=())
    assert [r for r in found if r.startswith("default") and "metric 1024" not in r] == default


def test_an_ipv6_next_hop_of_an_ipv4_default_is_no_ipv6_gateway():
    assert facts(main=[route("default", "eth3", "fe80::1", 5)], gateways=()).gateways == ()


def test_a_device_that_is_down_has_nothing_but_the_last_resort_and_the_guests():
    down = (LO, ETH0, replace(ETH3, up=False), ETH4, VENET0, DOCKER)
    assert table(route("198.51.100.16/28", type="blackhole"), nics=down) == [
        "172.17.0.0/16 dev docker0", "blackhole 198.51.100.16/28"]


def test_a_device_without_ipv6_has_no_routes_of_it():
    mute = replace(ETH3, addresses=("192.168.18.11/24", "fd00:18::11/64"), ipv6=False)
    ini = "[uplink:isp1]\ndevice=eth3\ngateway6=fd00:18::1\n"
    assert not [r for r in table(ve=ISP, ini=ini, nics=(LO, ETH0, mute, VENET0)) if "fd00" in r]


def less(*main, ini="[node]\nreserved=eth0\n", nics=NICS, local=(), ve=VE101):
    known = facts(*nics, main=main, local=local)
    found = routes(wanted(ve, ini=ini, known=known), table_of(LESS, ve, ini=ini, known=known))
    assert found.count(LAST) == 2
    return [r for r in found if r != LAST]


def test_main_without_the_reserved_device_leaves_ves_here_to_main():
    """What main sends by the reserved one ends there, and takes no next best NIC."""
    main = route("default", "eth4", "192.168.18.2", 100), route("10.8.0.0/16", "eth0", "192.168.18.7"), route(
        "10.9.0.0/16", "wg0"), route("198.51.100.16/28", type="blackhole"), route("192.168.18.106/32", "vx0")
    more = (nic("wg0", 20, kind="wireguard"), nic("vx0", 21, kind="vxlan"))
    assert less(*main, nics=(*NICS, *more), local=["192.168.18.105"]) == sorted([
        "unreachable 192.168.18.0/24", "unreachable default", "default via 192.168.18.2 dev eth4 metric 100 onlink",
        "10.9.0.0/16 dev wg0", "unreachable 10.8.0.0/16",
        "blackhole 198.51.100.16/28", "192.168.18.106/32 dev vx0", "throw 192.168.18.105/32"])


def test_no_host_route_of_a_ve_stands_in_a_table_of_ours():
    """vzctl 4 looks for them in all tables, and then makes none in main."""
    known = facts(local=["192.168.18.101", "fd00:18::101"])
    ve = Ve("101", ("192.168.18.101", "fd00:18::101"), "eth3")
    found = wanted(ve, ini="[node]\nreserved=eth0\n", known=known)
    mine = [i for i in found.items if isinstance(i, Route) and i.dst in map(host_prefix, ve.addresses)]
    assert {(i.dst, i.dev, i.type, i.metric) for i in mine} == {
        ("192.168.18.101/32", "", "throw", 0), ("fd00:18::101/128", "", "throw", 1024)}


@pytest.mark.parametrize("reserved, lan", [
    ("eth0", "unreachable 192.168.18.0/24"), ("eth3", "192.168.18.0/24 dev eth0"),
    ("eth0 eth3 eth4", "unreachable 192.168.18.0/24"), ("mgmt", "unreachable 192.168.18.0/24")])
def test_nothing_is_left_by_what_is_reserved(reserved, lan):
    nics = (LO, replace(ETH0, altnames=("mgmt",)), ETH3, ETH4, VENET0)
    found = less(ini=f"[node]\nreserved={reserved}\n", nics=nics, ve=Ve("105", ("192.168.18.105",)))
    default = "default via 192.168.18.1 dev eth0 onlink" if "eth0" in lan else "unreachable default"
    assert found == sorted([lan, default])


def test_two_routes_that_the_kernel_takes_for_one_are_one():
    """Main's order decides: eth3's and eth4's copies of one network have the same key."""
    known = facts(gateways=(Gateway("192.168.18.1", "eth0"),))
    found = wanted(VE101, ini="[node]\nreserved=eth0\n", known=known)
    keys = [i.key for i in found.items if isinstance(i, Route)]
    assert len(keys) == len(set(keys))
