"""Traffic comes in by the uplink too: who-has is answered once, by the right NIC, and neighbours learn it."""

import os
import time

import pytest

from tests.lab.links import add_veth, set_link
from tests.lab.node import MACS
from tests.lab.tap import Tap
from tests.lab.wire import neighbour, ping, send_udp, who_has
from tests.site import CLIENT, NICS, VE101, VE102

OWN = {"192.168.18.10": "eth0", "192.168.18.11": "eth3", "192.168.18.12": "eth4"}
FIVE = {**OWN, VE101: "eth3", VE102: "eth4"}


def answers(site, address, wait=0.1):
    """Return the NICs that answer the client's who-has, once for each answer."""
    names = {mac: nic for nic, mac in MACS.items()}
    return [names[mac] for mac in who_has(site.node.client, "eth0", address, CLIENT, wait=wait)]


def two_ves(site):
    site.ve("101", uplink="eth3")
    site.ve("102", uplink="eth4")


@pytest.mark.core
def test_each_of_five_addresses_has_one_answerer_20_times(every):
    two_ves(every)
    for _ in range(20):
        assert {address: answers(every, address, 0.05) for address in FIVE} == {a: [n] for a, n in FIVE.items()}


@pytest.mark.core
def test_client_to_ve_and_back_goes_by_the_uplink_both_ways(every):
    two_ves(every)
    every.forget()
    for address, nic in ((VE101, "eth3"), (VE102, "eth4")):
        with Tap(every.node.hn, *NICS) as tap:
            assert ping(every.node.client, address, count=5) == 5
        assert {f.nic for f in tap.find(outgoing=False, dst=address, proto="icmp")} == {nic}
        assert {f.nic for f in tap.find(outgoing=True, src=address, proto="icmp")} == {nic}


@pytest.mark.generation(4)
def test_own_addresses_are_reached_by_their_own_nic(every):
    two_ves(every)
    every.forget()
    for address, nic in OWN.items():
        with Tap(every.node.hn, *NICS) as tap:
            assert ping(every.node.client, address, count=3) == 3
        assert {f.nic for f in tap.frames if f.proto == "icmp"} == {nic}, address


def test_neighbours_that_vzctl_misled_are_right_within_5_s(every):
    every.forget()
    ping(every.node.client, VE101, count=1)
    began = time.monotonic()
    every.ve("101", uplink="eth3")
    while neighbour(every.node.client, VE101) != MACS["eth3"]:
        assert time.monotonic() - began < 5
        time.sleep(0.05)
    time.sleep(max(0.0, began + 5 - time.monotonic()))
    assert neighbour(every.node.client, VE101) == MACS["eth3"]


def test_the_announcer_is_bounded_and_holds_no_descriptor_of_vzctl(site):
    before = set(site.node.hn.processes())
    read, write = os.pipe()
    site.vzctl.stdout = write
    site.ve("101", uplink="eth3")
    os.close(write)
    assert os.set_blocking(read, False) is None
    assert read_to_end(read) is not None, "somebody still holds the hook's output"
    os.close(read)
    deadline = time.monotonic() + 8
    while len(site.node.hn.processes()) > len(before):
        assert time.monotonic() < deadline, "the announcer does not end"
        time.sleep(0.1)


def read_to_end(descriptor):
    """Return all that was written, None where a writer is left."""
    data = b""
    try:
        while chunk := os.read(descriptor, 65536):
            data += chunk
    except BlockingIOError:
        return None
    return data


def test_vzctl_may_publish_again_whenever_it_likes(every):
    two_ves(every)
    every.vzctl.ipadd("101", "192.168.18.103", save=True)
    every.vzhooks("resync")
    assert answers(every, "192.168.18.103") == ["eth3"]
    assert answers(every, VE101) == ["eth3"]
    every.leaves_by("101", "eth3", src="192.168.18.103")


@pytest.mark.generation(4)
def test_proxy_arp_set_by_somebody_changes_nothing(every):
    two_ves(every)
    for nic in NICS:
        every.node.hn.sysctl(f"net/ipv4/conf/{nic}/proxy_arp", 1)
    assert {a: answers(every, a) for a in FIVE} == {a: [n] for a, n in FIVE.items()}


