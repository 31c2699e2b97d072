"""The daemon serves hooks and commands as they serve themselves, and mends what changes on the node."""

import pytest

from tests.lab.node import GATEWAY, GATEWAY6
from tests.lab.tap import Tap
from tests.resident import resident, until
from tests.site import VE101, is_carried, pair
from tests.told import records


@pytest.fixture
def daemon(site):
    with resident(site) as daemon:
        yield daemon


def test_a_ve_starts_stops_and_moves_by_the_daemon(site, daemon):
    site.both("101", uplink="eth3")
    assert records(site)["101"]["phase"] in ("starting", "running")
    site.leaves_by("101", "eth3")
    site.comes_by("eth3", *pair("101"))
    until(lambda: records(site)["101"]["phase"] == "running")
    site.settled()
    site.vzhooks("set", "101", "--uplink", "eth4")
    site.leaves_by("101", "eth4")
    site.stop("101")
    assert "101" not in records(site) or records(site)["101"]["phase"] == "stopping"
    assert VE101 not in site.hn("ip", "rule") + site.hn("nft", "list", "ruleset")


def test_a_ve_that_starts_is_announced_where_vzctl_does_not(site, daemon):
    """On a NIC without an address; on OpenVZ 9 further scripts of the start come after the mount hook."""
    site.node.add_nic("eth5", "00:0c:29:b3:a2:75")
    site.ini(f"[uplink:isp5]\ndevice = eth5\ngateway = {GATEWAY}\ngateway6 = {GATEWAY6}\n")
    with Tap(site.node.hn, "eth5") as tap:
        site.both("101", uplink="isp5")
        until(lambda: {f.src for f in tap.find(outgoing=True) if not is_carried(f)} >= set(pair("101")))
