# SPDX-License-Identifier: GPL-2.0-or-later
"""A VE with addresses of two providers: each address leaves and is reached by its own NIC, and never by the other."""

import json

import pytest

from tests.lab.links import host_length
from tests.lab.node import BEYOND, BEYOND6, CLIENT, CLIENT6, CLIENT_B, CLIENT_B6, ETH4_B, GATEWAY_B, GATEWAY_B6, MACS
from tests.lab.tap import Tap
from tests.lab.wire import flush_neighbours, ping, send_udp, who_have
from tests.site import NICS, OWN6, fits, is_carried, pair
from tests.wrapped import Wrapped

ISP1, ISP2 = pair("101"), ("192.168.20.101", "fd00:20::101")
NEAR = {"eth3": (CLIENT, CLIENT6), "eth4": (CLIENT_B, CLIENT_B6)}
WAYS = {**dict.fromkeys(ISP1, "eth3"), **dict.fromkeys(ISP2, "eth4")}
FAR = (BEYOND, BEYOND6)
INI = f"""[node]
reserved = eth0
[uplink:isp1]
device = eth3
[uplink:isp2]
device = eth4
gateway = {GATEWAY_B}
gateway6 = {GATEWAY_B6}
"""


def started(site, uplink="isp1 isp2", ini=INI):
    """Start VE 101 with an address of each provider and family on a node that has a NIC for each provider."""
    site.second = site.node.second_network()
    site.ini(ini)
    site.ve("101", *ISP1, *ISP2, uplink=uplink)
    site.end_announcers()
    site.vzhooks("resync")


def places(address):
    return tuple(d for d in (*NEAR["eth3"], *NEAR["eth4"], *FAR) if fits(address, d))


def leaves(site, *lost):
    """Assert that each address leaves by its own NIC, also to the other provider's LAN, by its own one's gateway.

    lost: NICs whose addresses go nowhere. On OpenVZ 9 a VE asks by ARP for each host, some seconds long in vain for
    one that it tries to reach by a lost one; what it sends to that host by the other waits for the same answer.
    """
    for address, nic in WAYS.items():
        flush_neighbours(site.node.ve("101").box)
        site.leaves_by("101", None if nic in lost else nic, places(address), src=address, count=3)


def leaks_nothing(site):
    """Assert that each address leaves by its own NIC or not at all, wherever main leads."""
    for address, nic in WAYS.items():
        with site.only_by(nic, src=address):
            for to in places(address):
                send_udp(site.node.ve("101").box, address, to)


def arrives(site):
    """Assert that each provider's network reaches its address by its NIC alone, and hears nothing of the other's."""
    for (mine, others), box, nic in (((ISP1, ISP2), site.node.client, "eth3"), ((ISP2, ISP1), site.second, "eth4")):
        flush_neighbours(box)
        with Tap(site.node.hn, *NICS) as tap:
            assert [ping(box, a, count=3) for a in mine] == [3, 3], (nic, tap.frames)
            into = {f.nic for f in tap.find(outgoing=False) if f.dst in mine and f.dst_mac == MACS[f.nic]
                    and is_carried(f)}
        assert into == {nic}
        asked = {a: next(c for c in NEAR[nic] if fits(a, c)) for a in (*mine, *others)}
        assert who_have(box, "eth0", asked) == {**{a: [MACS[nic]] for a in mine}, **{a: [] for a in others}}


def near(site):
    """Assert that VE, node and a VE of the other provider reach each other by each address."""
    site.ve("102", "192.168.20.102", "fd00:20::102", uplink="isp2")
    ve, other = site.node.ve("101").box, site.node.ve("102").box
    own = ("192.168.18.10", "192.168.20.12", "fd00:18::10", "fd00:20::12")
    for address in WAYS:
        for to in (*own, "192.168.20.102", "fd00:20::102"):
            assert not fits(address, to) or ping(ve, to, src=address), (address, to)
        assert ping(site.node.hn, address) and ping(other, address), address


def forget(site):
    for box in (site.node.client, site.second, site.node.ve("101").box):
        flush_neighbours(box)


