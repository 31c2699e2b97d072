# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever happens to links, rules and tables, a VE's packets of both families leave by its uplink or not at all."""

import pytest

from tests.lab.links import host_length
from tests.lab.node import GATEWAY6
from tests.lab.wire import send_udp
from tests.site import BEYONDS, CLIENTS, OWN6, SIX101, VE101, pair

pytestmark = pytest.mark.datapaths
EVERYWHERE = (*CLIENTS, *BEYONDS)  # near, and behind the gateway


def ve101(site):
    """Start VE 101 on eth3, with an address of each family."""
    site.both("101", uplink="eth3")
    site.end_announcers()
    site.vzhooks("resync")


@pytest.fixture(scope="module")
def prepare():
    return ve101


def resync(site, rc=0):
    """Resync, and hold that nothing is left to do; it ends with 1 while a VE is cut off."""
    site.vzhooks("resync", rc=rc)
    site.settled()


def soon(done):
    """Wait until it is done, for a second or two: the kernel tells of a carrier at most once a second."""
    return any(done() for _ in range(10))


def ours(site):
    """Return the rules that are ours, as ip(8) shows them, with numbers for names."""
    rules = "".join(site.hn("ip", family, "-N", "rule") for family in ("-4", "-6"))
    return [line for line in rules.splitlines() if line.endswith("proto 118")]


def delete_rules(site, ctid):
    """Delete what sends a VE's packets to its uplink's table."""
    for family, address in zip(("-4", "-6"), pair(ctid)):
        places = ("1000", "1055") if site.node.generation == 4 else ("1055",)
        for rule in [("priority", place) for place in places] if site.marks else [("from", address)]:
            site.hn("ip", family, "rule", "del", *rule)


def table_of(site, address):
    """Return the table that a VE's address looks up."""
    which = "1055:" if site.marks else f"from {address} lookup"
    return next(line.split()[-3] for line in ours(site) if which in line)


def host_routes(site, verb, device):
    for dst in EVERYWHERE:
        getattr(site.node, verb)(f"{dst}/{host_length(dst)}", device)


@pytest.mark.unmended
def test_a_host_route_in_main_draws_no_packet(every):
    """Neither with both layers nor with one of them gone."""
    ve101(every)
    for layer, nic in ((None, "eth3"), ("nft", None if every.marks else "eth3"), ("rules", None)):
        if layer:
            every.vzhooks("resync")
            every.flush(layer)
        for device in ("eth0", "eth4"):
            host_routes(every, "add_route", device)
            every.leaves_by("101", nic, EVERYWHERE)
            host_routes(every, "del_route", device)


def test_a_network_in_main_by_another_nic_draws_no_packet(busy):
    """A VPN's or a static net's route concerns the node, not a VE with an uplink."""
    routes = [{"dst": "203.0.113.0/24", "gateway": "192.168.18.1"}, {"dst": "2001:db8:113::/64", "gateway": GATEWAY6},
              {"dst": "192.168.18.128/25", "oif": "eth4"}, {"dst": "fd00:18::120/123", "oif": "eth4"}]
    for route in routes:
        busy.node.add_route(**route)
    busy.leaves_by("101", "eth3", EVERYWHERE)
    for route in routes:
        busy.node.del_route(**route)


def test_the_guard_holds_when_all_rules_are_flushed(busy):
    busy.flush("rules")
    busy.leaves_by("101", None, EVERYWHERE)
    assert busy.status("101") == "drift"
    resync(busy)
    assert busy.ping("101") == 3


def test_routing_holds_when_nft_is_flushed(busy):
    busy.flush("nft")
    busy.leaves_by("101", None if busy.marks else "eth3", EVERYWHERE)
    assert busy.status("101") == "drift"
    resync(busy)
    busy.flush("rules")
    busy.leaves_by("101", None, EVERYWHERE)


TAMPERED = (
    ("flush", "chain", "inet", "vzhooks", "forward"),
    ("add", "rule", "inet", "vzhooks", "forward", "drop"),
    ("delete", "element", "inet", "vzhooks", "exits4", "{", VE101, ".", "eth3", "}"),
    ("delete", "element", "inet", "vzhooks", "exits6", "{", SIX101, ".", "eth3", "}"),
    ("delete", "table", "arp", "vzhooks"),
)


def by_table(state):
    """Return a state with the nft tables sorted, which stand in the order of their making."""
    return {**state, "nft": sorted(text.rstrip("\n") for text in f"\n{state['nft']}".split("\ntable "))}


def test_a_guard_that_was_tampered_with_is_made_anew(busy):
    for command in TAMPERED:
        whole = busy.state()
        busy.hn("nft", *command)
        with busy.only_by("eth3"):
            for src, dst in zip(pair("101"), CLIENTS):
                send_udp(busy.node.ve("101").box, src, dst)
        assert busy.vzhooks("resync").stdout
        assert by_table(busy.state()) == by_table(whole)
    busy.leaves_by("101", "eth3", EVERYWHERE)
    busy.flush("rules")
    busy.leaves_by("101", None, EVERYWHERE)


