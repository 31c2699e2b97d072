"""IPv6 is equal to IPv4: out by the uplink or not at all, in by the uplink alone."""

import pytest

from tests.lab.node import BEYOND6, CLIENT6, MACS
from tests.lab.tap import Tap
from tests.lab.wire import ping, who_has6
from tests.site import NICS

VE101, VE102 = "fd00:18::101", "fd00:18::102"


@pytest.fixture
def six(every):
    """Two VEs, one of them with IPv6 alone."""
    every.ve("101", "192.168.18.101", VE101, uplink="eth3")
    every.ve("102", VE102, uplink="eth4")
    return every


def answers(site, address):
    names = {mac: nic for nic, mac in MACS.items()}
    return [names[mac] for mac in who_has6(site.node.client, "eth0", address, CLIENT6, wait=0.1)]


def test_each_ve_leaves_by_its_uplink(six):
    for dst in (CLIENT6, BEYOND6):
        six.leaves_by("101", "eth3", dst, src=VE101)
        six.leaves_by("102", "eth4", dst, src=VE102)
        assert six.ping("101", dst, src=VE101) == 3
    six.settled()


def test_a_solicitation_is_answered_by_the_uplink_alone(six):
    six.end_announcers()
    assert [answers(six, a) for a in (VE101, VE102)] == [["eth3"], ["eth4"]]


def test_both_ways_by_the_uplink(six):
    six.forget()
    with Tap(six.node.hn, *NICS) as tap:
        assert ping(six.node.client, VE101, count=3) == 3
    assert {f.nic for f in tap.find(outgoing=False, dst=VE101)} == {"eth3"}
    assert {f.nic for f in tap.find(outgoing=True, src=VE101)} == {"eth3"}


def test_ves_and_the_node_reach_each_other(six):
    assert six.ping("101", VE102, src=VE101) == 3
    for own in ("fd00:18::10", "fd00:18::11", "fd00:18::12"):
        assert six.ping("101", own, src=VE101) == 3
    assert ping(six.node.hn, VE102, count=3) == 3


@pytest.mark.parametrize("layer", ["rules", "nft"])
def test_losing_a_layer_leaks_nothing(six, layer):
    six.end_announcers()
    six.node.add_route(f"{CLIENT6}/128", oif="eth0")
    six.flush(layer)
    with six.only_by("eth3", src=VE101):
        six.ping("101", CLIENT6, src=VE101)


def test_nothing_is_left_after_the_stop(six):
    six.vzctl.stop("101")
    six.vzctl.stop("102")
    assert not [text for text in six.state().values() if VE101 in text or VE102 in text]
    assert answers(six, VE101) == []
