"""What is read of the kernel by hand is what pyroute2 and nft(8) say of it, and what is near is all that is near."""

import pytest

from tests.site import VE102, pair

ODD = """
route add 10.20.0.0/16 nexthop via 192.168.18.1 dev eth0 nexthop via 192.168.18.129 dev eth3
route add 10.21.0.0/16 via inet6 fe80::1 dev eth3
route add 10.22.0.0/16 dev eth4 mtu lock 1400 advmss 1300
route add 10.23.0.0/16 tos 0x10 dev eth4
route add 10.24.0.7/32 dev eth4 metric 70
route add 10.24.0.7/32 via 192.168.18.1 dev eth0 metric 71 src 192.168.18.10
route add blackhole 10.25.0.0/16
route add prohibit 10.26.0.1
route add throw 10.27.0.0/16 table 77 proto 118
route add unreachable default metric 4294967295 table 70000 proto 118
route add broadcast 10.28.0.0 dev eth4 table 77
route add 10.29.0.1 dev venet0 table 77
-6 route add fd77::/64 dev eth4
-6 route add fd78::1/128 dev venet0 metric 5
-6 route add fd79::/64 from fd00:18::/64 dev eth3
-6 route add unreachable fd7a::/48
rule add not from 10.0.0.0/8 to 10.1.0.0/16 lookup 77 priority 900
rule add fwmark 0x10/0xf0 lookup 77 priority 901
rule add from 10.3.0.1 ipproto tcp sport 80-90 lookup 77 priority 902
rule add iif eth3 oif eth4 prohibit priority 903
rule add from all tos 0x10 goto 1050 priority 904
rule add nop priority 1050
rule add from 10.4.0.1 lookup 70000 suppress_prefixlength 8 priority 1030 protocol 118
rule add from 10.4.0.2 iif lo unreachable priority 1020 protocol 118
rule add to 10.4.0.3 lookup main suppress_prefixlength 31 priority 1010 protocol 118
rule add from all goto 1055 priority 1025 protocol 118
-6 rule add from fd77::1 unreachable priority 1040 protocol 118
"""


def read_twice(numbers):
    """Return what we read and what pyroute2 does: main, our routes, tables, our rules, those of others, proxies."""
    from pyroute2 import IPRoute

    from vzhooks.kernel.messages import FAMILIES, routes_of, rule_of, table_of
    from vzhooks.kernel.netlink import Kernel
    from vzhooks.model import Proxy
    from vzhooks.policy.foreign import other_of
    from vzhooks.policy.wanting import is_ours

    with Kernel() as kernel, IPRoute() as line:
        facts = kernel.facts()
        ours, others = kernel.rules()
        found = {"main": sorted(map(str, facts.main)), "ours": kernel.routes(), "tables": kernel.tables(numbers),
                 "rules": ours, "others": others, "proxies": kernel._published(),
                 "strangers": [kernel.stranger(n) for n in numbers]}
        routes = [(m, r) for f, af in FAMILIES.items() for m in line.get_routes(family=af) if not m["flags"] & 0x200
                  for r in routes_of(m, f, kernel.names)]
        rules = [(f, m) for f, af in FAMILIES.items() for m in line.get_rules(family=af)]
        ours, theirs = ([(f, m) for f, m in rules if own is is_ours(m.get("FRA_PRIORITY") or 0, m.get("FRA_PROTOCOL"))]
                        for own in (True, False))
        known = [(f, m) for f, af in FAMILIES.items() for m in line.neigh("dump", dump_filter=lambda m: True, family=af,
                                                                          flags=8)]
        return found, {
            "main": sorted(str(r) for m, r in routes if table_of(m) == 254 and not r.dst.startswith("fe80:")),
            "ours": frozenset(r for m, r in routes if m["proto"] == 118 and table_of(m) != 254),
            "tables": {n: tuple(r for m, r in routes if table_of(m) == n) for n in numbers},
            "rules": frozenset(rule_of(m, f) for f, m in ours), "others": tuple(other_of(m, f) for f, m in theirs),
            "proxies": {Proxy(f, m.get("NDA_DST"), kernel.names[m["ifindex"]]): m.get("NDA_PROTOCOL") or 0
                        for f, m in known},
            "strangers": [f"table {n} holds another's route to {dst}; choose a free table" if dst else ""
                          for n, dst in zip(numbers, ("10.28.0.0/32", "", ""))]}


