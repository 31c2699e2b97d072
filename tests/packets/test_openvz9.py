"""What OpenVZ 9 does otherwise than vzctl 4: a veth for each VE, its own events, NICs, ids and gaps."""

import json
import time
from dataclasses import replace

import pytest

from tests.lab import ExampleNode
from tests.lab.ve9 import netifs_in, new_netif, with_netifs
from tests.lab.wire import send_udp
from tests.site import BEYONDS, CLIENTS, Site, pair, unordered

UUID = "6D1B2c3d-0000-4000-8000-00000000abCD"
BOTH, SECOND = pair("101"), pair("177")


@pytest.fixture(params=[1], ids=lambda n: f"rp_filter{n}")
def nine(request):
    """The node of OpenVZ 9, hardened already, so that the state before a VE is the state after it."""
    with ExampleNode(request.param, generation=9) as node:
        site = Site(node)
        site.install()
        site.vzhooks("harden")
        yield site


def ours(site, *addresses):
    """Return where an address stands in rules, routes and guard, which are ours alone; main's and vzctl's apart."""
    state = site.state()
    return [part for part in ("rules", "nft") for address in addresses if address in state[part]]


def way(site, nic, ctid="101", addresses=BOTH):
    """Assert that a VE goes by this NIC both ways, and that nothing is left to change."""
    for address in addresses:
        site.leaves_by(ctid, nic, (*CLIENTS, *BEYONDS), src=address)
    site.end_announcers()
    assert site.answers(*addresses) == [nic] * len(addresses)
    site.settled()


def gone(site, before):
    site.end_announcers()
    assert unordered(site.state()) == unordered(before)


@pytest.mark.parametrize("given", [UUID, f"{{{UUID}}}", "web one"])
def test_a_ve_with_a_uuid_and_a_name(nine, given):
    before = nine.state()
    nine.node.create_ve(UUID, pair("101"), "eth3", extra='NAME="web one"\n')
    assert nine.vzctl.start(UUID).rc == 0
    way(nine, "eth3", UUID)
    nine.vzhooks("set", given, "--uplink", "eth4", "--save")
    way(nine, "eth4", UUID)
    assert nine.node.hn.path(f"/etc/vz/conf/{UUID}.conf").is_symlink()
    assert 'UPLINK="eth4"\n' in nine.node.hn.read(f"/vz/private/{UUID}/ve.conf")
    assert nine.vzctl.stop(UUID).rc == 0
    gone(nine, before)


def with_second_nic(site, **more):
    site.node.create_ve("101", pair("101"), "eth3", **more)
    assert site.vzctl.netif_add("101", "eth1", *SECOND).rc == 0


def test_a_second_nic_s_address_stands_in_netif_alone(nine):
    before = nine.state()
    with_second_nic(nine)
    text = nine.node.hn.read("/etc/vz/conf/101.conf")
    assert f"ip={SECOND[0]}" in text and f"ip6={SECOND[1]}" in text
    assert nine.vzctl.start("101").rc == 0
    way(nine, "eth3")
    way(nine, "eth3", addresses=SECOND)
    assert nine.vzctl.stop("101").rc == 0
    gone(nine, before)


def test_a_bridged_nic_is_none_of_our_business_and_status_says_so(nine):
    nic = replace(new_netif("101", "eth1", pair("66")), routed=False)
    nine.node.create_ve("101", pair("101"), "eth3", extra=f'NETIF="{nic}"\n')
    assert nine.vzctl.start("101").rc == 0
    way(nine, "eth3")
    assert ours(nine, *pair("66")) == []
    (shown,) = json.loads(nine.vzhooks("status", "--json").stdout)["ves"]
    assert (shown["state"], sorted(shown["addresses"]), shown["bridged"]) == ("ok", sorted(pair("101")), ["eth1"])
    assert "bridged, so past vzhooks: eth1" in nine.vzhooks("status", "101").stdout


def test_a_ve_that_ends_by_itself(nine):
    before = nine.state()
    nine.both("101", uplink="eth3")
    assert nine.vzctl.halt("101").rc == 0
    gone(nine, before)


def test_a_ve_whose_end_nobody_notices_keeps_its_rules_and_starts_again(nine):
    before = nine.state()
    nine.both("101", uplink="eth3")
    nine.end_announcers()
    nine.vzctl.halt("101", noticed=False)
    nine.vzhooks("resync")
    assert set(nine.answers(*pair("101"))) <= {"eth3"}
    assert nine.vzctl.start("101").rc == 0
    way(nine, "eth3")
    nine.vzctl.halt("101", noticed=False)
    assert nine.vzctl.stop("101", force=True).rc == 0
    gone(nine, before)


