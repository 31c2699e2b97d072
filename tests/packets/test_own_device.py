"""OpenVZ 9, where a VE has a device of its own: that device holds it, whatever source it uses."""

import threading
import time

import pytest

from tests.lab.tap import Tap
from tests.lab.wire import send_udp
from tests.site import BEYONDS, NICS, fits, is_carried, pair

pytestmark = [pytest.mark.generation(9), pytest.mark.core]
ADDED = pair("177")
FOREIGN = ("10.66.0.6", "2001:db8:66::6", "192.168.18.129", "fd00:18::66")


def send(site, *sources, ctid="101", count=3):
    """Send from each source out of a VE."""
    for source in sources:
        send_udp(site.node.ve(ctid).box, source, next(b for b in BEYONDS if fits(b, source)), count=count)


def exits(site, sources, **more):
    """Return the NICs by which packets of these sources leave."""
    with Tap(site.node.hn, *NICS) as tap:
        send(site, *sources, **more)
        return {f.nic for f in tap.find(outgoing=True) if f.src in sources and is_carried(f)}


def test_without_uplinks_a_foreign_source_leaves_by_the_first_nic(every):
    every.both("101")
    every.node.hn.sysctl("net/ipv4/conf/all/rp_filter", 0)
    every.node.hn.sysctl(f"net/ipv4/conf/{every.node.ve('101').device}/rp_filter", 0)
    assert exits(every, FOREIGN[:2]) == {"eth0"}


def test_no_foreign_source_of_an_assigned_ve_leaves_by_another_nic(every):
    every.both("101", uplink="eth3")
    assert exits(every, FOREIGN) <= {"eth3"}
    every.leaves_by("101", "eth3")


@pytest.mark.parametrize("layer", ["rules", "nft"])
def test_nor_without_either_layer(every, layer):
    every.both("101", uplink="eth3")
    every.end_announcers()
    every.flush(layer)
    assert exits(every, FOREIGN) <= {"eth3"}


def test_nor_after_a_move(every):
    every.both("101", uplink="eth3")
    every.vzhooks("set", "101", "--uplink", "eth4")
    assert exits(every, FOREIGN) <= {"eth4"}
    every.vzhooks("set", "101", "--uplink", "none")
    assert exits(every, pair("101")) == {"eth0"}


def test_nor_of_a_ve_that_is_cut_off(every):
    every.ini("[node]\non_error = warn\n")
    every.both("101", uplink="eth9")
    assert exits(every, (*FOREIGN, *pair("101"))) == set()


def test_a_ve_without_uplink_is_not_held(every):
    every.both("101", uplink="eth3")
    every.both("105")
    every.node.hn.sysctl("net/ipv4/conf/all/rp_filter", 0)
    every.node.hn.sysctl(f"net/ipv4/conf/{every.node.ve('105').device}/rp_filter", 0)
    assert exits(every, FOREIGN[:2], ctid="105") == {"eth0"}


def test_an_address_that_the_ve_has_before_any_script_runs_leaves_by_no_other_nic(every):
    """It sends by its new addresses all the time, from before vzctl begins."""
    every.both("101", uplink="eth3")
    over = threading.Event()

    def talk():
        while not over.is_set():
            send(every, *ADDED, count=1)
            time.sleep(0.002)

    talker = threading.Thread(target=talk)
    with Tap(every.node.hn, *NICS) as tap:
        talker.start()
        try:
            for address in ADDED:
                assert every.vzctl.ipadd("101", address, save=True, inside_first=True).rc == 0
            deadline = time.monotonic() + 5  # the VE asks again for a neighbour once a second
            while time.monotonic() < deadline and not set(ADDED) <= {
                    f.src for f in tap.find(outgoing=True, nic="eth3") if is_carried(f)}:
                time.sleep(0.1)
        finally:
            over.set()
            talker.join()
        left = {(f.nic, f.src) for f in tap.find(outgoing=True) if f.src in ADDED and is_carried(f)}
    assert left == {("eth3", address) for address in ADDED}
