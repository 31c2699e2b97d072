# SPDX-License-Identifier: GPL-2.0-or-later
"""When a VE's addresses decide about its way, and which networks are remembered for that."""

from dataclasses import replace

import pytest

from tests.unit.example import ETH0, ETH3, LO, VENET0, facts
from vzhooks.config.settings import Settings
from vzhooks.model import Uplink, Ve
from vzhooks.policy.sources import decide, networks, remembered, vanished

NETS = {"eth0": ("192.168.18.0/24",), "eth3": ("192.168.18.0/24",)}


@pytest.mark.parametrize("unassigned, uplinks, decides", [
    ("main", ["isp1"], False), ("main", [""], False), ("main", ["isp1", "isp1 isp2"], True),
    ("by-address", ["isp1"], True), ("by-address", [], True), ("main", [], False)])
def test_addresses_decide_for_a_list_of_uplinks_or_by_the_ini(unassigned, uplinks, decides):
    ves = [Ve(str(100 + n), (), name) for n, name in enumerate(uplinks)]
    assert decide(ves, Settings(unassigned=unassigned)) is decides


def test_networks_of_a_nic_that_has_none_now_are_kept_as_they_were():
    bare = replace(ETH3, addresses=())
    assert remembered(Settings(), facts(LO, ETH0, ETH3, VENET0).nics) == NETS
    seen = Settings(seen={"eth3": ("10.3.0.0/16",)})
    assert remembered(seen, facts(LO, ETH0, bare, VENET0).nics)["eth3"] == ("10.3.0.0/16",)
    assert "eth3" not in remembered(Settings(), facts(LO, ETH0, bare, VENET0).nics)
    assert remembered(seen, facts(LO, ETH0, ETH3).nics)["eth3"] == ("192.168.18.0/24", "10.3.0.0/16")


@pytest.mark.parametrize("addresses, found", [
    ((), ("192.168.18.0/24", "10.3.0.0/16", "fd00:3::/64")),
    (("10.9.0.2/16",), ("10.9.0.0/16", "10.3.0.0/16", "fd00:3::/64")),
    (("192.168.18.11/24",), ("192.168.18.0/24", "10.3.0.0/16", "fd00:3::/64"))])
def test_former_networks_count_and_those_of_another_nic_only_while_there_is_none(addresses, found):
    seen = Settings(seen={"eth3": ("192.168.18.0/24", "10.3.0.0/16", "fd00:3::/64")})
    known = facts(LO, ETH0, replace(ETH3, addresses=addresses), VENET0)
    assert networks(Uplink("isp1", "eth3"), seen, known.nics) == found


def test_a_device_is_away_where_neither_it_nor_its_networks_are_here():
    seen = Settings(seen={"eth0": ("10.1.0.0/16",), "eth3": ("192.168.18.0/24",), "eth7": ("10.7.0.0/16",)})
    assert vanished(seen, facts(LO, ETH0, VENET0).nics) == ["eth7"]