def test_a_ve_that_is_cut_off_is_answered_for_by_nobody(site):
    site.ini("[node]\non_error = warn\n")
    site.ve("101", uplink="eth9")
    assert answers(site, VE101) == []


def test_nothing_is_answered_after_the_stop(site):
    two_ves(site)
    site.vzctl.stop("101")
    assert answers(site, VE101) == []
    assert answers(site, VE102) == ["eth4"]


def test_flushed_nft_is_mended_and_tables_of_others_survive(site):
    site.hn("nft", "add table inet other; add chain inet other c")
    two_ves(site)
    assert "table inet other" in site.hn("nft", "list", "ruleset")
    site.hn("nft", "flush", "ruleset")
    site.vzhooks("resync")
    assert {a: answers(site, a) for a in FIVE} == {a: [n] for a, n in FIVE.items()}


def test_a_flapped_uplink_answers_again_after_a_resync(site):
    two_ves(site)
    site.node.link("eth3", False)
    site.node.link("eth3", True)
    site.vzhooks("resync")
    site.forget()
    assert answers(site, VE101) == ["eth3"]
    assert ping(site.node.client, VE101, count=3) == 3


def test_an_uplink_without_an_address_is_published_on_by_us(every):
    every.ini("[uplink:isp1]\ndevice = eth3\ngateway = 192.168.18.1\n")
    every.node.del_address("eth3", "192.168.18.11/24")
    every.ve("101", uplink="isp1")
    deadline = time.monotonic() + 5
    while answers(every, VE101) != ["eth3"]:
        assert time.monotonic() < deadline
    every.leaves_by("101", "eth3", dst="203.0.113.9")
    every.forget()
    assert ping(every.node.client, VE101, src="192.168.18.129", count=3) == 3
    every.vzctl.stop("101")
    assert answers(every, VE101) == []


def hard(site, nic="eth3"):
    """Return the two values of a NIC."""
    return [site.node.hn.sysctl(f"net/ipv4/conf/{nic}/{name}") for name in ("arp_ignore", "arp_announce")]


@pytest.mark.generation(4)
def test_harden_on_its_own_gives_each_address_one_answerer(every):
    assert every.vzhooks("harden", "--check", rc=3).stdout.count("arp_ignore=1") == 3
    every.vzhooks("harden")
    assert {a: answers(every, a) for a in OWN} == {a: [n] for a, n in OWN.items()}
    assert every.vzhooks("harden").stdout == ""
    every.vzhooks("harden", "--check")


def test_only_named_lan_nics_are_hardened(site):
    site.ve("105")
    site.vzhooks("harden")
    site.ve("106")
    behind = {site.node.ve(ctid).device for ctid in ("105", "106")}
    assert [hard(site, nic) for nic in NICS] == [["1", "2"]] * 3
    assert {nic: hard(site, nic) for nic in ("all", "default", "lo", *behind)} == dict.fromkeys(
        ("all", "default", "lo", *behind), ["0", "0"])


@pytest.mark.generation(4)
def test_undo_restores_what_was_and_is_not_overridden_by_the_next_start(site):
    before = site.state()
    site.node.hn.sysctl("net/ipv4/conf/eth4/arp_announce", 1)
    site.vzhooks("harden")
    site.vzhooks("harden", "--undo")
    assert [hard(site, nic) for nic in NICS] == [["0", "0"], ["0", "0"], ["0", "1"]]
    assert site.state() == before
    assert not site.node.hn.exists("/etc/sysctl.d/90-vzhooks.conf")
    site.ve("101", uplink="eth3")
    assert hard(site) == ["0", "0"]


@pytest.mark.generation(4)
def test_undo_leaves_a_value_that_somebody_changed_and_says_so(site):
    site.vzhooks("harden")
    site.node.hn.sysctl("net/ipv4/conf/eth3/arp_ignore", 2)
    said = site.vzhooks("harden", "--undo").stderr
    assert "net/ipv4/conf/eth3/arp_ignore = 2 was changed by somebody" in said
    assert hard(site) == ["2", "0"]


@pytest.mark.generation(4)
def test_arp_off_never_hardens_by_itself(site):
    site.ini("[node]\narp = off\n")
    site.ve("101", uplink="eth3")
    assert hard(site) == ["0", "0"]


