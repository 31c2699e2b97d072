"""`vzhooks route` tells what the kernel would do, and why."""

import pytest

from tests.lab.node import BEYOND, BEYOND6
from tests.site import CLIENT, VE101, VE102

pytestmark = pytest.mark.generation(4)


def says(site, *args, rc=0):
    """Return the answer as a dictionary of its lines."""
    lines = site.vzhooks("route", *args, rc=rc).stdout.splitlines()
    return dict(line.split(None, 1) for line in lines)


@pytest.fixture
def two(site):
    site.ve("101", VE101, "fd00:18::101", uplink="eth3")
    site.ve("102", uplink="eth4")
    site.ve("105")
    return site


@pytest.mark.generation(4, 9)
def test_each_kind_of_destination_is_explained(two):
    found = says(two, "101", BEYOND)
    assert found["rule"].startswith(f"from {VE101}/32 lookup ")
    assert found["table"].endswith("(eth3)")
    assert found["device"] == "eth3 via 192.168.18.1"
    assert found["source"] == VE101
    assert "gateway 192.168.18.1" in found["why"]
    assert says(two, "101", CLIENT)["why"].endswith("on its own LAN")
    assert says(two, "101", VE102)["device"] == two.node.ve("102").device
    assert "VE of this node" in says(two, "101", VE102)["why"]
    assert "address of this node" in says(two, "101", "192.168.18.10")["why"]
    assert says(two, "101", BEYOND6)["device"] == "eth3 via fd00:18::1"
    assert "main decides" in says(two, "105", BEYOND)["why"]


def test_a_ve_that_is_cut_off_is_told_so(two):
    two.node.link("eth3", False)
    found = says(two, "101", BEYOND)
    assert found["device"] == "none"
    assert "cut off: eth3 is down" in found["why"]


def test_an_answer_that_contradicts_the_config_is_told(two):
    two.end_announcers()
    two.flush("rules")
    done = two.vzhooks("route", "101", BEYOND, rc=3)
    assert "should leave by eth3, but routing says eth0" in done.stderr


@pytest.mark.parametrize(("args", "rc", "text"), [
    (("101", "example.org"), 2, "no address"), (("999", BEYOND), 1, "vzlist"), (("101",), 2, "DEST"),
    (("109", BEYOND), 1, "does not run"), (("102", BEYOND6), 1, "no IPv6 address"),
])
def test_bad_arguments_are_told_in_one_line(two, args, rc, text):
    two.node.create_ve("109", ["192.168.18.109"])
    assert text in two.vzhooks("route", *args, rc=rc).stderr
