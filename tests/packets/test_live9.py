"""OpenVZ 9: addresses that come to a running VE, or go, by vz-netns_dev_add alone, for which vzctl runs no hook."""

import threading
import time

import pytest

from tests.lab import ExampleNode
from tests.lab.node import MACS
from tests.lab.tap import Tap
from tests.lab.vzctl9 import Vzctl9
from tests.lab.wire import neighbour, ping, send_udp
from tests.resident import until
from tests.site import CLIENTS, NICS, VE101, Site, is_carried, pair

NEW, NEW6 = ADDED = pair("177")
LATER = "192.168.18.178"
SCRIPT = "/usr/libexec/libvzctl/script.d/vz-netns_dev_add"
STOCK = "/usr/libexec/libvzctl/scripts/vz-netns_dev_add"


def built(pause):
    node = ExampleNode(0, generation=9)  # any source passes, so that the guard and the rules alone hold it
    site = Site(node.__enter__())
    site.vzctl = Vzctl9(node, pause=pause)
    site.install()
    site.vzhooks("harden")
    return site


@pytest.fixture
def nine():
    site = built(0)
    yield site
    site.node.close()


def quiet(site):
    """Wait until what a change of addresses left behind has done its work."""
    deadline = time.monotonic() + 15
    while set(site.node.hn.processes()) - {site.node.hn.pid}:
        assert time.monotonic() < deadline, "the announcer does not end"
        time.sleep(0.1)


@pytest.mark.parametrize("save", [False, True])
def test_an_added_address_goes_by_the_uplink_from_its_first_packet(nine, save):
    nine.ve("101", uplink="eth3")
    nine.end_announcers()
    for address, client in zip(ADDED, CLIENTS):
        with nine.only_by("eth3", src=address) as tap:
            assert nine.vzctl.ipadd("101", address, save).rc == 0
            send_udp(nine.node.ve("101").box, address, client, count=5)
            until(lambda: tap.count(outgoing=True, src=address, nic="eth3", proto="udp") == 5)  # noqa: B023
    deadline = time.monotonic() + 5
    for address in ADDED:
        while neighbour(nine.node.client, address) not in (None, MACS["eth3"]):
            assert ping(nine.node.client, address) == 1 and time.monotonic() < deadline
    assert nine.answers(*ADDED) == ["eth3"] * 2
    quiet(nine)
    nine.settled()
    for address in ADDED:
        nine.leaves_by("101", "eth3", src=address)


def test_no_packet_leaves_a_wrong_way_while_vzctl_publishes():
    """The VE sends by its new addresses all the time, from before vzctl begins."""
    site, over = built(pause=0.3), threading.Event()
    try:
        site.ini("[node]\nreserved = eth0\n")
        site.ve("101", uplink="eth3")
        site.end_announcers()

        def talk():
            while not over.is_set():
                for address, client in zip(ADDED, CLIENTS):
                    send_udp(site.node.ve("101").box, address, client)
                time.sleep(0.002)

        talker = threading.Thread(target=talk)
        with Tap(site.node.hn, *NICS) as tap:
            talker.start()
            for address in ADDED:
                assert site.vzctl.ipadd("101", address, save=True).rc == 0
            time.sleep(0.2)
            over.set()
            talker.join()
            left = {(f.nic, f.src) for f in tap.find(outgoing=True) if f.src in ADDED and is_carried(f)}
            assert left == {("eth3", address) for address in ADDED}
    finally:
        over.set()
        site.node.close()


def test_a_deleted_address_leaves_nothing(nine):
    nine.ve("101", *pair("101"), *ADDED, uplink="eth3")
    for address in ADDED:
        assert nine.vzctl.ipdel("101", address, save=True).rc == 0
    quiet(nine)
    assert [part for part in nine.state().values() if NEW in part or NEW6 in part] == []
    assert nine.answers(*ADDED) == []
    nine.settled()
    nine.leaves_by("101", "eth3")


def test_an_added_routed_nic(nine):
    nine.ve("101", uplink="eth3")
    assert nine.vzctl.netif_add("101", "eth1", *ADDED).rc == 0
    quiet(nine)
    for address in ADDED:
        nine.leaves_by("101", "eth3", src=address)
    nine.settled()


def test_a_failed_add_is_given_back(nine):
    nine.ve("101", uplink="eth3")
    nine.ve("102", "192.168.18.102", uplink="eth4")
    nine.end_announcers()
    nine.node.hn.write(STOCK, "#!/bin/sh\nexit 34\n", 0o755)
    began = time.monotonic()
    for address in ADDED:
        assert nine.vzctl.ipadd("101", address).rc != 0
    quiet(nine)
    assert time.monotonic() < began + 10  # not as long as without a lock, however soon vzctl was done
    assert [part for part in nine.state().values() if NEW in part or NEW6 in part] == []


def test_an_address_for_a_ve_without_uplink_is_never_hindered(nine):
    nine.ve("105")
    nine.node.hn.write("/run/vzhooks/ves.json", "broken")
    for address in ADDED:
        assert nine.vzctl.ipadd("105", address).rc == 0
        nine.leaves_by("105", "eth0", src=address)


def test_a_broken_vzhooks_refuses_an_address_to_a_ve_with_an_uplink_alone(nine):
    nine.ve("101", uplink="eth3")
    nine.ve("105")
    text = nine.node.hn.read(SCRIPT)
    nine.node.hn.write(SCRIPT, text.replace("python='", "python='/gone"), 0o755)
    refused = nine.vzctl.ipadd("101", NEW)
    assert refused.rc != 0 and "cannot run vzhooks" in refused.stderr
    assert nine.vzctl.ipadd("105", NEW).rc == 0
    assert nine.vzctl.ipdel("101", VE101).rc == 0


def test_an_override_that_stood_there_runs_and_comes_back(nine):
    nine.vzhooks("uninstall")
    own = f"#!/bin/sh\necho own >> /vz/own\nexec {STOCK}\n"
    nine.node.hn.write(SCRIPT, own, 0o755)
    nine.install()
    nine.ve("101", uplink="eth3")
    assert nine.vzctl.ipadd("101", NEW).rc == 0
    assert nine.node.hn.read("/vz/own").splitlines() == ["own"] * 2
    nine.leaves_by("101", "eth3", src=NEW)
    nine.vzctl.stop("101")
    nine.vzhooks("uninstall")
    assert nine.node.hn.read(SCRIPT) == own
