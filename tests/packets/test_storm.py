# SPDX-License-Identifier: GPL-2.0-or-later
"""Long and mixed loads: whatever happens in whatever order, no frame of a VE takes a NIC that is not its uplink."""

import os
import random
import select
import signal
import sys
from contextlib import contextmanager

import pytest

from tests.lab.tap import Tap
from tests.lab.wire import ping, send_udp
from tests.site import CLIENTS, NICS, fits, is_carried, pair, unordered

pytestmark = pytest.mark.generation(4)

RESYNCING = f"while :; do {sys.executable} -I -m vzhooks resync; done"


@contextmanager
def meanwhile(function, *args):
    """Run function(*args, end) in a process of its own while the body runs; `end` becomes readable after that.

    The list yielded then holds the numbers it returned.
    """
    (end, stop), (answer, tell) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(stop)
        os.write(tell, " ".join(map(str, function(*args, end))).encode())
        os._exit(0)
    numbers = []
    try:
        yield numbers
        os.close(stop)
        select.select([answer], [], [], 10)
        numbers += map(int, os.read(answer, 99).split())
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for fd in (end, answer, tell):
            os.close(fd)


def sends(ve, end):
    """Send about a thousand packets a second, of each family in turn; return how many."""
    sent = 0
    while not select.select([end], [], [], 0)[0]:
        for src, dst in ways(ve):
            sent += send_udp(ve.box, src, dst, count=25, interval=0.001)
    return [sent]


def pings(ve, end):
    """Ping on and on, by each family in turn; return how many were sent, and lost."""
    sent = lost = 0
    while not select.select([end], [], [], 0)[0]:
        for src, dst in ways(ve):
            sent, lost = sent + 20, lost + 20 - ping(ve.box, dst, src, count=20, interval=0.002)
    return [sent, lost]


def ways(ve):
    """Pair each address of a VE with the client's of the same family."""
    return [(src, dst) for src in ve.addresses for dst in CLIENTS if fits(src, dst)]


@pytest.mark.datapaths
@pytest.mark.parametrize("layer", ["rules", "nft"])
def test_another_manager_that_flushes_again_and_again_lets_no_packet_out(site, layer):
    """While a resync puts back again and again what it flushes."""
    site.both("101", uplink="eth3")
    with site.only_by("eth3"), meanwhile(sends, site.node.ve("101")) as sent:
        resyncs = site.node.hn.popen(["sh", "-c", RESYNCING], stdout=-3, stderr=-3)
        for _ in range(20):
            site.flush(layer)
            select.select([], [], [], random.uniform(0, 0.1))
        resyncs.kill()
    assert sent[0] > 500
    site.end_announcers()
    site.vzhooks("resync")
    site.leaves_by("101", "eth3")
    site.settled()


def test_steady_ves_lose_nothing_while_another_starts_and_stops(site):
    for ctid, uplink in (("101", "eth3"), ("102", "eth4")):
        site.both(ctid, uplink=uplink)
    site.node.create_ve("103", pair("103"), "eth3")
    with site.only_by("eth3", src=pair("101")), site.only_by("eth4", src=pair("102")), \
            meanwhile(pings, site.node.ve("101")) as pinged, meanwhile(sends, site.node.ve("102")) as sent:
        for _ in range(10):
            assert site.vzctl.start("103").rc == 0
            assert site.vzctl.stop("103").rc == 0
    assert sent[0] > 500
    assert pinged[0] > 500
    assert pinged[1] == 0


