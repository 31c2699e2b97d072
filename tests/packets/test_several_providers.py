# SPDX-License-Identifier: GPL-2.0-or-later
"""A VE with addresses of two providers: each address leaves and is reached by its own NIC, never by the other."""

import pytest

from tests.datapaths import without_nft
from tests.lab.links import host_length
from tests.lab.node import BEYOND, ETH4_B
from tests.providers import (
    BOTH,
    FAR,
    INI,
    ISP2,
    NEAR,
    WAYS,
    arrives,
    leaks_nothing,
    leaves,
    near,
    resync,
    rows,
    started,
)
from tests.resident import until
from tests.site import NICS, OWN6, fits


def lost_without_nft(site):
    """Return the NICs by which nothing leaves while nftables is flushed."""
    return () if without_nft(site, "eth3") else ("eth3", "eth4")


def test_each_address_has_its_own_nic_whatever_is_lost(every):
    started(every)
    leaves(every)
    arrives(every)
    near(every)
    every.end_announcers()
    every.flush("nft")
    leaves(every, *lost_without_nft(every))
    resync(every)
    every.flush("rules")
    leaks_nothing(every)
    resync(every)
    leaves(every)


@pytest.mark.unmended
def test_host_routes_in_main_draw_no_packet(every):
    """Neither by the reserved NIC nor by the other provider's."""
    started(every)
    for layer, hold in ((None, leaves), ("nft", leaves), ("rules", leaks_nothing)):
        if layer:
            every.vzhooks("resync")
            every.flush(layer)
        for device in NICS:
            routes = [f"{dst}/{host_length(dst)}" for dst in (*NEAR["eth3"], *NEAR["eth4"], *FAR)]
            for dst in routes:
                every.node.add_route(dst, device)
            hold(every, *(lost_without_nft(every) if layer == "nft" else ()))
            for dst in routes:
                every.node.del_route(dst, device)


@pytest.mark.parametrize("nic, cidrs", [("eth3", [OWN6["eth3"]]), ("eth4", ETH4_B[1:])])
def test_a_link_that_goes_down_cuts_off_its_addresses_alone(every, nic, cidrs):
    """The kernel takes the NIC's IPv6 network away, which must not make its addresses the other provider's."""
    started(every)
    every.node.link(nic, up=False)
    leaves(every, nic)
    for layer in (None, "nft"):
        if layer:
            every.flush(layer)
            leaves(every, nic, *lost_without_nft(every))
        every.vzhooks("resync", rc=1)
        leaves(every, nic)
    other = "isp2" if nic == "eth3" else "isp1"
    assert {r[0]: r[2] for r in rows(every)} == {"isp1": "blocked", "isp2": "blocked", other: "ok"}
    every.node.link(nic, up=True)
    for cidr in cidrs:
        every.node.add_address(nic, cidr)
    resync(every)
    leaves(every)
    arrives(every)


def test_a_nic_that_is_away_at_boot_leaves_its_addresses_to_nobody(site):
    started(site)
    assert site.vzctl.stop("101").rc == 0
    site.node.hn.path("/run/vzhooks/ves.json").unlink()
    site.node.link("eth4", up=False)
    site.hn("ip", "link", "set", "eth4", "name", "eth9")
    start = site.vzctl.start("101")
    assert start.rc == 0 and "starts cut off in part: 192.168.20.101, fd00:20::101: eth4 does not exist" in start.stderr
    until(lambda: rows(site)[1] == ("isp2", "eth4", "blocked", ISP2))  # once its routes have been seen
    leaves(site, "eth4")


def test_a_stop_and_a_start_leave_nothing_and_bring_all_back(site):
    started(site)
    assert site.vzctl.stop("101").rc == 0
    state = site.state()
    assert [part for part, text in state.items() for a in WAYS if a in text] == []
    assert site.vzctl.start("101").rc == 0
    leaves(site)
    arrives(site)


@pytest.mark.generation(9)
def test_a_foreign_source_leaves_by_no_uplink(every):
    """Only an address tells which provider would take it; of one uplink alone it goes by that."""
    started(every)
    foreign = ("10.66.0.6", "2001:db8:66::6", "192.168.20.66", "fd00:20::66", "192.168.18.66")
    for layer in (None, "nft", "rules"):
        if layer:
            every.vzhooks("resync")
            every.flush(layer)
        for source in foreign:
            every.leaves_by("101", None, tuple(d for d in FAR if fits(d, source)), src=source)


@pytest.mark.unmended
def test_without_uplink_each_address_goes_by_its_network_and_the_rest_by_main(every):
    started(every, None, "[node]\nunassigned = by-address\n" + INI.replace("[node]\nreserved = eth0\n", ""))
    leaves(every)
    arrives(every)
    assert rows(every) == BOTH
    every.ve("102", "192.168.20.102", "10.9.0.2")
    every.leaves_by("102", "eth4", BEYOND, src="192.168.20.102")
    every.leaves_by("102", "eth0", BEYOND, src="10.9.0.2")
    every.end_announcers()
    every.flush("rules")
    leaks_nothing(every)
    every.leaves_by("102", None, BEYOND, src="192.168.20.102")
    every.leaves_by("102", "eth0", BEYOND, src="10.9.0.2")
