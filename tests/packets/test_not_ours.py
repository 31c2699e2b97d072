# SPDX-License-Identifier: GPL-2.0-or-later
"""What is not ours is never touched, and never taken for ours."""

import pytest

from tests.packets.test_faults import EVERYWHERE, table_of, ve101
from tests.site import VE101, pair

FOREIGN = """\
ip rule add from 10.9.9.9 lookup 77 priority 900 protocol 118
ip rule add from 10.9.9.8 lookup 77 priority 1200
ip -6 rule add from fd09::9 lookup 77 priority 1200 protocol 118
ip route add 10.9.0.0/16 dev eth4 table 77
ip route add 10.8.0.0/16 dev eth4 proto 118
ip -6 route add fd09::/64 dev eth4 table 77
ip neigh add proxy 192.168.18.200 dev eth0
ip -6 neigh add proxy fd00:18::200 dev eth0
ip rule add from 10.9.9.7 lookup 77 priority 32000
nft add table inet other
nft add chain inet other forward { type filter hook forward priority 0 ; }
nft add rule inet other forward ip saddr 10.9.9.9 drop
nft add table ip vzhooks
"""


def test_what_is_not_ours_survives_every_command(site):
    """Rules outside our band, routes outside our tables, other nft tables: even with our protocol or our name."""
    site.hn("sh", "-ec", FOREIGN.replace(";", r"\;"))
    found = site.state()
    site.vzhooks("harden")
    hardened = site.state()
    ve101(site)
    assert site.vzctl.stop("101").rc == 0
    assert site.state() == hardened
    ve101(site)
    site.vzhooks("uninstall", "--force")
    assert site.vzctl.stop("101").rc == 0
    assert site.state() == found


@pytest.mark.generation(4)
def test_another_s_rule_among_our_priorities_refuses_the_first_start(site):
    """However often it is tried; nothing is changed for it."""
    site.hn("ip", "rule", "add", "from", "10.9.9.9", "lookup", "77", "priority", "1015")
    before = site.state()
    site.node.create_ve("101", pair("101"), "eth3")
    for _ in range(2):
        refused = site.vzctl.start("101")
        assert refused.rc != 0
        assert "10.9.9.9" in refused.stderr
        assert site.state() == before


@pytest.mark.generation(4)
def test_another_s_rule_among_our_priorities_hinders_no_later_start(site):
    """What runs goes on running; the stranger is named."""
    ve101(site)
    site.hn("ip", "rule", "add", "from", "10.9.9.9", "lookup", "77", "priority", "1015")
    site.both("102", uplink="eth4")
    site.leaves_by("102", "eth4")
    assert "10.9.9.9" in site.vzhooks("resync").stderr
    assert "from 10.9.9.9 lookup 77" in site.hn("ip", "rule")


@pytest.mark.generation(4)
def test_a_table_that_others_use_is_not_taken(site):
    """Numbers once noted are no claim: a table filled meanwhile is left alone and another one taken."""
    ve101(site)
    table = table_of(site, VE101)
    assert site.vzctl.stop("101").rc == 0
    site.hn("ip", "route", "add", "10.9.0.0/16", "dev", "eth4", "table", table)
    ve101(site)
    site.leaves_by("101", "eth3", EVERYWHERE)
    assert site.vzctl.stop("101").rc == 0
    assert site.hn("ip", "route", "show", "table", table).split() == ["10.9.0.0/16", "dev", "eth4", "scope", "link"]