def test_a_deleted_rule_cuts_off_and_comes_back(busy):
    delete_rules(busy, "101")
    # On OpenVZ 9 the VE's own device holds it as well.
    held = busy.node.generation == 9 and not busy.marks
    busy.leaves_by("101", "eth3" if held else None, EVERYWHERE)
    resync(busy)
    busy.forget("101")
    busy.leaves_by("101", "eth3", EVERYWHERE)


def test_an_emptied_table_cuts_off_and_comes_back(busy):
    """Without its last resort a table falls through to main: then the guard holds."""
    table = table_of(busy, VE101)
    assert table == table_of(busy, SIX101)
    for family in ("-4", "-6"):
        busy.hn("ip", family, "route", "flush", "table", table)
    busy.leaves_by("101", None, EVERYWHERE)
    resync(busy)
    busy.forget("101")
    busy.leaves_by("101", "eth3", EVERYWHERE)


def test_a_link_that_goes_down_cuts_off_and_comes_back(every):
    """The kernel takes the NIC's IPv6 address then: that family waits until somebody gives it back."""
    ve101(every)
    every.node.link("eth3", up=False)
    every.leaves_by("101", None, EVERYWHERE)
    every.vzhooks("resync", rc=1)
    every.flush("nft")
    every.leaves_by("101", None, EVERYWHERE)
    every.vzhooks("resync", rc=1)
    assert every.status("101") == "blocked"
    every.node.link("eth3", up=True)
    every.leaves_by("101", None, BEYONDS)
    resync(every)
    every.forget("101")
    every.leaves_by("101", "eth3", BEYONDS[0])
    every.leaves_by("101", None, (CLIENTS[1], BEYONDS[1]))
    every.node.add_address("eth3", OWN6["eth3"])
    every.leaves_by("101", None, BEYONDS[1])
    resync(every)
    every.forget("101")
    every.leaves_by("101", "eth3", EVERYWHERE)
    assert every.ping("101") == 3
    assert every.answers(*pair("101")) == ["eth3"] * 2


def test_a_lost_carrier_cuts_off_and_heals_by_itself(busy):
    busy.node.carrier("eth3", on=False)
    with busy.only_by("eth3"):
        assert busy.pings("101", EVERYWHERE, count=2) == {0}
    busy.node.carrier("eth3", on=True)
    assert soon(lambda: busy.ping("101", count=1))
    busy.leaves_by("101", "eth3", EVERYWHERE)
    busy.settled()


def test_a_nic_without_its_address_sends_by_no_other(busy):
    addresses = ("192.168.18.11/24", OWN6["eth3"])
    for address in addresses:
        busy.node.del_address("eth3", address)
    with busy.only_by("eth3"):
        busy.ping("101", EVERYWHERE, count=1)
        busy.vzhooks("resync")
        busy.ping("101", EVERYWHERE, count=1)
    for address in addresses:
        busy.node.add_address("eth3", address)
    busy.vzhooks("resync")
    busy.forget("101")
    busy.leaves_by("101", "eth3", EVERYWHERE)
    assert busy.ping("101") == 3
    busy.settled()


@pytest.mark.generation(4)
def test_status_tells_drift_by_its_exit_status(site):
    ve101(site)
    site.both("102", uplink="eth4")
    site.vzhooks("status", rc=0)
    if site.marks:
        site.hn("nft", "delete", "element", "inet", "vzhooks", "made6", "{", SIX101, "}")
    else:
        site.hn("ip", "-6", "rule", "del", "from", SIX101)
    site.vzhooks("status", rc=3)
    assert (site.status("101"), site.status("102")) == ("drift", "ok")
    site.vzhooks("resync")
    site.vzhooks("status", rc=0)


@pytest.mark.generation(4)
def test_a_dry_run_changes_nothing(busy):
    busy.flush("rules")
    busy.flush("nft")
    before, notes = busy.state(), busy.node.hn.read("/run/vzhooks/ves.json")
    planned = busy.vzhooks("resync", "--dry-run", rc=3).stdout
    assert (busy.state(), busy.node.hn.read("/run/vzhooks/ves.json")) == (before, notes)
    assert busy.vzhooks("resync").stdout == planned != ""


@pytest.mark.generation(4)
def test_a_second_resync_changes_nothing(busy):
    busy.flush("rules")
    assert busy.vzhooks("resync").stdout
    before = busy.state()
    done = busy.vzhooks("resync")
    assert (done.stdout, done.stderr) == ("", "vzhooks resync: no changes made\n")
    assert busy.state() == before


@pytest.mark.generation(4)
def test_a_resync_of_one_ve_mends_that_one_alone(site):
    if site.marks:
        pytest.skip("a rule is of an uplink then, not of one VE")
    ve101(site)
    site.both("102", uplink="eth4")
    for ctid in ("101", "102"):
        delete_rules(site, ctid)
    site.vzhooks("resync", "102")
    site.leaves_by("102", "eth4")
    site.leaves_by("101", None)
