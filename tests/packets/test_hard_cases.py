"""Cases in which a VE once left by the wrong NIC, or an administrator was locked out."""

import pytest

from tests.lab.node import BEYOND6, GATEWAY6
from tests.lab.wire import ping
from tests.site import BEYOND, NICS, OWN, pair

ONCE = {address: [nic] for address, nic in OWN.items()}


def test_a_ve_that_could_not_be_unmounted_keeps_its_way(site):
    """vzctl 4 starts it again without mount hooks; OpenVZ 9 does not until it can be unmounted."""
    script = site.vzctl.own_script("101", "umount")
    site.node.hn.write(script, "#!/bin/sh\nexit 1\n", 0o755)
    site.both("101", uplink="eth3")
    assert site.vzctl.stop("101").rc == 79
    if site.node.generation == 9:
        assert site.vzctl.start("101").rc == 79
        site.node.hn.path(script).unlink()
    assert site.vzctl.start("101").rc == 0
    site.leaves_by("101", "eth3")
    site.settled()


@pytest.mark.parametrize("hook", ["umount", "postumount"])
def test_a_hook_of_the_last_stop_that_comes_after_the_next_start_takes_nothing(site, hook):
    """An interrupted vzctl leaves its hook running, which may have waited for our lock."""
    site.both("101", uplink="eth3")
    env = site.vzctl.environment("101")
    assert site.node.hn.run([f"/etc/vz/conf/vps.{hook}"], env=env).returncode == 0
    site.leaves_by("101", "eth3")


def test_a_hook_of_one_ve_leaves_anothers_table_when_our_notes_are_lost(site):
    site.both("101", uplink="eth3")
    site.end_announcers()
    site.hn("rm", "/run/vzhooks/ves.json")
    site.both("102", uplink="eth4")
    site.leaves_by("101", "eth3")
    site.hn("nft", "flush", "ruleset")
    site.leaves_by("101", None if site.marks else "eth3")


def test_a_link_on_the_way_to_the_ves_root_hides_no_mount(site):
    site.both("101", uplink="eth3")
    site.end_announcers()
    site.vzhooks("resync")
    site.hn("ln", "-s", "/vz", "/etc/vz/link")
    conf = site.node.hn.read("/etc/vz/conf/101.conf")
    site.node.hn.write("/etc/vz/conf/101.conf", conf.replace("/vz/root", "/etc/vz/link/root"))
    for route in ("192.168.18.101/32", "fd00:18::101/128"):
        site.node.del_route(route, oif=site.node.ve("101").device)
    site.vzhooks("resync")
    assert site.status("101") == "mounted"


@pytest.mark.generation(4)
def test_a_bridge_over_a_reserved_nic_is_reserved(site):
    site.ini("[node]\nreserved = eth0\n")
    with site.node.hn.ipr() as ipr:
        ipr.link("add", ifname="br0", kind="bridge")
        ipr.link("set", index=site.node.hn.index("eth0"), master=site.node.hn.index("br0"))
    site.node.create_ve("101", pair("101"), "br0")
    started = site.vzctl.start("101")
    assert started.rc == 79
    assert "br0 is reserved" in started.stderr


@pytest.mark.generation(4)
@pytest.mark.parametrize("nic", NICS)
def test_a_nic_that_went_down_and_up_still_answers_for_its_address(every, nic):
    every.vzhooks("harden")
    every.node.link(nic, False)
    every.up(nic)
    if nic == "eth0":
        every.node.add_route("0.0.0.0/0", oif="eth0", gateway="192.168.18.1")
        every.node.add_route("::/0", oif="eth0", gateway=GATEWAY6)
    every.forget()
    assert every.answerers(OWN) == ONCE
    assert [ping(every.node.client, a, count=2) for a in OWN] == [2] * 6


@pytest.mark.generation(4)
def test_an_ini_with_an_error_does_not_lock_anybody_out_at_boot(every):
    every.ini("[node]\nreserved = eth0\n")
    every.vzhooks("harden")
    every.ini("[node]\nreservd = eth0\n")
    every.flush("rules")
    every.hn("nft", "flush", "ruleset")
    every.hn("sh", "-c", "rm -rf /run/vzhooks/*")
    said = every.vzhooks("hook", "boot").stderr
    assert "reservd" in said
    every.forget()
    assert every.answerers(OWN) == ONCE
    assert [ping(every.node.client, a, count=2) for a in OWN] == [2] * 6


@pytest.mark.generation(4)
def test_another_gateway_in_main_does_not_cut_off_the_nic_it_leaves_by(site):
    site.vzhooks("harden")
    moves = (("192.168.18.1", "192.168.18.254", 24, "0.0.0.0/0"), (GATEWAY6, "fd00:18::254", 64, "::/0"))
    for old, new, length, default in moves:
        with site.node.client.ipr() as ipr:
            ipr.addr("add", index=site.node.client.index("eth0"), address=new, prefixlen=length)
            ipr.addr("del", index=site.node.client.index("eth0"), address=old, prefixlen=length)
        site.node.del_route(default, oif="eth0", gateway=old)
        site.node.add_route(default, oif="eth0", gateway=new)
    assert ping(site.node.hn, BEYOND, src="192.168.18.10", count=2) == 2
    assert ping(site.node.hn, BEYOND6, src="fd00:18::10", count=2) == 2
