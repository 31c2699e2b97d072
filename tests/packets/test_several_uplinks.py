# SPDX-License-Identifier: GPL-2.0-or-later
"""A list of uplinks in UPLINK: what is asked, said and refused, and what a running VE is given."""

import json

import pytest

from tests.lab.node import BEYOND, GATEWAY_B
from tests.lab.tap import Tap
from tests.providers import BOTH, FAR, INI, ISP1, ISP2, WAYS, arrives, forget, leaves, rows, started
from tests.site import NICS, fits, is_carried
from tests.wrapped import Wrapped


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
    site.end_announcers()  # which would go by the new ini as well
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
