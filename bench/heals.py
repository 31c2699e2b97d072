# SPDX-License-Identifier: GPL-2.0-or-later
"""How soon a VE has its way again after something was lost: with the daemon, and with a watching script of one's own.

The script is what is found in the field: it runs the hook's recipe again for each line that `ip monitor` prints.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyroute2.netlink.exceptions import NetlinkError

from bench import networkd
from bench.found import Found, Limit, Row
from bench.ground import Given, daemon, in_turns, say
from bench.recipes import ADD, put
from tests.lab import ExampleNode
from tests.resident import until
from tests.site import BEYOND, OWN6, VE101, Site

CTID = "101"
WATCH, NETWORKD, RESIDENT = "ip monitor and bash", "networkd", "vzhooks, daemon"
LINK, RULES = "way back after link-up", "way back after all rules were deleted"
LIMITS = {LINK: 50.0, RULES: 300.0}
OURS = 20  # as often is vzhooks harmed, its rivals less
REST_S = 2.5  # so that no mending is put off for the one before
SCRIPT = f"""#!/bin/bash
export VEID={CTID}
ip -oneline monitor link rule | while read -r line; do {ADD}; done
"""


def measure(given: Given) -> Found:
    """Harm the node again and again, for either of the two that mend it."""
    few, taken = max(given.rounds // 2, 3), {}
    for who, ground in GROUNDS.items():
        say(f"heals: {who}")
        with ExampleNode(rp_filter=1) as node, ground(Site(node)) as site:
            both = {LINK: lambda site=site: {LINK: way_back(site, flap)},
                    RULES: lambda site=site: {RULES: way_back(site, lambda site: site.flush("rules"))}}
            rounds = OURS if who == RESIDENT and few > 3 else few
            taken[who] = in_turns(rounds, {LINK: both[LINK]} if who == NETWORKD else both)
    found = Found([Row("heals", what, "", who, "ms", tuple(taken[who][what]), who == WATCH)
                   for what in LIMITS for who in taken if what in taken[who]])
    found.limits = [Limit(f"{what}, with the daemon, ms", found.row("heals", what, "", RESIDENT).median, bound)
                    for what, bound in LIMITS.items()]
    return found


@contextmanager
def _watched(site: Site) -> Iterator[Site]:
    put(site.node.hn)
    site.ve(CTID)
    site.node.hn.write("/etc/bench.watch", SCRIPT, 0o755)
    site.node.hn.run([ADD], env={"VEID": CTID, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, check=True)
    watcher = site.node.hn.popen(["/etc/bench.watch"], stderr=subprocess.DEVNULL)  # a link that is down takes no route
    yield site
    watcher.kill()


@contextmanager
def _daemon(site: Site) -> Iterator[Site]:
    site.install()
    with daemon(site):
        site.both(CTID, uplink="eth3")
        yield site


@contextmanager
def _networkd(site: Site) -> Iterator[Site]:
    """Let networkd have the way; rules of its own that others delete it does not put back."""
    site.ve(CTID)
    networkd.prepare(site.node.hn, [VE101])
    with networkd.running(site.node.hn, 2):
        yield site


GROUNDS = {WATCH: _watched, **({NETWORKD: _networkd} if networkd.is_here() else {}), RESIDENT: _daemon}


def flap(site: Site) -> None:
    """Take the link away for a second."""
    site.node.link("eth3", False)
    time.sleep(1)
    site.node.link("eth3", True)


def way_back(site: Site, harm: Callable[[Site], object]) -> float:
    """Harm the node; return after how many milliseconds the kernel has a way by eth3 for the VE's packets again."""
    with site.node.hn.ipr() as ipr:
        side, nic = site.node.hn.index("venet0"), site.node.hn.index("eth3")

        def goes() -> bool:
            try:
                return ipr.route("get", dst=BEYOND, src=VE101, iif=side)[0].get("RTA_OIF") == nic
            except NetlinkError:
                return False
        until(goes)
        harm(site)
        took = until(goes) * 1000
    if not site.hn("ip", "-6", "addr", "show", "dev", "eth3", "to", OWN6["eth3"]):
        site.node.add_address("eth3", OWN6["eth3"])
    time.sleep(REST_S)
    return took
