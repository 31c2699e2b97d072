"""A VE moves from node A to node B beside it on one LAN: its uplink's name means another device there."""

import threading
import time

import pytest

from tests.lab import ExampleNode
from tests.lab.actions import ACTION_SCRIPT_FAILED
from tests.lab.node import MACS, NICS2
from tests.lab.tap import Tap
from tests.lab.wire import neighbour, ping, who_have
from tests.site import CLIENTS, SIX101, VE101, Site, fits, pair

OLD, NEW = MACS["eth3"], NICS2["eth4"][0]
STREAM_S = 0.01


def site_on(node):
    site = Site(node)
    site.install()
    return site


@pytest.fixture(params=[4, 9], ids=["vzctl4", "openvz9"])
def nodes(request):
    """Nodes A and B: the uplink isp1 is eth3 on A and eth4 on B; VE 101 runs on A and is known to the client."""
    with ExampleNode(1, request.param) as one, ExampleNode(1, request.param, beside=one) as two:
        a, b = site_on(one), site_on(two)
        a.ini("[uplink:isp1]\ndevice = eth3\n")
        b.ini("[uplink:isp1]\ndevice = eth4\n")
        a.both("101", uplink="isp1")
        b.node.create_ve("101", pair("101"), "isp1")
        a.end_announcers()
        yield a, b


class Stream:
    """Ping from the client all the time, as a user of the VE does, and count."""

    def __init__(self, site, address):
        self._site, self._address, self._over, self.answered = site, address, threading.Event(), 0
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._over.is_set():
            self.answered += ping(self._site.node.client, self._address, timeout=0.05)
            time.sleep(STREAM_S)

    def __enter__(self):
        self._thread.start()
        self.goes_on()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def goes_on(self, within=1.0):
        """Wait for the next answer; return the seconds it took."""
        began, count = time.monotonic(), self.answered
        while self.answered == count:
            assert time.monotonic() - began < within, "the stream does not recover"
            time.sleep(0.005)
        return time.monotonic() - began


def macs(site, *addresses):
    """Return the MACs that answer the client for these addresses (none: all of the VE's), of whichever node."""
    asked = {a: next(c for c in CLIENTS if fits(a, c)) for a in addresses or pair("101")}
    return sum(who_have(site.node.client, "eth0", asked, wait=0.1).values(), [])


def moved(a, b):
    """Assert that B alone has the VE now, and by the device that its isp1 is."""
    a.end_announcers()
    b.end_announcers()
    assert macs(b) == [NEW] * 2
    b.leaves_by("101", "eth4")
    assert not [text for text in a.state().values() if VE101 in text or SIX101 in text]
    a.settled()
    b.settled()


@pytest.mark.parametrize("address", [VE101, SIX101], ids=["ipv4", "ipv6"])
def test_a_suspended_ve_resumes_on_another_node(nodes, address):
    a, b = nodes
    with Stream(a, address) as stream, Tap(a.node.client, "eth0") as tap:
        assert a.vzctl.suspend("101").rc == 0
        assert macs(a, address) == []
        assert b.vzctl.resume("101").rc == 0
        stream.goes_on()
        heard = [f.src_mac for f in tap.find(outgoing=False) if f.src == address and f.proto in ("arp", "icmp6")]
        assert NEW in heard and OLD not in heard[heard.index(NEW):]
    moved(a, b)


@pytest.mark.parametrize("nodes", [4], indirect=True)
def test_a_live_migration_of_vzctl4_runs_the_old_nodes_hooks_last(nodes):
    """That of OpenVZ 9 is a suspend and a resume."""
    a, b = nodes
    with Stream(a, VE101) as four, Stream(a, SIX101) as six:
        assert a.vzctl.dump("101").rc == 0
        assert macs(a) == []
        assert b.vzctl.resume("101").rc == 0
        four.goes_on()
        six.goes_on()
        assert a.vzctl.umount("101").rc == 0
        four.goes_on()
        six.goes_on()
    moved(a, b)


def test_back_again(nodes):
    a, b = nodes
    for source, target, mac in ((a, b, NEW), (b, a, OLD)):
        assert source.vzctl.stop("101").rc == 0
        assert target.vzctl.start("101").rc == 0
        began = time.monotonic()
        for address in pair("101"):
            while neighbour(a.node.client, address) != mac:  # vzctl misled it by announcements of every NIC
                assert ping(a.node.client, address, count=1) == 1 and time.monotonic() - began < 5
        assert macs(target) == [mac] * 2


def test_a_node_without_that_uplink_refuses_and_names_those_it_has(nodes):
    a, b = nodes
    b.ini("[uplink:isp7]\ndevice = eth3\n[uplink:isp8]\ndevice = eth4\n")
    assert a.vzctl.suspend("101").rc == 0
    refused = b.vzctl.resume("101")
    assert refused.rc == ACTION_SCRIPT_FAILED and "isp7, isp8" in refused.stderr
    assert macs(b) == []
    assert a.vzctl.resume("101").rc == 0
    a.leaves_by("101", "eth3")
