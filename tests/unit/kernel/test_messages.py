"""What the kernel says becomes values, and requests say all that a value holds."""

import pytest

from vzhooks.errors import KernelError
from vzhooks.kernel.messages import VE_GATEWAY, nics_of, protocol_of, route_request, routes_of, rule_of, rule_request
from vzhooks.model import Route, Rule

NAMES = {3: "eth3", 4: "eth4"}
UNICAST, BLACKHOLE, UNREACHABLE, PROHIBIT, THROW, LOCAL = 1, 6, 7, 8, 9, 2


def route(kind=UNICAST, length=24, tos=0, src_len=0, **attrs):
    dst = {"RTA_DST": "10.8.0.0"} if length else {}
    return {"type": kind, "dst_len": length, "src_len": src_len, "tos": tos, "table": 254, **dst,
            **{f"RTA_{k.upper()}": v for k, v in attrs.items()}}


@pytest.mark.parametrize("message, found", [
    (route(oif=3), [Route(4, 254, "10.8.0.0/24", "eth3")]),
    (route(length=0, oif=3, gateway="10.0.0.1", priority=100), [Route(4, 254, "default", "eth3", "10.0.0.1", 100)]),
    (route(oif=3, via={"family": 10, "addr": "fe80::1"}), [Route(4, 254, "10.8.0.0/24", "eth3", "fe80::1")]),
    (route(oif=3, table=10000), [Route(4, 10000, "10.8.0.0/24", "eth3")]),
    (route(oif=3, metrics={"attrs": [("RTAX_MTU", 1400), ("RTAX_ADVMSS", 1360), ("RTAX_LOCK", 4)]}),
     [Route(4, 254, "10.8.0.0/24", "eth3", metrics=(("advmss", 1360), ("lock", 4), ("mtu", 1400)))]),
    (route(oif=3, tos=16), [Route(4, 254, "10.8.0.0/24", "eth3", tos=16)]),
    (route(oif=3, src="10.9.0.0", src_len=16), [Route(4, 254, "10.8.0.0/24", "eth3", src="10.9.0.0/16")]),
    (route(PROHIBIT, tos=16), [Route(4, 254, "10.8.0.0/24", type="prohibit", tos=16)]),
    (route(multipath=[{"oif": 3, "RTA_GATEWAY": "10.0.0.1"}, {"oif": 4, "RTA_GATEWAY": "10.0.1.1"}]),
     [Route(4, 254, "10.8.0.0/24", "eth3", "10.0.0.1"), Route(4, 254, "10.8.0.0/24", "eth4", "10.0.1.1")]),
    (route(BLACKHOLE), [Route(4, 254, "10.8.0.0/24", type="blackhole")]),
    (route(UNREACHABLE), [Route(4, 254, "10.8.0.0/24")]),
    (route(PROHIBIT), [Route(4, 254, "10.8.0.0/24", type="prohibit")]),
    (route(THROW), [Route(4, 254, "10.8.0.0/24", type="throw")]),
    (route(LOCAL, oif=3), [])])
def test_a_route_is_read_with_all_that_it_says(message, found):
    assert list(routes_of(message, 4, NAMES)) == found


@pytest.mark.parametrize("item, expected", [
    (Route(4, 9, "default", "eth3", "10.0.0.1"), {"gateway": "10.0.0.1", "flags": "onlink", "oif": 3, "scope": 0}),
    (Route(4, 9, "default", "eth3", "fe80::1"), {"via": {"family": 10, "addr": "fe80::1"}, "flags": "onlink"}),
    (Route(6, 9, "default", "eth3", "fd00::1", 1024), {"gateway": "fd00::1", "priority": 1024, "family": 10}),
    (Route(4, 9, "10.0.0.0/8", "eth3", metrics=(("mtu", 1400),)), {"metrics": {"mtu": 1400}, "scope": 253}),
    (Route(4, 9, "10.0.0.0/8", "eth3", metrics=(("lock", 4), ("mtu", 1400)), tos=16),
     {"metrics": {"lock": 4, "mtu": 1400}, "tos": 16, "src": None}),
    (Route(6, 9, "fd01::/16", "eth3", src="fd00:18::/64"), {"src": "fd00:18::/64", "tos": None}),
    (Route(4, 9, "10.0.0.0/8"), {"type": "unreachable"}), (Route(4, 9, "10.0.0.0/8", type="throw"), {"type": "throw"}),
])
def test_a_route_is_asked_for_with_all_that_it_holds(item, expected):
    request = route_request(item, 3)
    assert {k: request.get(k) for k in expected} == expected and request["proto"] == 118 and request["table"] == 9
    assert ("flags" in request) is item.onlink and ("oif" in request) is bool(item.dev)


