"""NICs and VEs that go away and come back: nothing leaves by another NIC meanwhile."""


from tests.datapaths import without_nft
from tests.lab.node import CLIENT_MAC
from tests.packets.test_faults import EVERYWHERE, ours, resync, ve101
from tests.site import BEYONDS, NICS, OWN6, SIX101, VE101, pair


def test_an_uplink_whose_nic_is_gone_cuts_off(site):
    ve101(site)
    site.hn("ip", "link", "del", "eth3")
    for layer in (None, "rules"):
        if layer:
            site.flush(layer)
        site.leaves_by("101", None, EVERYWHERE)
        site.vzhooks("resync", rc=1)
        site.settled()
        site.leaves_by("101", None, EVERYWHERE)
    assert site.status("101") == "blocked"
    assert site.vzctl.stop("101").rc == 0
    assert not [line for line in ours(site) if VE101 in line or SIX101 in line]


def test_an_uplink_whose_nic_comes_back_works_again(site):
    """As when udev gives it another name for a while; declared in the ini, its absence is no error."""
    site.ini("[uplink:isp1]\ndevice = eth3\n")
    site.both("101", uplink="isp1")
    for old, new, nic in (("eth3", "eth9", None), ("eth9", "eth3", "eth3")):
        site.node.link(old, up=False)
        site.hn("ip", "link", "set", old, "name", new)
        site.node.link(new, up=True)
        site.node.add_address(new, OWN6["eth3"])
        site.leaves_by("101", None, BEYONDS)
        resync(site, rc=0 if nic else 1)
        site.forget("101")
        site.leaves_by("101", nic, BEYONDS)


def test_what_is_sent_to_a_ve_that_is_away_keeps_its_sender_s_uplink(site):
    """Its address has a rule already (it starts) but no route, so main would take the packet."""
    site.node.create_ve("101", pair("101"), "eth3")
    assert site.vzctl.mount("101").rc == 0
    site.both("102", uplink="eth4")
    site.end_announcers()
    for nic in NICS:
        for address in pair("101"):
            site.hn("ip", "neigh", "add", address, "lladdr", CLIENT_MAC, "dev", nic)
    for layer in (None, "nft"):
        if layer:
            site.flush(layer)
        site.leaves_by("102", without_nft(site, "eth4") if layer else "eth4", dst=pair("101"))
