# SPDX-License-Identifier: GPL-2.0-or-later
"""The node answers for each of its own addresses by the NIC that has it, and its replies leave by that NIC."""

import pytest

from tests.lab.links import add_veth, set_link
from tests.lab.node import BEYOND6
from tests.lab.tap import Tap
from tests.lab.wire import ping, send_udp
from tests.site import BEYOND, CLIENTS, NICS, OWN, pair

ONCE = {address: [nic] for address, nic in OWN.items()}


def hard(site, nic="eth3"):
    """Return the two values of a NIC."""
    return [site.node.hn.sysctl(f"net/ipv4/conf/{nic}/{name}") for name in ("arp_ignore", "arp_announce")]


def test_harden_on_its_own_gives_each_address_one_answerer(every):
    assert every.vzhooks("harden", "--check", rc=3).stdout.count("arp_ignore=1") == 3
    every.vzhooks("harden")
    assert every.answerers(OWN) == ONCE
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
    site.node.create_ve("101", pair("101"), "eth3")
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
    site.node.add_address("eth5.7", "192.168.18.13/24")
    site.vzhooks("harden", "--check", rc=3)
    site.vzhooks("resync")
    assert hard(site, "eth5.7") == ["1", "2"]
    assert "-net/ipv4/conf/eth5.7/arp_ignore = 1\n" in site.node.hn.read("/etc/sysctl.d/90-vzhooks.conf")


def test_after_a_reboot_the_boot_units_resync_brings_all_back(every):
    """sysctl.d has been applied, rules are gone, no VE runs yet: nobody may be locked out of .11."""
    every.vzhooks("harden")
    every.flush("rules")
    every.hn("nft", "flush", "ruleset")
    every.node.hn.run(["sh", "-c", "rm -rf /run/vzhooks/*"], check=True)
    every.vzhooks("resync")
    assert every.answerers(OWN) == ONCE
    every.forget()
    assert [ping(every.node.client, a, count=2) for a in OWN] == [2] * 6


@pytest.mark.generation(4)
@pytest.mark.parametrize(("dst", "via"), [
    (("10.50.0.0/24", "fd50::/64"), ("10.50.0.9", "fd50::9")),  # a static net, as of a VPN or docker
    (("192.168.18.64/26", "fd00:18::4:0/112"), ("192.168.18.77", "fd00:18::4:77")),  # more specific than the LAN itself
], ids=["static", "within_the_lan"])
def test_where_main_is_more_specific_main_wins(every, dst, via):
    for network, gateway in zip(dst, CLIENTS):
        every.node.add_route(network, oif="eth4", gateway=gateway)
    every.vzhooks("harden")
    for own, to in zip(("192.168.18.11", "fd00:18::11"), via):
        with Tap(every.node.hn, *NICS) as tap:
            send_udp(every.node.hn, own, to, count=3)
        assert [f.nic for f in tap.find(outgoing=True, dst=to, proto="udp")] == ["eth4"] * 3


@pytest.mark.generation(4)
def test_replies_to_what_lies_behind_the_gateway_leave_by_the_nic_with_the_address(every):
    every.vzhooks("harden")
    for address, nic in OWN.items():
        dst = BEYOND6 if ":" in address else BEYOND
        with Tap(every.node.hn, *NICS) as tap:
            send_udp(every.node.hn, address, dst, count=3)
        assert [f.nic for f in tap.find(outgoing=True, dst=dst, proto="udp")] == [nic] * 3


def test_a_check_only_looks(site):
    """Also at an ini that differs from the copy that hooks go by, and with the notes of other commands gone."""
    site.both("101")
    site.ini("[node]\narp = off\n")
    site.vzhooks("resync")
    site.ini("[node]\nreserved = eth4\n")
    before = kept(site)
    assert "arp_ignore=1" in site.vzhooks("harden", "--check", rc=3).stdout
    assert kept(site) == before
    site.vzhooks("harden")
    before = kept(site)
    site.vzhooks("harden", "--check")
    assert kept(site) == before


def kept(site):
    """Return all that a command could change: the kernel's state, sysctls and files."""
    files = "find /etc /var/lib/vzhooks /run/vzhooks -type f -exec cksum {} + | sort"
    return site.state(), [hard(site, nic) for nic in NICS], site.hn("sh", "-c", files)
