# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever happens to links, rules and tables, a VE's packets leave by its uplink or not at all."""

import pytest

from tests.lab.node import BEYOND, CLIENT6, CLIENT_MAC
from tests.lab.tap import Tap
from tests.lab.wire import send_udp
from tests.site import CLIENT, NICS, VE101, VE102

VE101_6 = "fd00:18::101"
WAYS = ((VE101, CLIENT), (VE101, BEYOND), (VE101_6, CLIENT6))


def ve101(site):
    """Start VE 101 on eth3, with an address of each family."""
    site.ve("101", VE101, VE101_6, uplink="eth3")
    site.end_announcers()


def leaves_by(site, nic):
    """Assert that all leaves by this NIC (None: by none), of both families, near and beyond the gateway."""
    with Tap(site.node.hn, *NICS) as tap:
        for src, dst in WAYS:
            send_udp(site.node.ve("101").box, src, dst, count=3)
        left = [(f.nic, f.src, f.dst) for f in tap.find(outgoing=True, proto="udp")]
    assert sorted(left) == sorted([(nic, *way) for way in WAYS if nic] * 3)


def resync(site):
    """Resync, and hold that nothing is left to do."""
    site.vzhooks("resync")
    site.settled()


def soon(done):
    """Wait until it is done, for a second or two: the kernel tells of a carrier at most once a second."""
    return any(done() for _ in range(10))


def ours(site):
    """Return the rules that are ours, as ip(8) shows them, with numbers for names."""
    return [line for line in site.hn("ip", "-N", "rule").splitlines() if line.endswith("proto 118")]


def table_of(site, address):
    """Return the table that a VE's address looks up."""
    return next(line.split()[-3] for line in ours(site) if f"from {address} lookup" in line)


def host_routes(site, verb, device):
    for dst in (f"{CLIENT}/32", f"{BEYOND}/32", f"{CLIENT6}/128"):
        getattr(site.node, verb)(dst, device)


def test_a_host_route_in_main_draws_no_packet(every):
    """Neither with both layers nor with one of them gone."""
    ve101(every)
    for layer, nic in ((None, "eth3"), ("nft", "eth3"), ("rules", None)):
        if layer:
            every.vzhooks("resync")
            every.flush(layer)
        for device in ("eth0", "eth4"):
            host_routes(every, "add_route", device)
            leaves_by(every, nic)
            host_routes(every, "del_route", device)


@pytest.mark.generation(4)
def test_a_network_in_main_by_another_nic_draws_no_packet(site):
    """A VPN's or a static net's route concerns the node, not a VE with an uplink."""
    ve101(site)
    site.node.add_route("203.0.113.0/24", gateway="192.168.18.1")
    site.node.add_route("192.168.18.128/25", "eth4")
    leaves_by(site, "eth3")


def test_the_guard_holds_when_all_rules_are_flushed(site):
    ve101(site)
    site.flush("rules")
    leaves_by(site, None)
    assert site.status("101") == "drift"
    resync(site)
    assert site.ping("101") == 3


def test_routing_holds_when_nft_is_flushed(site):
    ve101(site)
    site.flush("nft")
    leaves_by(site, "eth3")
    assert site.status("101") == "drift"
    resync(site)
    site.flush("rules")
    leaves_by(site, None)


TAMPERED = (
    ("flush", "chain", "inet", "vzhooks", "forward"),
    ("add", "rule", "inet", "vzhooks", "forward", "drop"),
    ("delete", "element", "inet", "vzhooks", "exits4", "{", VE101, ".", "eth3", "}"),
    ("delete", "table", "arp", "vzhooks"),
)


@pytest.mark.generation(4)
def test_a_guard_that_was_tampered_with_is_made_anew(site):
    ve101(site)
    for command in TAMPERED:
        whole = site.state()
        site.hn("nft", *command)
        with site.only_by("eth3"):
            send_udp(site.node.ve("101").box, VE101, CLIENT)
        assert site.vzhooks("resync").stdout
        assert site.state() == whole
    leaves_by(site, "eth3")
    site.flush("rules")
    leaves_by(site, None)


@pytest.mark.generation(4)
def test_a_deleted_rule_cuts_off_and_comes_back(site):
    ve101(site)
    site.hn("ip", "rule", "del", "from", VE101)
    site.leaves_by("101", None)
    resync(site)
    site.leaves_by("101", "eth3")


@pytest.mark.generation(4)
def test_an_emptied_table_cuts_off_and_comes_back(site):
    """Without its last resort a table falls through to main: then the guard holds."""
    ve101(site)
    table = table_of(site, VE101)
    for family in ("-4", "-6"):
        site.hn("ip", family, "route", "flush", "table", table)
    leaves_by(site, None)
    resync(site)
    leaves_by(site, "eth3")


def test_a_link_that_goes_down_cuts_off_and_comes_back(every):
    every.ve("101", uplink="eth3")
    every.end_announcers()
    every.node.link("eth3", up=False)
    every.leaves_by("101", None)
    every.vzhooks("resync")
    every.flush("nft")
    every.leaves_by("101", None)
    every.vzhooks("resync")
    assert every.status("101") == "blocked"
    every.node.link("eth3", up=True)
    every.leaves_by("101", None, BEYOND)
    resync(every)
    every.forget("101")
    every.leaves_by("101", "eth3", BEYOND)
    assert every.ping("101") == 3


