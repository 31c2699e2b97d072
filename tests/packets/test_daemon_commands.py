"""A command says the same whether the daemon carries it out or it does so by itself."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.resident import Resident, quiet, resident, until
from tests.site import Site, pair
from tests.told import one_line

pytestmark = pytest.mark.generation(4)

COMMANDS = ("resync --dry-run", "resync", "status", "status --json", "status 101", "route 101 192.168.18.129",
            "route 102 fd00:18::129", "set 101 --uplink eth4", "set 101 --uplink eth3", "resync 999", "resync ../x",
            "route 101 nowhere", "set 101 --uplink eth9", "set 101", "status --frob", "-v resync 101", "route 109 ::1")


def said(site, command):
    """Run a command; return what it says but for times, and for what is told of the daemon alone."""
    done = site.vzhooks(*command.split(), rc=None)
    text = re.sub(r"in \d+ ms|daemon: pid.*\n", "", done.stdout + done.stderr)
    text = re.sub(r'"daemon": (null|\{[^}]*\})|"since_s": \d+| \d+s ', "", text)
    return done.returncode, text.split()


def test_all_commands_say_the_same_with_the_daemon(site):
    site.both("101", uplink="eth3")
    site.both("102", uplink="eth4")
    site.end_announcers()
    site.vzhooks("resync")
    alone = [said(site, command) for command in COMMANDS]
    with resident(site):
        until(lambda: "daemon: pid" in site.vzhooks("status").stdout)
        for command, found in zip(COMMANDS, alone):
            assert said(site, command) == found, command


def waiting(site, daemon, seconds):
    """Let somebody hold the lock so long, and a resync by the daemon wait for it; return both processes."""
    holder = site.node.hn.popen(["flock", "-F", "/run/vzhooks/lock", "sleep", seconds])
    command = site.node.hn.popen([sys.executable, "-I", "-m", "vzhooks", "resync"], stdout=-1, stderr=-1)
    until(lambda: len(children(daemon)) == 1)
    return holder, command


def test_a_command_whose_daemon_dies_ends_all_the_same(site):
    site.both("101", uplink="eth3")
    with resident(site) as daemon:
        idle(site, daemon)
        holder, command = waiting(site, daemon, "1")
        daemon.kill()
        out, err = command.communicate(timeout=30)
        holder.wait()
        assert (command.returncode, out) == (0, ""), err
        one_line(err, "no changes made")


def idle(site: Site, daemon: Resident) -> None:
    """Wait until nothing is due and nobody works for the daemon, as the last command's child may still do."""
    quiet(site)
    until(lambda: children(daemon) == [])


def children(daemon: Resident) -> list[str]:
    """Return the process ids of those that carry out commands for it: each leads a session, no nft(8) does."""
    with open(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children", encoding="ascii") as file:
        found = file.read().split()
    return [pid for pid in found if _session(int(pid)) == int(pid)]


def _session(pid: int) -> int:
    with suppress(ProcessLookupError):
        return os.getsid(pid)
    return 0


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_as_if_it_were_alone(site, number, status):
    site.both("101", uplink="eth3")
    with resident(site) as daemon:
        idle(site, daemon)
        holder, command = waiting(site, daemon, "60")
        command.send_signal(number)
        out, err = command.communicate(timeout=30)
        holder.kill()
        assert command.returncode in (status, -number if number == signal.SIGTERM else status) and out == "", err
        until(lambda: children(daemon) == [])


# Whatever it forks gets a Ctrl-C before its first step.
BORN_STRUCK = """
import os, runpy, signal, sys
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGINT))
sys.argv = ["vzhooks", "daemon"]
runpy.run_module("vzhooks", run_name="__main__")
"""


def test_a_signal_for_a_command_just_begun_does_not_end_the_daemon(site):
    daemon = Resident(site, [sys.executable, "-I", "-c", BORN_STRUCK]).ready()
    try:
        for _ in range(3):
            done = site.vzhooks("resync", rc=130)
            assert (done.stdout, done.stderr) == ("", "vzhooks: interrupted, nothing was changed\n")
        assert daemon.answers()
    finally:
        daemon.close()


def test_a_daemon_that_ends_has_commands_end_in_order(site):
    with resident(site) as daemon:
        site.both("101", uplink="eth3")
        idle(site, daemon)
        holder, command = waiting(site, daemon, "60")
        daemon.close()
        out, err = command.communicate(timeout=30)
        holder.kill()
        assert (command.returncode, out, err) == (130, "", "vzhooks: interrupted, nothing was changed\n")


def test_hooks_wait_for_a_lock_that_others_hold_and_keep_the_daemon_free(site):
    with resident(site) as daemon:
        site.both("102", uplink="eth4")
        idle(site, daemon)
        holder = site.node.hn.popen(["flock", "-F", "/run/vzhooks/lock", "sleep", "60"])
        site.node.create_ve("101", pair("101"), "eth3")
        hook = site.node.hn.popen(["/etc/vz/conf/vps.mount"], env=site.vzctl.environment("101"), stdin=-3, stdout=-1,
                                  stderr=subprocess.STDOUT)
        with pytest.raises(subprocess.TimeoutExpired):
            hook.wait(timeout=0.5)
        assert daemon.answers()
        holder.kill()
        assert (hook.communicate(timeout=30)[0], hook.returncode) == ("", 0)
