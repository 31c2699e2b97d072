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
    assert found["rule"].startswith("from all fwmark " if two.marks else f"from {VE101}/32 lookup ")
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


def test_an_answer_that_contradicts_the_config_is_told_with_what_becomes_of_the_packet(two):
    two.end_announcers()
    two.flush("rules")
    said = two.vzhooks("route", "101", BEYOND, rc=3).stderr
    assert "should leave by eth3" in said
    assert "but the kernel sends it by eth0, where the guard drops it; run `vzhooks resync`" in said
    two.leaves_by("101", None, BEYOND)
    two.flush("nft")
    said = two.vzhooks("route", "101", BEYOND, rc=3).stderr
    assert "but the kernel sends it by eth0, and no guard holds it: it does leave; run `vzhooks resync`" in said
    two.leaves_by("101", "eth0", BEYOND)


@pytest.mark.parametrize("ini, words", [
    ("", "sends it by eth0, and no guard holds it: it does leave"),
    ("[node]\nreserved = eth0\n", "the kernel answers: ")])
def test_a_new_address_needs_only_a_resync(two, ini, words):
    """Of which no action script of vzctl 4 tells us."""
    two.ini(ini)
    two.vzhooks("resync")
    two.end_announcers()
    assert two.vzctl.ipadd("101", "192.168.18.111", save=True).rc == 0
    said = two.vzhooks("route", "101", BEYOND, rc=3)
    assert words in said.stderr and said.stderr.rstrip().endswith("run `vzhooks resync`")
    assert "no way there" not in said.stdout
    two.vzhooks("resync")
    assert two.vzhooks("route", "101", BEYOND).stdout.count("device  eth3 via") == 2


@pytest.mark.parametrize("action, answer", [("lookup 200", "sends it by eth4, where the guard drops it"),
                                            ("prohibit", "the kernel answers: Permission denied")])
def test_a_rule_of_others_before_ours_is_named_with_what_mends_it(two, action, answer):
    two.end_announcers()
    two.hn("ip", "route", "add", "default", "via", "192.168.18.1", "dev", "eth4", "table", "200")
    two.hn("ip", "rule", "add", "from", VE101, *action.split(), "priority", "999")
    said = two.vzhooks("route", "101", BEYOND, rc=3)
    assert f"rule    from {VE101}/32 {action} priority 999" in said.stdout
    assert f"{answer}; another's rule does that: `ip rule del from {VE101}/32 {action} priority 999`" in said.stderr
    assert "resync" not in said.stderr
    two.hn("sh", "-ec", said.stderr.split("`")[1])
    assert says(two, "101", BEYOND)["device"] == "eth3 via 192.168.18.1"


@pytest.mark.datapaths
def test_the_rule_that_decides_for_a_ve_without_uplink_is_named(two):
    assert says(two, "105", BEYOND)["rule"] == "from all lookup main priority 32766"
    two.hn("ip", "route", "add", "default", "via", "192.168.18.1", "dev", "eth4", "table", "200")
    two.hn("ip", "rule", "add", "from", "192.168.18.105", "lookup", "200", "priority", "32000")
    found = says(two, "105", BEYOND)
    assert found["rule"] == "from 192.168.18.105/32 lookup 200 priority 32000"
    assert found["device"] == "eth4 via 192.168.18.1"


@pytest.mark.parametrize(("args", "rc", "text"), [
    (("101", "example.org"), 2, "no address"), (("999", BEYOND), 1, "vzlist"), (("101",), 2, "DEST"),
    (("109", BEYOND), 1, "does not run"), (("102", BEYOND6), 1, "no IPv6 address"),
])
def test_bad_arguments_are_told_in_one_line(two, args, rc, text):
    two.node.create_ve("109", ["192.168.18.109"])
    assert text in two.vzhooks("route", *args, rc=rc).stderr
