"""Changes of a running VE's addresses where vzctl holds no lock, or more happens meanwhile."""

import fcntl
import json
import os
import signal
import threading
import time
from pathlib import Path

from tests.lab.actions import command
from tests.lab.actions9 import locked
from tests.lab.steps9 import Run
from tests.lab.tap import Tap
from tests.lab.vzctl9 import Vzctl9
from tests.lab.wire import send_udp
from tests.packets import test_live9
from tests.packets.test_live9 import LATER, NEW, built, quiet
from tests.resident import until
from tests.site import CLIENT, VE101
from vzhooks.neighbours import follow
from vzhooks.node import evidence
from vzhooks.node.host import Paths
from vzhooks.policy.records import Expected
from vzhooks.run import reconcile
from vzhooks.run.request import Request

nine = test_live9.nine


class Unlocked(Vzctl9):
    """Act as `vzctl --skiplock` does."""

    def _command(self, ctid, body):
        return command(lambda streams: body(Run(self.node.ve(ctid), streams, streams.err)))


def begun(act, *args, **more):
    """Do what vzctl does in a thread; return the thread."""
    thread = threading.Thread(target=act, args=args, kwargs=more)
    thread.start()
    return thread


def await_closed(site, address):
    deadline = time.monotonic() + 10
    while address not in site.state()["nft"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_ve_that_moves_meanwhile_takes_the_new_address_along():
    site = built(pause=1.5)
    try:
        site.ve("101", uplink="eth3")
        site.end_announcers()
        adding = begun(site.vzctl.ipadd, "101", NEW)
        await_closed(site, NEW)
        site.vzhooks("set", "101", "--uplink", "eth4")
        with site.only_by("eth4", src=NEW) as tap:
            while adding.is_alive():
                send_udp(site.node.ve("101").box, NEW, CLIENT)
                time.sleep(0.02)
            adding.join()
            assert tap.count(outgoing=True, src=NEW, nic="eth4", proto="udp")
    finally:
        site.node.close()


def test_the_end_of_one_change_without_lock_leaves_the_next_one_s_address_closed(nine):
    nine.ve("101", uplink="eth3")
    nine.end_announcers()
    nine.vzctl = Unlocked(nine.node)
    assert nine.vzctl.ipadd("101", NEW).rc == 0
    time.sleep(2)
    nine.vzctl = Unlocked(nine.node, pause=4)
    adding = begun(nine.vzctl.ipadd, "101", LATER)
    try:
        await_closed(nine, LATER)
        with nine.only_by("eth3", src=LATER):
            while adding.is_alive():
                assert LATER in nine.state()["nft"]
                send_udp(nine.node.ve("101").box, LATER, CLIENT)
                time.sleep(0.05)
    finally:
        adding.join()
    nine.leaves_by("101", "eth3", src=LATER)


def test_an_edit_while_a_new_address_is_still_announced_moves_it_too(nine):
    nine.ve("101", uplink="eth3")
    nine.end_announcers()
    assert nine.vzctl.ipadd("101", NEW).rc == 0
    until(lambda: json.loads(nine.node.hn.read("/run/vzhooks/ves.json"))["101"]["expected"] is None)
    with Tap(nine.node.hn, "eth3") as tap:
        until(lambda: tap.find(outgoing=True, proto="arp", src=NEW))
    nine.node.write_conf("101", [VE101, NEW], "eth4")
    nine.vzhooks("resync")
    nine.leaves_by("101", "eth4", src=NEW)


def test_a_ve_destroyed_right_after_leaves_nothing(nine):
    nine.ve("101", uplink="eth3")
    nine.ve("102", uplink="eth4")
    assert nine.vzctl.ipadd("101", NEW).rc == 0
    time.sleep(1)  # so that it is announced when the VE stops
    assert nine.vzctl.stop("101").rc == 0
    nine.node.hn.path("/etc/vz/conf/101.conf").unlink()
    nine.hn("rm", "-r", "/vz/private/101")
    quiet(nine)
    assert [part for part in nine.state().values() if NEW in part] == []


def test_ctrl_c_ends_no_change_of_addresses_in_the_midst(nine):
    nine.ve("101", uplink="eth3")
    nine.end_announcers()
    results = []
    with nine.node.hn.path("/run/vzhooks/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        adding = begun(lambda: results.append(nine.vzctl.ipadd("101", NEW)))
        time.sleep(1)
        for pid in set(nine.node.hn.processes()) - {nine.node.hn.pid}:
            if b"vzhooks.hooks.live" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGINT)
        time.sleep(0.2)
    adding.join()
    assert results[0].rc == 0 and results[0].stderr == ""
    nine.leaves_by("101", "eth3", src=NEW)


def settled_too_early():
    follow.ROUTE_WAIT_S = 0.2
    paths, mine = Paths(), frozenset({NEW})
    reconcile.run(paths, Request(ctids=frozenset({"101"}), expect={"101": Expected(None, (NEW,))}))
    follow.settle(paths, "101", mine, mine, evidence.lock_dirs(paths, {}))


def test_an_address_stays_closed_as_long_as_vzctl_is_at_work(nine):
    """However long: many at once wait for each other in vz-netns_dev_add, and for firewalld."""
    nine.ve("101", uplink="eth3")
    nine.end_announcers()
    with locked(nine.node.hn, "101"):
        nine.node.hn.call(settled_too_early)
        assert NEW in nine.state()["nft"]


def test_an_address_deleted_without_lock_leaves_nothing(nine):
    """Its config is saved some time after the script."""
    nine.ve("101", VE101, NEW, uplink="eth3")
    nine.end_announcers()
    nine.vzctl = Unlocked(nine.node)
    assert nine.vzctl.ipdel("101", NEW).rc == 0
    time.sleep(1)
    nine.node.write_conf("101", [VE101], "eth3")
    quiet(nine)
    assert [part for part in nine.state().values() if NEW in part] == []


def test_an_address_that_another_ve_is_mounted_with_is_refused(nine):
    """OpenVZ's own check finds only what is published; until we know better it would leave by the other's uplink."""
    nine.ve("101", uplink="eth3")
    nine.ve("105")
    nine.node.create_ve("102", [NEW], "eth4")
    assert nine.vzctl.mount("102").rc == 0
    nine.end_announcers()
    refused = nine.vzctl.ipadd("101", NEW)
    assert refused.rc != 0 and f"{NEW} is of VE 102" in refused.stderr
    assert nine.vzctl.ipadd("105", NEW).rc == 0
