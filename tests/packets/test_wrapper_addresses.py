"""`vzctl set … --ipadd X --uplink Y`: X is closed before vzctl publishes it, and given back if it does not."""

import time

import pytest

from tests.lab import ExampleNode
from tests.lab.node import MACS
from tests.lab.wire import neighbour, send_udp
from tests.site import CLIENT, VE101, Site
from tests.wrapped import NEW, Wrapped, state

NEWER = "192.168.18.151"

pytestmark = pytest.mark.generation(4)  # of OpenVZ 9 there is one test of its own


def probe(site, src=NEW):
    """Send from the VE's new address as it would; who-has for it is answered by its uplink alone."""
    site.forget()
    send_udp(site.node.ve("101").box, src, CLIENT, count=5)
    assert set(site.answers(src)) <= {"eth4"}


def test_a_new_address_never_leaves_by_another_nic(every):
    wrapped = Wrapped(every)
    every.ve("101", uplink="eth3")
    with every.only_by("eth4", src=NEW) as tap, every.only_by("eth3", "eth4", src=VE101):
        with wrapped.at_work("set", "101", "--ipadd", NEW, "--save", "--uplink", "eth4"):
            every.node.ve("101").add_address(NEW)
            probe(every)
            every.vzhooks("resync")  # somebody's, in the midst of it
            every.vzctl.ipadd("101", NEW, before_route=lambda: probe(every))
            probe(every)
            every.vzhooks("resync")
            every.ve("102", uplink="eth4")  # and another VE's hooks
            probe(every)
            every.leaves_by("101", "eth3")  # what it had stays until vzctl is done
            every.vzctl._save(every.node.ve("101"), [VE101, NEW])
            wrapped.end()
        probe(every)
        assert tap.count(outgoing=True, src=NEW, nic="eth4", proto="udp") >= 15  # rp_filter lets none before the route
    every.leaves_by("101", "eth4")
    every.leaves_by("101", "eth4", src=NEW)
    assert every.answers(NEW) == ["eth4"]
    every.settled()


def test_a_new_address_on_openvz_9_never_leaves_by_another_nic():
    with ExampleNode(0, generation=9) as node:
        site = Site(node)
        site.ve("101", uplink="eth3")
        wrapped = Wrapped(site)
        site.vzhooks("resync")
        with site.only_by("eth4", src=NEW), site.only_by("eth3", "eth4", src=VE101):
            with wrapped.at_work("set", "101", "--ipadd", NEW, "--uplink", "eth4", "--save"):
                probe(site)
                assert site.vzctl.ipadd("101", NEW, save=True).rc == 0
                probe(site)
                wrapped.end()
            probe(site)
        site.leaves_by("101", "eth4", src=NEW)
        site.settled()