@pytest.mark.generation(4)
def test_an_address_on_lo_hinders_hardening_and_it_says_so(site):
    site.node.add_address("lo", "192.168.18.99/32")
    assert "192.168.18.99" in site.vzhooks("harden", rc=1).stderr
    site.node.create_ve("101", [VE101], "eth3")
    started = site.vzctl.start("101")
    assert started.rc == 0
    assert "192.168.18.99" in started.stderr
    assert hard(site) == ["0", "0"]
    site.vzhooks("harden", "--force")
    assert hard(site) == ["1", "2"]


@pytest.mark.generation(4)
def test_a_nic_added_later_is_hardened_by_the_next_run(site):
    site.vzhooks("harden")
    with site.node.lan.ipr() as ipr:
        add_veth(ipr, "hn-eth5.7", "eth5.7", site.node.hn.pid, None, "00:0c:29:b3:a2:99")
    with site.node.hn.ipr() as ipr:
        set_link(ipr, site.node.hn.index("eth5.7"), True)
    site.vzhooks("harden", "--check", rc=3)
    site.vzhooks("resync")
    assert hard(site, "eth5.7") == ["1", "2"]
    assert "-net/ipv4/conf/eth5.7/arp_ignore = 1\n" in site.node.hn.read("/etc/sysctl.d/90-vzhooks.conf")


@pytest.mark.generation(4)
def test_after_a_reboot_the_boot_units_resync_brings_all_back(every):
    """sysctl.d has been applied, rules are gone, no VE runs yet: nobody may be locked out of .11."""
    every.vzhooks("harden")
    every.flush("rules")
    every.hn("nft", "flush", "ruleset")
    every.node.hn.run(["sh", "-c", "rm -rf /run/vzhooks/*"], check=True)
    every.vzhooks("resync")
    assert {a: answers(every, a) for a in OWN} == {a: [n] for a, n in OWN.items()}
    every.forget()
    assert [ping(every.node.client, a, count=2) for a in OWN] == [2, 2, 2]


@pytest.mark.generation(4)
@pytest.mark.parametrize(("dst", "via"), [
    ("10.50.0.0/24", "10.50.0.9"),  # a static net, as of a VPN or docker
    ("192.168.18.64/26", "192.168.18.77"),  # more specific than the LAN itself
])
def test_where_main_is_more_specific_main_wins(every, dst, via):
    every.node.add_route(dst, oif="eth4", gateway=CLIENT)
    every.vzhooks("harden")
    with Tap(every.node.hn, *NICS) as tap:
        send_udp(every.node.hn, "192.168.18.11", via, count=3)
    assert {f.nic for f in tap.find(outgoing=True, dst=via, proto="udp")} == {"eth4"}


@pytest.mark.generation(4)
def test_replies_to_what_lies_behind_the_gateway_leave_by_the_nic_with_the_address(every):
    every.vzhooks("harden")
    for address, nic in OWN.items():
        with Tap(every.node.hn, *NICS) as tap:
            send_udp(every.node.hn, address, "203.0.113.9", count=3)
        assert {f.nic for f in tap.find(outgoing=True, dst="203.0.113.9", proto="udp")} == {nic}


def test_resync_announces_what_it_moved(every):
    every.ve("101", uplink="eth3")
    every.end_announcers()
    every.forget()
    assert ping(every.node.client, VE101, count=1) == 1
    assert neighbour(every.node.client, VE101) == MACS["eth3"]
    every.node.write_conf("101", [VE101], "eth4")
    every.vzhooks("resync", "101")
    assert neighbour(every.node.client, VE101) == MACS["eth4"]
    assert answers(every, VE101) == ["eth4"]
    every.leaves_by("101", "eth4")


def test_a_ve_that_stopped_or_moved_is_not_announced_where_it_was(site):
    site.ve("101", uplink="eth3")
    time.sleep(0.3)
    site.ve("102", uplink="eth4")
    site.vzctl.stop("102")
    site.vzhooks("set", "101", "--uplink", "eth4")
    with Tap(site.node.hn, *NICS) as tap:
        time.sleep(4)
    heard = [(f.nic, f.src) for f in tap.find(outgoing=True, proto="arp") if f.src == f.dst]
    assert ("eth4", VE101) in heard
    assert not {("eth3", VE101), ("eth4", VE102)} & set(heard)
