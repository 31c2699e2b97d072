# SPDX-License-Identifier: GPL-2.0-or-later
"""Whoever is stopped while he holds the lock is named, and waited for a short while only: nobody leaks meanwhile."""

import os
import signal
import subprocess
import sys

import pytest

from tests.resident import quiet, resident, until
from tests.site import pair
from tests.told import matters, records

pytestmark = pytest.mark.generation(4)  # the lock is the same on both

VZHOOKS = [sys.executable, "-I", "-m", "vzhooks"]
NFT = '#!/bin/sh\n[ "$1" != -f ] || ! rm /vz/stop 2>/dev/null || kill -STOP $PPID\nexec /usr/sbin/nft.real "$@"\n'
# In the foreground of a job of its own, or Ctrl-Z does nothing.
JOB = "import os, sys; os.setpgid(0, 0); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"


@pytest.fixture
def stopper(site):
    """A node where whoever changes the guard once /vz/stop is there is stopped in the midst of it, with the lock."""
    site.hn("mv", "/usr/sbin/nft", "/usr/sbin/nft.real")
    site.node.hn.write("/usr/sbin/nft", NFT, 0o755)
    return site


def is_stopped(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "T"


def start_hook(site, ctid):
    return site.node.hn.popen(["/etc/vz/conf/vps.mount"], env=site.vzctl.environment(ctid), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_a_daemon_stopped_with_the_lock_refuses_starts_by_a_line_that_names_it(stopper):
    site = stopper
    with resident(site) as daemon:
        site.both("101", uplink="eth3")
        quiet(site)
        site.node.hn.write("/vz/stop", "")
        site.flush("nft")
        until(lambda: is_stopped(daemon.process.pid))
        for ctid, uplink in (("103", "eth4"), ("105", None)):
            site.node.create_ve(ctid, pair(ctid), uplink)
        hooks = [start_hook(site, ctid) for ctid in ("103", "105")]
        said = [hook.communicate(timeout=30)[0] for hook in hooks]
        assert [hook.returncode for hook in hooks] == [1, 0]
        who = f"lock: held by vzhooks daemon (pid {daemon.process.pid}, stopped); let it go on by `kill -CONT"
        for text, verdict in zip(said, ("start refused", "not hindered")):
            assert len(matters(text)) == 1 and verdict in text and who in text, text
        assert "103" not in records(site)
        with site.only_by("eth3"):
            site.leaves_by("101", "eth3")
        daemon.signal(signal.SIGCONT)
        quiet(site)
        assert site.vzctl.start("103").rc == 0
        site.leaves_by("103", "eth4")


def test_the_daemon_says_who_is_stopped_and_mends_the_node_after_that(stopper):
    site = stopper
    site.both("101", uplink="eth3")
    site.end_announcers()
    site.flush("nft")
    site.node.hn.write("/vz/stop", "")
    command = site.node.hn.popen([*VZHOOKS, "resync"], stdout=subprocess.PIPE)
    until(lambda: is_stopped(command.pid))
    with resident(site) as daemon:
        until(lambda: "held by" in daemon.said())
        assert daemon.answers()
        site.flush("rules")
        os.kill(command.pid, signal.SIGCONT)
        command.communicate(timeout=30)
        quiet(site)
        site.leaves_by("101", "eth3")
        assert [line for line in daemon.said().splitlines() if "held by" in line] == [
            f"vzhooks: daemon: /run/vzhooks/lock: held by vzhooks resync (pid {command.pid}, stopped); "
            f"let it go on by `kill -CONT {command.pid}`, or end it"]


def test_a_ctrl_z_stops_a_command_after_its_last_change(site):
    site.both("101", uplink="eth3")
    site.end_announcers()
    site.flush("rules")
    command = site.node.hn.popen([sys.executable, "-I", "-c", JOB, *VZHOOKS[1:], "-v", "resync"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert command.stderr.readline()  # it makes its changes, and holds the lock
    command.send_signal(signal.SIGTSTP)
    until(lambda: is_stopped(command.pid))
    site.settled()
    site.leaves_by("101", "eth3")
    command.send_signal(signal.SIGCONT)
    assert command.communicate(timeout=30) and command.returncode == 0