def test_a_reboot_from_inside(nine):
    before = nine.state()
    nine.both("101", uplink="eth3")
    assert nine.vzctl.reboot("101").rc == 0
    way(nine, "eth3")
    assert nine.vzctl.stop("101").rc == 0
    gone(nine, before)


def test_a_start_that_fails_late_leaves_nothing_of_ours(nine):
    nine.node.create_ve("101", pair("101"), "eth3")
    assert nine.vzctl.start("101", fail_late=True).rc != 0
    nine.end_announcers()
    nine.vzhooks("resync")
    assert ours(nine, *pair("101")) == []
    assert nine.vzctl.start("101").rc == 0
    way(nine, "eth3")


def test_a_stop_that_does_not_unmount_leaks_nothing(nine):
    before = nine.state()
    nine.both("101", uplink="eth3")
    assert nine.vzctl.stop("101", skip_umount=True).rc == 0
    nine.vzhooks("resync")
    assert nine.answers(*pair("101")) == []
    assert nine.vzctl.start("101").rc == 0
    way(nine, "eth3")
    assert nine.vzctl.stop("101", skip_umount=True).rc == 0
    assert nine.vzctl.umount("101").rc == 0
    gone(nine, before)


def test_a_mount_that_is_no_start(nine):
    """Creation mounts before the config has its link; a plain mount before any start."""
    before = nine.state()
    nine.node.create_ve("101", pair("101"), "eth3")
    link = nine.node.hn.path("/etc/vz/conf/101.conf")
    target = link.readlink()
    link.unlink()
    assert [(r.rc, r.stderr) for r in (nine.vzctl.mount("101"), nine.vzctl.umount("101"))] == [(0, "")] * 2
    assert nine.state() == before
    link.symlink_to(target)
    assert nine.vzctl.mount("101").rc == nine.vzctl.umount("101").rc == 0
    gone(nine, before)


def test_a_restored_ve(nine):
    before = nine.state()
    nine.both("101", uplink="eth3")
    assert nine.vzctl.suspend("101").rc == 0
    gone(nine, before)
    assert nine.vzctl.resume("101").rc == 0
    way(nine, "eth3")


def test_a_snapshot_may_change_address_uplink_and_nics(nine):
    with_second_nic(nine)
    assert nine.vzctl.start("101").rc == 0
    text = nine.node.hn.read("/etc/vz/conf/101.conf").replace("eth3", "eth4")
    text = text.replace("18.101", "18.102").replace("::101", "::102")
    text = with_netifs(text, [n for n in netifs_in(text) if n.name == "venet0"])
    assert nine.vzctl.snapshot_switch("101", text).rc == 0
    way(nine, "eth4", addresses=pair("102"))
    assert ours(nine, *pair("101"), *SECOND) == []
    assert nine.answers(*pair("101"), *SECOND) == []


def test_vzctl_does_not_wait_for_what_a_hook_leaves_behind(nine):
    """It reads the hook's output to its end, and leaks both ends of that pipe into it."""
    nine.node.create_ve("101", pair("101"), "eth3")
    began = time.monotonic()
    assert nine.vzctl.start("101").rc == 0
    assert time.monotonic() - began < 3, "the announcer lives for 4 s"


def test_an_unknown_source_behind_a_new_veth_is_closed_at_once(nine):
    nine.ini("[node]\nreserved = eth0\n")
    nine.both("101", uplink="eth3")
    nine.both("105")
    nine.end_announcers()
    for where in ("all", new_netif("105", "venet0").host_name):
        nine.node.hn.sysctl(f"net/ipv4/conf/{where}/rp_filter", 0)
    with nine.only_by(src=pair("199")):
        for stranger, client in zip(pair("199"), CLIENTS):
            send_udp(nine.node.ve("105").box, stranger, client, count=3)
    nine.leaves_by("105", None)
    nine.leaves_by("101", "eth3")
    assert nine.ping("105", pair("101")) == 3


def test_what_vzctl_took_off_its_list_by_mistake_is_still_covered(nine):
    """Deleting .10 takes .101 off the list as well: the list is believed last."""
    nine.both("101", uplink="eth3")
    nine.both("102", uplink="eth4")
    nine.node.hn.write("/var/vz/veip/101", "")
    nine.vzhooks("resync")
    way(nine, "eth3")


def test_the_doctor_finds_nothing(nine):
    nine.both("101", uplink="eth3")
    nine.both("105")
    nine.end_announcers()
    nine.vzhooks("resync")
    done = nine.vzhooks("doctor", "--probe", rc=None)
    assert (done.returncode, done.stdout) == (0, "")
