"""Cases in which a VE once left by the wrong NIC, or an administrator was locked out."""

import pytest

from tests.lab.node import MACS
from tests.lab.wire import ping, who_has
from tests.site import CLIENT, VE101

OWN = {"192.168.18.10": "eth0", "192.168.18.11": "eth3", "192.168.18.12": "eth4"}


def answered(site, address):
    """Return the NICs that answer the client's who-has."""
    names = {mac: nic for nic, mac in MACS.items()}
    return {names[mac] for mac in who_has(site.node.client, "eth0", address, CLIENT, wait=0.1)}


def test_a_ve_that_could_not_be_unmounted_keeps_its_way(site):
    """vzctl 4 starts it again without mount hooks; OpenVZ 9 does not until it can be unmounted."""
    script = site.vzctl.own_script("101", "umount")
    site.node.hn.write(script, "#!/bin/sh\nexit 1\n", 0o755)
    site.ve("101", uplink="eth3")
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
    site.ve("101", uplink="eth3")
    env = site.vzctl.environment("101")
    assert site.node.hn.run([f"/etc/vz/conf/vps.{hook}"], env=env).returncode == 0
    site.leaves_by("101", "eth3")


def test_a_hook_of_one_ve_leaves_anothers_table_when_our_notes_are_lost(site):
    site.ve("101", uplink="eth3")
    site.end_announcers()
    site.hn("rm", "/run/vzhooks/ves.json")
    site.ve("102", uplink="eth4")
    site.leaves_by("101", "eth3")
    site.hn("nft", "flush", "ruleset")
    site.leaves_by("101", "eth3")


def test_a_link_on_the_way_to_the_ves_root_hides_no_mount(site):
    site.ve("101", uplink="eth3")
    site.end_announcers()
    site.hn("ln", "-s", "/vz", "/etc/vz/link")
    conf = site.node.hn.read("/etc/vz/conf/101.conf")
    site.node.hn.write("/etc/vz/conf/101.conf", conf.replace("/vz/root", "/etc/vz/link/root"))
    site.node.del_route(f"{VE101}/32", oif=site.node.ve("101").device)
    site.vzhooks("resync")
    assert site.status("101") == "ok"


@pytest.mark.generation(4)
def test_a_bridge_over_a_reserved_nic_is_reserved(site):
    site.ini("[node]\nreserved = eth0\n")
    with site.node.hn.ipr() as ipr:
        ipr.link("add", ifname="br0", kind="bridge")
        ipr.link("set", index=site.node.hn.index("eth0"), master=site.node.hn.index("br0"))
    site.node.create_ve("101", [VE101], "br0")
    started = site.vzctl.start("101")
    assert started.rc == 79
    assert "br0 is reserved" in started.stderr


@pytest.mark.generation(4)
@pytest.mark.parametrize("nic", list(OWN.values()))
def test_a_nic_that_went_down_and_up_still_answers_for_its_address(every, nic):
    every.vzhooks("harden")
    every.node.link(nic, False)
    every.node.link(nic, True)
    if nic == "eth0":
        every.node.add_route("0.0.0.0/0", oif="eth0", gateway="192.168.18.1")
    every.forget()
    assert {a: answered(every, a) for a in OWN} == {a: {n} for a, n in OWN.items()}
    assert [ping(every.node.client, a, count=2) for a in OWN] == [2, 2, 2]


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
    assert {a: answered(every, a) for a in OWN} == {a: {n} for a, n in OWN.items()}
    assert [ping(every.node.client, a, count=2) for a in OWN] == [2, 2, 2]


@pytest.mark.generation(4)
def test_another_gateway_in_main_does_not_cut_off_the_nic_it_leaves_by(site):
    site.vzhooks("harden")
    with site.node.client.ipr() as ipr:
        ipr.addr("add", index=site.node.client.index("eth0"), address="192.168.18.254", prefixlen=24)
        ipr.addr("del", index=site.node.client.index("eth0"), address="192.168.18.1", prefixlen=24)
    site.node.del_route("0.0.0.0/0", oif="eth0", gateway="192.168.18.1")
    site.node.add_route("0.0.0.0/0", oif="eth0", gateway="192.168.18.254")
    assert ping(site.node.hn, "203.0.113.9", src="192.168.18.10", count=2) == 2