class Walk:
    """Do operations at random, and know by which NICs each VE's packets may leave after each."""

    def __init__(self, site, closed, seed):
        self.site, self.closed, self.random, self.trace = site, closed, random.Random(seed), []
        self.lost, self.unknown = "", set()
        self.uplink = {ctid: self.random.choice(NICS[1:]) for ctid in ("101", "102", "103")}
        self.allowed = {ctid: {nic} for ctid, nic in self.uplink.items()}
        self.up = dict.fromkeys(NICS[1:], True)
        for ctid, nic in [*self.uplink.items(), ("109", "eth3")]:
            site.node.create_ve(ctid, pair(ctid), nic)

    def step(self):
        """Do one operation, then send from every running VE and look where it left."""
        ctid, operation = self.random.choice(list(self.uplink)), self.random.choice(OPERATIONS)
        self.trace.append(f"{operation.__name__} {ctid}")
        with Tap(self.site.node.hn, *NICS) as tap:
            operation(self, ctid)
            for ve in self.running():
                for src, dst in ways(ve):
                    send_udp(ve.box, src, dst)
            frames = [f for f in tap.find(outgoing=True) if is_carried(f) and f.src not in self.unknown]
        for ve in map(self.site.node.ve, self.uplink):
            wrong = [f for f in frames if f.src in addresses(ve.ctid) and f.nic not in self.allowed[ve.ctid]]
            assert wrong == [], "\n".join([*self.trace, *map(str, wrong)])

    def running(self):
        return [ve for ve in map(self.site.node.ve, self.uplink) if ve.running]

    def start(self, ctid):
        if not self.site.node.ve(ctid).running:
            self.allowed[ctid] = {self.uplink[ctid]}
        self.site.vzctl.start(ctid)

    def stop(self, ctid):
        self.site.vzctl.stop(ctid)

    def mount(self, ctid):
        self.site.vzctl.mount(ctid)

    def umount(self, ctid):
        self.site.vzctl.umount(ctid)

    def move(self, ctid):
        """Name another uplink in the config; the resync may be a while in coming."""
        self.uplink[ctid] = self.random.choice(NICS[1:])
        self.allowed[ctid].add(self.uplink[ctid])
        self.site.node.write_conf(ctid, pair(ctid), self.uplink[ctid])
        if self.random.random() < 0.7:
            self.resync(ctid)

    def resync(self, ctid):
        """Resync; it ends with 1 for a VE that is cut off since its NIC is down, and for nothing else."""
        done = self.site.vzhooks("resync", rc=None)
        right = not done.returncode or (done.returncode == 1 and "is down" in done.stderr and not all(self.up.values()))
        assert right, "\n".join([*self.trace, done.stderr])
        self.lost, self.unknown, self.allowed = "", set(), {ctid: {nic} for ctid, nic in self.uplink.items()}

    def flap(self, ctid):
        nic = self.uplink[ctid]
        self.up[nic] = not self.up[nic]
        self.site.node.link(nic, self.up[nic])

    def flush_rules(self, ctid):
        self._lose("rules")

    def flush_nft(self, ctid):
        self._lose("nft")

    def _lose(self, layer):
        """Lose one layer, but not both: then nothing is left to hold."""
        if self.lost not in ("", layer):
            self.resync("")
        self.site.flush(layer)
        self.lost = layer

    def ipadd(self, ctid):
        """Add addresses as vzctl does, without a word to us: closed, or by main, until the next resync."""
        ve = self.site.node.ve(ctid)
        for address in second(ctid):
            if ve.running and address not in ve.addresses:
                self.site.vzctl.ipadd(ctid, address)
                self.unknown |= set() if self.closed else {address}

    def ipdel(self, ctid):
        ve = self.site.node.ve(ctid)
        for address in second(ctid):
            if address in ve.addresses:
                self.site.vzctl.ipdel(ctid, address)

    def clone(self, ctid):
        """Start a copy of a running VE's config: refused, whatever uplink it names."""
        if self.site.node.ve(ctid).running:
            self.site.node.write_conf("109", pair(ctid), self.random.choice(NICS[1:]))
            assert self.site.vzctl.start("109").rc != 0


OPERATIONS = [Walk.start, Walk.start, Walk.stop, Walk.mount, Walk.umount, Walk.move, Walk.resync, Walk.flap, Walk.flap,
              Walk.flush_rules, Walk.flush_nft, Walk.ipadd, Walk.ipdel, Walk.clone]


def second(ctid):
    """Return the addresses that a VE of the walk has now and then besides its usual ones."""
    return pair(f"2{ctid[1:]}")


def addresses(ctid):
    """Return all addresses a VE of the walk may have."""
    return (*pair(ctid), *second(ctid))


@pytest.mark.parametrize("reserved", ["", "eth0"], ids=["open", "eth0_reserved"])
def test_no_order_of_events_lets_a_packet_out_by_a_wrong_nic(site, reserved):
    """And when all VEs have stopped, the node is as it was."""
    site.ini(f"[node]\nreserved = {reserved}\n")
    site.node.hn.sysctl("net/ipv6/conf/all/keep_addr_on_down", 1)
    site.vzhooks("harden")
    before = site.state()
    walk = Walk(site, bool(reserved), seed=118)
    for ctid in walk.uplink:
        walk.start(ctid)
    for _ in range(30):
        walk.step()
    for nic in walk.up:
        site.node.link(nic, True)
    for ctid in walk.uplink:
        walk.stop(ctid)
        walk.umount(ctid)
    site.end_announcers()
    assert unordered(site.state()) == unordered(before), "\n".join(walk.trace)
