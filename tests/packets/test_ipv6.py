"""IPv6 is equal to IPv4 also for a VE that has nothing else; VEs of both families are in every other file here."""

import pytest

from tests.lab.node import BEYOND6, CLIENT6
from tests.lab.tap import Tap
from tests.lab.wire import ping
from tests.site import NICS, OWN, SIX101, SIX102

OWN6 = tuple(address for address in OWN if ":" in address)


def test_a_ve_with_ipv6_alone_goes_by_its_uplink_both_ways(every):
    before = every.state()
    every.ve("101", SIX101, uplink="eth3")
    every.ve("102", SIX102, uplink="eth4")
    every.end_announcers()
    four = every.hn("ip", "-4", "rule").splitlines()
    assert [r for r in four if r.startswith(("1000:", "1010:")) and " iif " not in r] == []
    for ctid, nic in (("101", "eth3"), ("102", "eth4")):
        every.leaves_by(ctid, nic, (CLIENT6, BEYOND6))
        assert every.ping(ctid, (CLIENT6, BEYOND6, *OWN6)) == 3
    every.forget()
    with Tap(every.node.hn, *NICS) as tap:
        assert ping(every.node.client, SIX101, count=3) == 3
    assert {f.nic for f in tap.frames if SIX101 in (f.src, f.dst) and "echo" in f.info} == {"eth3"}
    assert every.answerers([SIX101, SIX102]) == {SIX101: ["eth3"], SIX102: ["eth4"]}
    assert every.ping("101", SIX102) == ping(every.node.hn, SIX102, count=3) == 3
    every.settled()
    assert every.vzctl.stop("101").rc == every.vzctl.stop("102").rc == 0
    assert every.answers(SIX101, SIX102) == []
    every.vzhooks("harden", "--undo")
    assert every.state() == before


@pytest.mark.unmended
def test_a_ve_with_ipv6_alone_survives_the_loss_of_either_layer(every):
    every.ve("101", SIX101, uplink="eth3")
    every.end_announcers()
    every.node.add_route(f"{CLIENT6}/128", oif="eth0")
    for layer in ("rules", "nft"):
        every.flush(layer)
        every.leaves_by("101", "eth3" if layer == "nft" and not every.marks else None, CLIENT6)
        every.vzhooks("resync")
        every.leaves_by("101", "eth3", CLIENT6)
    assert every.status("101") == "ok"