def resync(site, rc=0):
    """Resync, and hold that nothing is left to do."""
    site.vzhooks("resync", rc=rc)
    site.settled()
    forget(site)


def rows(site, *more):
    """Return what status says of VE 101: uplink, device, state and addresses of each of its lines."""
    found = json.loads(site.vzhooks("status", "--json", *more, rc=None).stdout)["ves"]
    return [(r["uplink"], r["device"], r["state"], tuple(r["addresses"])) for r in found if r["ve"] == "101"]


BOTH = [("isp1", "eth3", "ok", ISP1), ("isp2", "eth4", "ok", ISP2)]


def test_each_address_has_its_own_nic_whatever_is_lost(every):
    started(every)
    leaves(every)
    arrives(every)
    near(every)
    every.flush("nft")
    leaves(every)
    resync(every)
    every.flush("rules")
    leaks_nothing(every)
    resync(every)
    leaves(every)


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
            hold(every)
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
            leaves(every, nic)
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
    site.end_announcers()
    leaves(site, "eth4")
    assert rows(site)[1] == ("isp2", "eth4", "blocked", ISP2)


def test_a_stop_and_a_start_leave_nothing_and_bring_all_back(site):
    started(site)
    assert site.vzctl.stop("101").rc == 0
    state = site.state()
    assert [part for part, text in state.items() for a in WAYS if a in text] == []
    assert site.vzctl.start("101").rc == 0
    leaves(site)
    arrives(site)


def test_set_moves_addresses_of_a_running_ve_and_back(site):
    started(site, uplink="isp1")
    with Tap(site.node.hn, *NICS) as tap:
        said = site.vzhooks("set", "101", "--uplink", "isp1,isp2").stderr
        told = {(f.nic, f.src) for f in tap.find(outgoing=True) if f.src in WAYS and not is_carried(f)}
    assert told == {("eth4", address) for address in ISP2}
    assert "VE 101: uplink isp1,isp2, " in said and "not saved" in said
    forget(site)
    leaves(site)
    arrives(site)
    assert rows(site) == BOTH and 'UPLINK="isp1"' in site.node.hn.read("/etc/vz/conf/101.conf")
    site.vzhooks("resync")
    assert rows(site) == BOTH
    site.vzhooks("set", "101", "--uplink", "isp2 isp1", "--save")
    assert 'UPLINK="isp2 isp1"\n' in site.node.hn.read("/etc/vz/conf/101.conf")
    assert rows(site) == BOTH[::-1]
    said = site.vzhooks("set", "101", "--uplink", "isp2").stderr
    for address in WAYS:
        site.leaves_by("101", "eth4", tuple(d for d in FAR if fits(d, address)), src=address)
    assert rows(site) == [("isp2", "eth4", "ok", (*ISP1, *ISP2))]


@pytest.mark.generation(4)
def test_a_name_that_cannot_be_refuses_the_whole_list(site):
    started(site)
    site.ini(INI + "[uplink:bad]\ndevice = eth4\ngateway = never\n")
    before, config = site.state(), site.node.hn.read("/etc/vz/conf/101.conf")
    for name in ("isp1,isp9", "isp9 isp1", "isp1,none", "isp1,eth0", "isp1,bad", "isp1,$(x)"):
        said = site.vzhooks("set", "101", "--uplink", name, "--save", rc=1).stderr
        assert len(said.splitlines()) == 1 and ("has isp1, isp2" in said or "gateway = never" in said), said
    assert (site.state(), site.node.hn.read("/etc/vz/conf/101.conf")) == (before, config)
    site.node.create_ve("102", ["192.168.18.102"], "isp1 isp9")
    start = site.vzctl.start("102")
    assert start.rc != 0 and "uplink isp9: not in this node's ini; it has isp1, isp2" in start.stderr
    assert site.state() == before