@pytest.mark.parametrize("attrs, rule", [
    ({"action": 2, "FRA_PRIORITY": 1001, "FRA_GOTO": 1050}, Rule(4, 1001, goto=1050)),
    ({"action": 3, "FRA_PRIORITY": 1050}, Rule(4, 1050)),
    ({"action": 7, "FRA_PRIORITY": 1040, "FRA_IIFNAME": "venet0"}, Rule(4, 1040, iif="venet0", unreachable=True)),
    ({"action": 1, "FRA_PRIORITY": 1020, "FRA_TABLE": 10000, "FRA_SRC": "10.0.0.1", "src_len": 32},
     Rule(4, 1020, 10000, "10.0.0.1/32")),
    ({"action": 1, "FRA_PRIORITY": 1010, "FRA_TABLE": 254, "FRA_DST": "10.0.0.1", "dst_len": 32,
      "FRA_SUPPRESS_PREFIXLEN": 31}, Rule(4, 1010, 254, dst="10.0.0.1/32", suppress=31)),
    ({"action": 1, "FRA_PRIORITY": 1, "FRA_TABLE": 254, "FRA_SUPPRESS_PREFIXLEN": 0xFFFFFFFF}, Rule(4, 1, 254))])
def test_a_rule_is_read_as_it_is_asked_for(attrs, rule):
    assert rule_of({"src_len": 0, "dst_len": 0, **attrs}, 4) == rule
    request = rule_request(rule)
    assert request["protocol"] == 118 and request["priority"] == rule.priority
    assert request.get("goto", 0) == rule.goto and request.get("table", 0) == rule.table
    assert request.get("action") == (None if rule.table else rule.action.split()[0])
    selectors = [request.get(key, "") for key in ("src", "dst", "iifname")]
    assert selectors == [rule.src, rule.dst, rule.iif]
    assert request.get("suppress_prefixlen") == rule.suppress


def test_a_kernel_that_keeps_no_protocol_is_too_old():
    assert protocol_of({"FRA_PROTOCOL": 118}) == 118
    with pytest.raises(KernelError, match="too old"):
        protocol_of({})


def link(index, name, kind="", flags=1 << 16 | 1, **attrs):
    info = {"IFLA_INFO_KIND": kind, "IFLA_INFO_DATA": attrs.pop("data", None)}
    return {"index": index, "flags": flags, "IFLA_IFNAME": name, "IFLA_LINKINFO": info, **attrs}


def test_devices_are_read_with_what_tells_their_roles():
    prop = {"attrs": [("IFLA_ALT_IFNAME", "mgmt"), ("IFLA_ALT_IFNAME", "enp1s0")]}
    nics = {n.name: n for n in nics_of([
        link(2, "eth0", IFLA_MASTER=5, IFLA_PROP_LIST=prop), link(5, "br0", "bridge"),
        link(6, "eth0.7", "vlan", IFLA_LINK=2), link(7, "web0", "veth", IFLA_LINK=2, IFLA_LINK_NETNSID=0),
        link(8, "tap0", "tun", data={"attrs": [("IFLA_TUN_TYPE", 2)]}),
        link(9, "tun0", "tun", flags=16, data={"attrs": [("IFLA_TUN_TYPE", 1)]}), link(1, "lo", flags=9, IFLA_LINK=1),
    ], [{"index": 5, "scope": 0, "prefixlen": 24, "IFA_LOCAL": "10.0.0.1", "IFA_ADDRESS": "10.0.0.1"},
        {"index": 9, "scope": 0, "prefixlen": 32, "IFA_LOCAL": "10.9.0.1", "IFA_ADDRESS": "10.9.0.2"},
        {"index": 7, "scope": 253, "prefixlen": 128, "IFA_ADDRESS": VE_GATEWAY}])}
    assert (nics["eth0"].master, nics["br0"].members, nics["eth0"].altnames) == ("br0", ("eth0",), ("mgmt", "enp1s0"))
    assert (nics["eth0.7"].link, nics["web0"].link, nics["lo"].link) == ("eth0", "", "")
    assert (nics["web0"].ve, nics["br0"].ve) == (True, False)
    assert (nics["tap0"].tap, nics["tun0"].tap, nics["tun0"].pointopoint) == (True, False, True)
    assert nics["lo"].loopback and not nics["br0"].loopback
    assert {n: nics[n].addresses for n in ("br0", "tun0", "web0")} == {
        "br0": ("10.0.0.1/24",), "tun0": ("10.9.0.1/32",), "web0": ()}
    assert (nics["br0"].up, nics["br0"].carrier, nics["tun0"].up) == (True, True, False)
