# SPDX-License-Identifier: GPL-2.0-or-later
"""The first VE that gets an uplink hinders nobody, nor does the last that loses it."""

import pytest

from tests.lab.wire import ping
from tests.site import CLIENTS, pair
from vzhooks.policy.priorities import OWN_DEFAULT, OWN_LAN, OWN_MAIN, OWN_SPECIFIC

pytestmark = pytest.mark.bridged
OTHERS = """\
ip rule add from 10.9.9.9 lookup 77 priority 900
ip rule add from 10.9.9.8 lookup 77 priority 32000
ip -6 rule add from fd09::9 lookup 77 priority 32763
ip route add 10.9.0.0/16 dev eth4 table 77
nft add table inet other
"""
OWN_RULES = {OWN_SPECIFIC, OWN_LAN, OWN_MAIN, OWN_DEFAULT}


def by_start(site):
    site.both("101", uplink="eth3")


def by_set(site):
    site.both("101")
    site.vzhooks("set", "101", "--uplink", "eth3", "--save")


def by_a_config_and_a_resync(site):
    site.both("101")
    site.node.write_conf("101", pair("101"), "eth3")
    site.vzhooks("resync")


def test_what_a_looser_ini_leaves_goes_with_the_next_hook(site):
    """No VE has an uplink; whoever gets the address of one that stopped has its way by main."""
    site.ini("[node]\nunassigned = block\n")
    site.both("105")
    site.end_announcers()
    site.ini("[node]\n")
    assert site.vzctl.stop("105").rc == 0
    assert not site.state()["nft"]
    site.ve("106", *pair("105"))
    for address in pair("105"):
        site.leaves_by("106", "eth0", src=address)


def met(site):
    """Ping both ways between VEs 101 and 105, by each family, and 101 by the client."""
    found = [ping(site.node.ve(a).box, dst, count=3, timeout=0.5)
             for a, b in (("101", "105"), ("105", "101")) for dst in pair(b)]
    return found + [ping(site.node.client, dst, count=3, timeout=0.5) for dst in pair("101")]


def of_rules(site):
    """Return all rules as ip(8) lists them, each with its priority."""
    lines = [line for family in ("-4", "-6") for line in site.hn("ip", family, "rule").splitlines()]
    return [(int(line.partition(":")[0]), line) for line in lines]


@pytest.mark.parametrize("first", [by_start, by_set, by_a_config_and_a_resync])
def test_the_first_assigned_ve_and_one_without_uplink_reach_each_other(site, first):
    site.both("105")
    first(site)
    assert met(site) == [3] * 6
    site.leaves_by("101", "eth3")
    site.leaves_by("105", "eth0")
    assert site.ping("105") == 3
    site.settled()


def test_so_they_do_before_what_the_hook_left_behind_runs(site):
    site.both("105")
    by_start(site)
    site.end_announcers()
    assert met(site) == [3] * 6
    site.leaves_by("101", "eth3")


def test_with_all_others_by_an_uplink_they_keep_their_lan(site):
    site.ini("[node]\nunassigned = eth4\n")
    site.both("105")
    by_start(site)
    assert met(site) == [3] * 6
    site.forget("105")
    site.leaves_by("105", "eth4")
    assert site.ping("105") == 3


@pytest.mark.parametrize("first", [by_start, by_set])
def test_with_all_others_blocked_they_reach_each_other_and_no_more(site, first):
    site.ini("[node]\nunassigned = block\n")
    site.both("105")
    first(site)
    assert met(site) == [3] * 6
    site.leaves_by("105", None)
    site.leaves_by("101", "eth3")


def last_by_stop(site):
    site.stop("101")


def last_by_set(site):
    site.vzhooks("set", "101", "--uplink", "none", "--save")


@pytest.mark.parametrize("last", [last_by_stop, last_by_set])
def test_after_the_last_nothing_stays_but_rules_of_own_addresses(site, last):
    """The node's ARP stays hardened, and needs these; what is others' stays as it was."""
    site.hn("sh", "-ec", OTHERS)
    site.both("105")
    before = of_rules(site)
    by_start(site)
    site.end_announcers()
    last(site)
    site.end_announcers()
    after = of_rules(site)
    assert [rule for rule in before if rule not in after] == []
    assert {priority for priority, line in after if (priority, line) not in before} <= OWN_RULES
    assert "vzhooks" not in site.hn("nft", "list", "tables")
    assert "table inet other" in site.hn("nft", "list", "tables")
    assert site.ping("105") == 3
    site.leaves_by("105", "eth0")
    site.settled()


def test_after_the_last_on_a_node_that_is_not_hardened_all_is_as_before(site):
    site.ini("[node]\narp = off\n")
    site.hn("sh", "-ec", OTHERS)
    site.both("105")
    before = of_rules(site), site.state()["nft"]
    by_start(site)
    site.end_announcers()
    site.stop("101")
    site.end_announcers()
    assert (of_rules(site), site.state()["nft"]) == before
    assert site.ping("105", CLIENTS) == 3