def test_an_address_that_no_network_holds_goes_by_the_first_named(site):
    started(site)
    site.ve("102", "10.9.0.2", "192.168.20.102", uplink="isp2,isp1")
    site.leaves_by("102", "eth4", BEYOND, src="10.9.0.2")
    site.ini(INI.replace("device = eth3\n", "device = eth3\nsources = 10.9.0.0/16 192.168.18.0/24\n"))
    moved = site.vzhooks("resync").stderr
    assert "VE 102: 10.9.0.2: eth4 -> eth3\n" in moved and "VE 101" not in moved
    site.leaves_by("102", "eth3", BEYOND, src="10.9.0.2")
    site.leaves_by("102", "eth4", BEYOND, src="192.168.20.102")


@pytest.mark.generation(4)
def test_status_and_route_tell_of_each_address(site):
    started(site)
    assert rows(site) == rows(site, "101") == BOTH
    lines = site.vzhooks("status", "101").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["101", "101"]
    said = site.vzhooks("route", "101", BEYOND).stdout
    assert [line.split()[1:] for line in said.splitlines() if line.startswith(("device", "source"))] == [
        ["eth3", "via", "192.168.18.1"], ["192.168.18.101"], ["eth4", "via", GATEWAY_B], ["192.168.20.101"]]


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


def test_two_uplinks_of_one_network_cannot_be_told_apart(site):
    """Under by-address a resync refuses that, with both named; hooks go by the first."""
    site.ini("[node]\nunassigned = by-address\n[uplink:isp1]\ndevice = eth3\n[uplink:isp2]\ndevice = eth4\n")
    site.both("101")
    said = site.vzhooks("resync", rc=1).stderr
    assert "the uplinks isp1 and isp2 both claim 192.168.18.0/24" in said and "nothing was changed" in said
    site.leaves_by("101", "eth3")


def test_an_address_given_to_a_running_ve_has_the_way_of_its_network(site):
    """From its first packet on where a script runs for it, as on OpenVZ 9, or the wrapper of vzctl is told."""
    added, late = ("192.168.20.177", "fd00:20::177"), "192.168.20.178"
    started(site)
    with site.only_by("eth4", src=added):
        for address in added:
            if site.node.generation == 9:
                assert site.vzctl.ipadd("101", address, save=True, inside_first=True).rc == 0
            else:
                site.vzctl.ipadd("101", address, save=True)
                site.vzhooks("resync")
            site.leaves_by("101", "eth4", tuple(d for d in FAR if fits(address, d)), src=address)
    wrapped = Wrapped(site)
    words = ("set", "101", "--ipadd", late, "--uplink", "isp1,isp2", "--save")
    with site.only_by("eth4", src=late), wrapped.at_work(*words):
        site.vzctl.ipadd("101", late, save=True)
        site.leaves_by("101", "eth4", BEYOND, src=late)
        leaves(site)
        wrapped.end()
    site.leaves_by("101", "eth4", BEYOND, src=late)
    assert [nic for _, nic, *_ in rows(site)] == ["eth3", "eth4"]
    wrapped.run("set", "101", "--uplink", "isp1 isp7", "--save", rc=21, says="isp7")
    assert wrapped.argv()[:3] == ["set", "101", "--ipadd"]


def test_doctor_names_the_uplink_that_would_fit(site):
    started(site, uplink="isp1")
    found = json.loads(site.vzhooks("doctor", "--json", rc=3).stdout)
    assert [(f["check"], f["subject"], f["fix"]) for f in found] == [
        ("address", "VE 101", "`vzhooks set 101 --uplink isp1,isp2 --save`")]
    site.vzhooks("set", "101", "--uplink", "isp1,isp2", "--save")
    assert site.vzhooks("doctor", "--probe", "--json").stdout == "[]\n"


def test_on_another_node_the_names_mean_its_own_nics(site):
    """As after a migration: the second node's NICs stand the other way round."""
    started(site, ini=INI.replace("isp1", "isp3").replace("isp2", "isp1").replace("isp3", "isp2"))
    leaves(site)
    arrives(site)
    assert [(uplink, nic) for uplink, nic, *_ in rows(site)] == [("isp1", "eth4"), ("isp2", "eth3")]