def test_a_lost_carrier_cuts_off_and_heals_by_itself(site):
    ve101(site)
    site.node.carrier("eth3", on=False)
    with site.only_by("eth3"):
        assert site.ping("101", count=2) == 0
    site.node.carrier("eth3", on=True)
    assert soon(lambda: site.ping("101", count=1))
    leaves_by(site, "eth3")
    site.settled()


def test_a_nic_without_its_address_sends_by_no_other(site):
    ve101(site)
    addresses = ("192.168.18.11/24", "fd00:18::11/64")
    for address in addresses:
        site.node.del_address("eth3", address)
    with site.only_by("eth3"), site.only_by("eth3", src=VE101_6):
        site.ping("101", count=1)
        site.vzhooks("resync")
        site.ping("101", count=1)
    for address in addresses:
        site.node.add_address("eth3", address)
    site.vzhooks("resync")
    site.forget("101")
    leaves_by(site, "eth3")
    assert site.ping("101") == 3
    site.settled()


def test_an_uplink_whose_nic_is_gone_cuts_off(site):
    ve101(site)
    site.hn("ip", "link", "del", "eth3")
    for layer in (None, "rules"):
        if layer:
            site.flush(layer)
        leaves_by(site, None)
        site.vzhooks("resync", rc=1)
        site.settled()
        leaves_by(site, None)
    assert site.status("101") == "blocked"
    assert site.vzctl.stop("101").rc == 0
    assert not [line for line in ours(site) if VE101 in line]


@pytest.mark.generation(4)
def test_an_uplink_whose_nic_comes_back_works_again(site):
    """As when udev gives it another name for a while; declared in the ini, its absence is no error."""
    site.ini("[uplink:isp1]\ndevice = eth3\n")
    site.ve("101", uplink="isp1")
    for old, new, nic in (("eth3", "eth9", None), ("eth9", "eth3", "eth3")):
        site.node.link(old, up=False)
        site.hn("ip", "link", "set", old, "name", new)
        site.node.link(new, up=True)
        site.leaves_by("101", None, BEYOND)
        resync(site)
        site.leaves_by("101", nic, BEYOND)


def test_what_is_sent_to_a_ve_that_is_away_keeps_its_sender_s_uplink(site):
    """Its address has a rule already (it starts) but no route, so main would take the packet."""
    site.node.create_ve("101", [VE101], "eth3")
    assert site.vzctl.mount("101").rc == 0
    site.ve("102", uplink="eth4")
    site.end_announcers()
    for nic in NICS:
        site.hn("ip", "neigh", "add", VE101, "lladdr", CLIENT_MAC, "dev", nic)
    for layer in (None, "nft"):
        if layer:
            site.flush(layer)
        site.leaves_by("102", "eth4", dst=VE101)


FOREIGN = """\
ip rule add from 10.9.9.9 lookup 77 priority 900 protocol 118
ip rule add from 10.9.9.8 lookup 77 priority 1200
ip -6 rule add from fd09::9 lookup 77 priority 1200 protocol 118
ip route add 10.9.0.0/16 dev eth4 table 77
ip route add 10.8.0.0/16 dev eth4 proto 118
ip -6 route add fd09::/64 dev eth4 table 77
ip neigh add proxy 192.168.18.200 dev eth0
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
    site.node.create_ve("101", [VE101], "eth3")
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
    site.ve("102", uplink="eth4")
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
    leaves_by(site, "eth3")
    assert site.vzctl.stop("101").rc == 0
    assert site.hn("ip", "route", "show", "table", table).split() == ["10.9.0.0/16", "dev", "eth4", "scope", "link"]


@pytest.mark.generation(4)
def test_status_tells_drift_by_its_exit_status(site):
    ve101(site)
    site.ve("102", uplink="eth4")
    site.vzhooks("status", rc=0)
    site.hn("ip", "rule", "del", "from", VE101)
    site.vzhooks("status", rc=3)
    assert (site.status("101"), site.status("102")) == ("drift", "ok")
    site.vzhooks("resync")
    site.vzhooks("status", rc=0)


@pytest.mark.generation(4)
def test_a_dry_run_changes_nothing(site):
    ve101(site)
    site.flush("rules")
    site.flush("nft")
    before, notes = site.state(), site.node.hn.read("/run/vzhooks/ves.json")
    planned = site.vzhooks("resync", "--dry-run").stdout
    assert (site.state(), site.node.hn.read("/run/vzhooks/ves.json")) == (before, notes)
    assert site.vzhooks("resync").stdout == planned != ""


@pytest.mark.generation(4)
def test_a_second_resync_changes_nothing(site):
    ve101(site)
    site.flush("rules")
    assert site.vzhooks("resync").stdout
    before = site.state()
    done = site.vzhooks("resync")
    assert (done.stdout, done.stderr) == ("", "vzhooks resync: no changes made\n")
    assert site.state() == before


@pytest.mark.generation(4)
def test_a_resync_of_one_ve_mends_that_one_alone(site):
    ve101(site)
    site.ve("102", uplink="eth4")
    for address in (VE101, VE102):
        site.hn("ip", "rule", "del", "from", address)
    site.vzhooks("resync", "102")
    site.leaves_by("102", "eth4")
    site.leaves_by("101", None)