@pytest.mark.generation(4)
def test_rtnetlink_is_read_as_pyroute2_does(site):
    site.both("101", uplink="eth3")
    site.end_announcers()
    for line in ODD.strip().splitlines():
        site.hn("ip", *line.split())
    found, expected = site.node.hn.call(read_twice, (77, 70000, 5))
    for what, value in expected.items():
        assert found[what] == value, what


def guards():
    """Return what the guard holds as we read it, or None where we do not, and as nft(8) says it."""
    from vzhooks.errors import KernelError
    from vzhooks.kernel import nft
    from vzhooks.kernel.tables import Unread
    try:
        found = nft._as_written()
    except (KernelError, Unread):
        found = None
    return found, nft._listed_by_nft(), nft.found()


INI = "[node]\nreserved = eth0\nunassigned = block\n[uplink:eth3]\n[uplink:eth4]\n[uplink:bare]\ndevice = eth5\n"


def test_the_guard_is_read_as_nft_does(site):
    site.node.add_nic("eth5", "00:0c:29:b3:a2:60")  # in somebody's name it has to ask
    site.hn("ip", "link", "add", "lan9", "type", "bridge")
    site.ini(INI)
    site.both("101", uplink="eth3")
    site.both("102", uplink="bare")
    site.both("103")
    site.end_announcers()
    site.vzhooks("resync", rc=None)
    found, said, _ = site.node.hn.call(guards)
    sets = {item[0] for item in said if isinstance(item, tuple)}
    assert found == said and {"exits4", "exits6", "answers6", "arp:answers4", "arp:askers", "bridged"} <= sets


@pytest.mark.parametrize("change", [
    'add element inet vzhooks near { "x" comment "y" }', 'add rule inet vzhooks forward accept',
    'add set inet vzhooks more { type ipv4_addr; }', 'add chain inet vzhooks more', 'delete table arp vzhooks',
    'add table inet vzhooks { flags dormant; }', 'add chain inet vzhooks forward { policy drop; }',
    "flush table inet vzhooks", "add table ip vzhooks",
])
@pytest.mark.generation(4)
def test_a_guard_that_somebody_changed_is_read_as_nft_does(site, change):
    site.both("101", uplink="eth3")
    site.end_announcers()
    site.node.hn.run(["nft", "-f", "-"], input=f"{change}\n", check=True)
    found, said, read = site.node.hn.call(guards)
    assert read == said and found in (None, said)


def near_and_all(addresses):
    """Return what is read of the kernel near addresses, and what of all that serves them or the node."""
    from vzhooks.addresses import host_prefix
    from vzhooks.kernel.nearby import Nearby
    from vzhooks.kernel.netlink import Kernel
    from vzhooks.policy.plan import address_of

    def serves(item):
        return address_of(item) in ("", *addresses)
    with Nearby(addresses) as near, Kernel() as kernel:
        facts, some = kernel.facts(), near.facts()
        main = {r for r in facts.main if r.dst.partition("/")[0] in addresses or r.dst != host_prefix(
            r.dst.partition("/")[0])}
        return ((set(some.main), some.nics, *map(frozenset, near.rules()), near.routes(), near.guard(),
                 frozenset(p for p in near._published() if serves(p))),
                (main, facts.nics, frozenset(filter(serves, kernel.rules()[0])), frozenset(kernel.rules()[1]),
                 kernel.routes(), frozenset(filter(serves, kernel.guard())),
                 frozenset(filter(serves, kernel._published()))))


@pytest.mark.parametrize("addresses", [pair("101"), (VE102,), pair("103"), ("10.9.9.9",), ()], ids=str)
def test_what_is_near_is_all_that_serves_an_address(busy, addresses):
    near, found = busy.node.hn.call(near_and_all, addresses)
    assert near == found
