# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing that the daemon does goes by the time of day, which may jump: it goes by the seconds since boot."""

import sys
import time

import pytest

from tests.datapaths import is_ruled
from tests.deaf import deaf, neighbours_of
from tests.lab.node import MACS
from tests.packets.test_backup import exits
from tests.resident import Resident, quiet, until
from tests.site import VE101, pair

pytestmark = pytest.mark.generation(4)

# The time of day jumps a year ahead, back and behind, each time that anybody asks for it; the kernel keeps only one for
# the whole machine.
JUMPS = """
import itertools, runpy, sys, time
true, gettime, years = time.time, time.clock_gettime, itertools.cycle((31536000, 0, -31536000))
time.time = lambda: true() + next(years)
time.time_ns = lambda: int(time.time() * 1e9)
time.clock_gettime = lambda clock: time.time() if clock == time.CLOCK_REALTIME else gettime(clock)
sys.argv = ["vzhooks", "daemon"]
runpy.run_module("vzhooks", run_name="__main__")
"""
INI = """[uplink:isp1]
device = eth3
backup = isp2
probe = gateway
probe_interval = 200ms
probe_fail = 2
hold_down = 2s
[uplink:isp2]
device = eth4
"""


@pytest.fixture
def jumping(site):
    """VE 101 runs by isp1 beside a daemon for which the time of day jumps."""
    site.ini(INI)
    daemon = Resident(site, [sys.executable, "-I", "-c", JUMPS])
    try:
        daemon.ready()
        site.both("101", uplink="isp1")
        quiet(site)
        yield site
        assert "internal error" not in daemon.said() and "Traceback" not in daemon.said(), daemon.said()
    finally:
        daemon.close()


def test_probes_hold_down_and_mending_go_on(jumping):
    site = jumping
    with site.only_by("eth3", "eth4"):
        with deaf(site.node.client, neighbours_of(MACS["eth3"])):
            until(lambda: exits(site) == {"eth4"})
            site.comes_by("eth4", *pair("101"))
        answered = time.monotonic()
        until(lambda: exits(site) == {"eth3"})
        assert time.monotonic() - answered > 2
        site.comes_by("eth3", *pair("101"))
        for _ in range(3):
            site.flush("rules")
            until(lambda: is_ruled(site, VE101))
    quiet(site)
    site.leaves_by("101", "eth3")


def test_a_trial_ends_when_its_seconds_are_over(jumping):
    site = jumping
    site.vzhooks("set", "101", "--uplink", "isp2")
    site.node.hn.write("/vz/new.ini", INI + "[uplink:isp3]\ndevice = eth4\n")
    began = time.monotonic()
    site.vzhooks("resync", "--confirm", "3", "--ini", "/vz/new.ini")
    until(lambda: "isp3" not in site.vzhooks("status", rc=None).stdout)
    assert 3 <= time.monotonic() - began < 20
    assert not site.node.hn.exists("/var/lib/vzhooks/trial.json")
