# SPDX-License-Identifier: GPL-2.0-or-later
"""An administrator's own rules and gateways count for all that asked nothing of vzhooks, at any priority."""

from functools import partial

import pytest

from tests import ways
from tests.extent import PRIORITIES
from tests.lab.bystanders import sh
from tests.lab.node import BEYOND, BEYOND6, CLIENT
from tests.site import BEYONDS, OWN, pair

METRICS = """ip route del default; ip -6 route del default
    n=100; for dev in eth0 eth3 eth4; do n=$((n + 1))
        ip route add default via 192.168.18.1 dev $dev metric $n
        ip -6 route add default via fd00:18::1 dev $dev metric $n; done"""
AWAY = "ip route add default via 192.168.18.1 dev {nic} table 200"


def of_105(site, running):
    box, own = site.node.ve("105").box, "192.168.18.105"
    return {**{f"105 leaves to {dst} by": partial(ways.leaves, site, box, own, dst) for dst in (CLIENT, BEYOND)},
            "node -> 105": partial(ways.reaches, site.node.hn, own)}


@pytest.mark.parametrize("priority", PRIORITIES)
@pytest.mark.parametrize("rule", ["from {ve} lookup 200", "from {ve} blackhole"])
def test_rules_from_a_ve_without_uplink_count(bare, rule, priority):
    sh(bare.node.hn, AWAY.format(nic="eth3"))
    sh(bare.node.hn, f"ip rule add {rule.format(ve='192.168.18.105')} priority {priority}")
    before = ways.stay(bare, of_105)
    assert before[f"105 leaves to {BEYOND} by"] == ("eth3" if "lookup" in rule else "")


@pytest.mark.parametrize("priority", PRIORITIES)
def test_rules_to_a_ve_without_uplink_count(bare, priority):
    """For others than the assigned, which reach all VEs of the node."""
    sh(bare.node.hn, f"ip rule add to 192.168.18.106 blackhole priority {priority}")
    bare.both("106")

    def measure(site, running):
        return {"105 -> 106": partial(ways.reaches, site.node.ve("105").box, "192.168.18.106"),
                "node -> 106": partial(ways.reaches, site.node.hn, "192.168.18.106"),
                "client -> 106": partial(ways.reaches, site.node.client, "192.168.18.106")}

    assert not any(ways.stay(bare, measure).values())


def test_a_rule_that_leads_by_a_reserved_nic_lets_nothing_out(site):
    """`reserved` is said by the administrator too, and is the stronger word."""
    sh(site.node.hn, AWAY.format(nic="eth0") + "; ip rule add from 192.168.18.105 lookup 200")
    site.ini("[node]\nreserved = eth0\n")
    site.both("105")
    site.vzhooks("resync")
    site.leaves_by("105", None, (CLIENT, BEYOND), src="192.168.18.105")


@pytest.mark.parametrize("priority", [900, 32000, 32765])
def test_an_own_address_that_a_rule_names_is_left_to_it_and_said(bare, priority):
    sh(bare.node.hn, AWAY.format(nic="eth4"))
    sh(bare.node.hn, f"ip rule add from 192.168.18.11 lookup 200 priority {priority}")

    def measure(site, running):
        return {dst: partial(ways.leaves, site, site.node.hn, "192.168.18.11", dst) for dst in (CLIENT, BEYOND)}

    assert ways.stay(bare, measure) == {CLIENT: "eth4", BEYOND: "eth4"}


def test_what_is_left_to_another_s_rule_is_said(site):
    sh(site.node.hn, "ip rule add from 192.168.18.11 lookup 200 priority 32000")
    site.node.create_ve("101", pair("101"), "eth3")
    assert site.vzctl.start("101").rc == 0
    done = site.vzhooks("resync")
    assert "from 192.168.18.11" in done.stderr + done.stdout
    assert "32000" in done.stderr + done.stdout


def test_with_a_default_route_a_nic_replies_leave_by_the_nic_with_the_address(site):
    """As NetworkManager makes them, with a metric each."""
    sh(site.node.hn, METRICS)
    site.both("101", uplink="eth3")
    site.both("105")
    for address, nic in OWN.items():
        dst = BEYOND6 if ":" in address else BEYOND
        assert ways.leaves(site, site.node.hn, address, dst) == nic, address
    site.leaves_by("101", "eth3", BEYONDS)
    site.leaves_by("105", "eth0", BEYONDS)


@pytest.mark.generation(4)
@pytest.mark.parametrize("action", ["prohibit", "blackhole", "unreachable"])
def test_that_a_rule_ends_an_assigned_ve_no_more_is_said_by_set_status_route_and_doctor(site, action):
    """It stands behind ours, where the uplink's rule has answered."""
    for family, address in zip(("-4", "-6"), pair("101")):
        sh(site.node.hn, f"ip {family} rule add from {address} {action} priority 32000")
    site.both("101")
    site.leaves_by("101", None, BEYONDS)
    told = [site.vzhooks("set", "101", "--uplink", "eth3", "--save").stderr, site.vzhooks("status", "--json").stdout,
            site.vzhooks("route", "101", BEYOND).stdout, site.vzhooks("route", "101", BEYOND6).stdout,
            site.vzhooks("doctor", rc=3).stdout, site.vzhooks("resync").stderr]
    site.leaves_by("101", "eth3", BEYONDS)
    assert [text for text in told if f"101/{'128' if text is told[3] else '32'} {action} priority" not in text] == []


SPECIAL = """ip route add 10.71.0.0/16 via 192.168.18.129 dev eth3 tos 0x10 mtu lock 1300 advmss 1200
    ip route add 10.71.0.0/16 via 192.168.18.1 dev eth3 window 1000 initcwnd 20 quickack 1
    ip -6 route add 2001:db8:77::/64 from fd00:99::/64 via fd00:18::129 dev eth3 mtu lock 1300
    ip -6 route add default from fd00:99::/64 via fd00:18::129 dev eth3 metric 9"""


def test_a_uplink_s_table_has_its_nic_s_routes_as_main_has_them(site):
    """Of one type of service, of one source, with a locked MTU: each as it stands in main."""
    sh(site.node.hn, SPECIAL)
    site.both("101", uplink="eth3")
    site.end_announcers()
    site.settled()
    told = site.vzhooks("route", "101", BEYOND).stdout
    table = told.partition("table   ")[2].split()[0]
    mark = told.partition("fwmark ")[2].partition("/")[0] or "0"
    special = ("10.71.0.0/16", "from fd00:99::/64")
    for family in ("-4", "-6"):
        main, ours = (sorted(line.strip() for line in site.hn("ip", family, "route", "show", "table", t).splitlines()
                             if any(s in line for s in special)) for t in ("main", table))
        assert [line.replace(" proto vzhooks", "").replace(" onlink", "") for line in ours] == main and len(main) == 2
    for dst in ("2001:db8:77::1", BEYOND6):
        assert "via fd00:18::1 " in site.hn("ip", "route", "get", dst, "from", pair("101")[1], "iif",
                                            site.node.ve("101").device, "mark", mark)
    site.vzhooks("set", "101", "--uplink", "eth4")
    site.vzhooks("set", "101", "--uplink", "eth3")
    site.settled()
