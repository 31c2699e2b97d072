"""What a VE's end leaves behind on the node is not life: its address is free, and nothing of ours stays."""

import time

import pytest

from tests.lab.bystanders import sh
from tests.site import VE101, pair

LEFT = "192.168.18.101 dev venet0 metric 1000"


@pytest.mark.generation(4)
def test_a_route_left_behind_is_not_life(site):
    """Umount hooks ran and nothing is mounted: the address is free for another."""
    site.both("101", uplink="eth3")
    site.end_announcers()
    assert site.vzctl.stop("101").rc == 0
    stopped = site.state()["rules"]
    sh(site.node.hn, f"ip route add {LEFT}")
    site.vzhooks("resync")
    assert site.state()["rules"] == stopped and VE101 not in site.state()["nft"]
    assert site.status("101") == "stopped"
    site.ve("102", VE101, uplink="eth4")
    site.leaves_by("102", "eth4", src=VE101)


@pytest.mark.generation("4b")
def test_what_vzctl_itself_leaves_behind_is_not_life(site):
    """Where venet0 is a bridge a stop takes back neither routes nor proxies nor the list of addresses."""
    before = site.state()["rules"]
    site.both("101", uplink="eth3")
    site.end_announcers()
    site.vzhooks("harden", "--undo")
    assert site.vzctl.stop("101").rc == 0
    site.vzhooks("resync")
    assert site.state()["rules"] == before
    site.ve("102", *pair("101"), uplink="eth4")
    site.leaves_by("102", "eth4")


@pytest.mark.parametrize("hooks", ["mount", "none"])
@pytest.mark.generation(4)
def test_a_route_without_any_hook_after_it_is_life_for_seconds_alone(site, hooks):
    """The VE died, or its start was broken off, with nobody left to run umount hooks."""
    before = site.state()["rules"]
    if hooks == "mount":
        site.node.create_ve("101", pair("101"), "eth3")
        assert site.vzctl.cancel_start("101", 30).rc == 0
    else:
        site.both("101", uplink="eth3")
        site.node.ve("101").kill()
        site.hn("umount", "/vz/root/101")
    site.end_announcers()
    site.vzhooks("harden", "--undo")
    if hooks == "mount":
        sh(site.node.hn, f"ip route add {LEFT}")
    deadline = time.monotonic() + 20
    while site.state()["rules"] != before:
        assert time.monotonic() < deadline, site.state()["rules"]
        time.sleep(1)
        site.vzhooks("resync", rc=None)