def test_neighbours_are_told_of_a_new_address(moved):
    with moved.at_work("set", "101", "--ipadd", NEW, "--uplink", "eth4"):
        moved.site.forget()
        moved.site.vzctl.ipadd("101", NEW)
        moved.site.leaves_by("101", "eth4", src=NEW)
        moved.end()
    deadline = time.monotonic() + 8
    while neighbour(moved.site.node.client, NEW) != MACS["eth4"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert neighbour(moved.site.node.client, NEW) == MACS["eth4"]


def test_without_save_a_new_address_stays_by_its_uplink(moved):
    with moved.at_work("set", "101", "--ipadd", f"{NEW}/24", "--uplink", "eth4"):
        moved.site.vzctl.ipadd("101", NEW)
        moved.end()
    moved.site.vzhooks("resync")
    moved.site.leaves_by("101", "eth4", src=NEW)
    moved.site.leaves_by("101", "eth4")


def test_the_first_uplink_of_all_closes_the_new_address_too_and_is_given_back(wrapped):
    site = wrapped.site
    site.ve("101")
    before = state(wrapped)
    with wrapped.at_work("set", "101", "--ipadd", NEW, "--uplink", "eth4", rc=7):
        site.vzctl.ipadd("101", NEW)
        site.leaves_by("101", "eth4", src=NEW)
        site.leaves_by("101", "eth0")
        site.vzctl.ipdel("101", NEW)
        wrapped.end("exit 7")
    assert state(wrapped) == before


def test_what_vzctl_had_published_before_it_failed_stays_with_the_ve(moved):
    with moved.at_work("set", "101", "--ipadd", NEW, "--uplink", "eth4", rc=7):
        moved.site.vzctl.ipadd("101", NEW)
        moved.site.leaves_by("101", "eth4", src=NEW)
        moved.end("exit 7")
    moved.site.leaves_by("101", "eth3", src=NEW)
    moved.site.settled()


def test_an_address_of_another_ve_is_not_taken(moved):
    moved.site.ve("102", uplink="eth3")
    with moved.at_work("set", "101", "--ipadd", "192.168.18.102", "--uplink", "eth4", rc=7):
        moved.site.leaves_by("102", "eth3")
        moved.end("exit 7")
    moved.site.leaves_by("102", "eth3")
    moved.site.settled()


@pytest.mark.parametrize("uplink", ["eth3", None])
def test_an_address_of_a_ve_that_is_only_mounted_is_refused(moved, uplink):
    """Nothing of that one is routed, so vzctl would publish the address; but it is not this VE's to leave by."""
    moved.site.node.create_ve("102", ["192.168.18.102"], uplink)
    assert moved.site.vzctl.mount("102").rc == 0
    moved.site.end_announcers()
    before = state(moved)
    moved.run("set", "101", "--ipadd", f"{NEW},192.168.18.102", "--uplink", "eth4", "--save", rc=1,
              says="192.168.18.102 is of VE 102")
    assert moved.argv() is None and state(moved) == before


@pytest.mark.parametrize("words", [[f"{NEW},{NEWER}"], [f"{NEW} {NEWER}"], [NEW, "--ipadd", NEWER]],
                         ids=["comma", "blank", "two"])
def test_a_list_of_addresses_is_closed_before_it_is_published(moved, words):
    with moved.at_work("set", "101", "--ipadd", *words, "--uplink", "eth4", "--save"):
        for address in (NEW, NEWER):
            moved.site.vzctl.ipadd("101", address)
            moved.site.leaves_by("101", "eth4", src=address)
        moved.end()
    for address in (NEW, NEWER):
        moved.site.leaves_by("101", "eth4", src=address)


def test_a_restart_by_setmode_keeps_the_new_address_closed(moved):
    site = moved.site
    with site.only_by("eth4", src=NEW), site.only_by("eth3", "eth4"):
        with moved.at_work("set", "101", "--ipadd", NEW, "--setmode", "restart", "--save", "--uplink", "eth4"):
            assert site.vzctl.restart("101").rc == 0
            site.vzctl.ipadd("101", NEW, before_route=lambda: probe(site))
            probe(site)
            site.leaves_by("101", "eth3")
            site.vzctl._save(site.node.ve("101"), [VE101, NEW])
            moved.end()
        probe(site)
    site.leaves_by("101", "eth4", src=NEW)
    site.end_announcers()
    assert site.vzctl.stop("101").rc == 0
    site.vzhooks("resync")
    assert NEW not in str(site.state())


def test_an_address_that_cannot_be_closed_is_not_published(moved):
    before = state(moved)
    moved.site.hn("mv", "/usr/sbin/nft", "/usr/sbin/nft.good")
    broken = '#!/bin/sh\ncase "$*" in *-f*) exit 1;; esac\nexec /usr/sbin/nft.good "$@"\n'
    moved.hn.write("/usr/sbin/nft", broken, 0o755)
    moved.run("set", "101", "--ipadd", NEW, "--uplink", "eth4", rc=1, says="so vzctl was not called")
    moved.site.hn("mv", "/usr/sbin/nft.good", "/usr/sbin/nft")
    assert moved.argv() is None
    moved.site.vzhooks("resync")
    assert state(moved) == before


def test_a_wrapper_that_was_killed_leaves_the_new_address_closed(moved):
    with moved.at_work("set", "101", "--ipadd", NEW, "--uplink", "eth4", rc=-9) as child:
        child.kill()
        child.wait()
        moved.site.vzhooks("resync")
        moved.site.vzctl.ipadd("101", NEW)
        moved.site.vzhooks("resync")
        moved.site.leaves_by("101", "eth4", src=NEW)
        moved.end()
