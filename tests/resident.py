# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon on the example node, for tests that need it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.site import Site

SOCKET, LOG = "/run/vzhooks/daemon.sock", "/run/daemon.log"
LONGEST_S = 20.0


def until(holds: Callable[[], object], within: float = LONGEST_S) -> float:
    """Wait until a condition holds; return how long that took, and fail where it never does."""
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < within, "it never holds"
        time.sleep(0.005)
    return time.monotonic() - start


class Resident:
    """Hold a daemon that runs on a site."""

    def __init__(self, site: Site, command: Sequence[str] = (sys.executable, "-I", "-m", "vzhooks", "daemon")) -> None:
        self.site = site
        self.log = open(site.node.hn.path(LOG), "a+")  # noqa: SIM115
        self.process: subprocess.Popen[str] = site.node.hn.popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)
        site.daemons.add(self.process.pid)

    def ready(self) -> Resident:
        """Wait until it answers and has looked at the node once."""
        until(lambda: self.process.poll() is not None or self.answers())
        assert self.process.poll() is None, self.said()
        return self

    def answers(self) -> bool:
        """Tell whether it answers."""
        code = ("import sys; from vzhooks import __version__; from vzhooks.ask import command; "
                "sys.exit(command.hello(__version__) is None)")
        return self.site.node.hn.run([sys.executable, "-I", "-c", code]).returncode == 0

    def said(self) -> str:
        """Return what it said on stderr so far."""
        return self.site.node.hn.read(LOG)

    def signal(self, number: int) -> None:
        """Send the daemon a signal."""
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """Kill it, as a crash would."""
        self.signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """End it in order."""
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            self.process.wait(timeout=LONGEST_S)
        self.log.close()


@contextmanager
def resident(site: Site) -> Iterator[Resident]:
    """Run the daemon on a site; it must not have met an error of its own."""
    daemon = Resident(site)
    try:
        yield daemon.ready()
    finally:
        daemon.close()
    assert "internal error" not in daemon.said() and "Traceback" not in daemon.said(), daemon.said()


def quiet(site: Site) -> None:
    """Wait until nothing is due any more; fail with what is."""
    start = time.monotonic()
    while due := site.vzhooks("resync", "--dry-run", rc=None).stdout:
        assert time.monotonic() - start < LONGEST_S, due


@contextmanager
def resident_of_two(site: Site, ini: str) -> Iterator[Resident]:
    """Run the daemon beside VE 101 by isp1 and VE 102 by isp2, until it has nothing more to do."""
    site.ini(ini)
    with resident(site) as daemon:
        site.both("101", uplink="isp1")
        site.both("102", uplink="isp2")
        quiet(site)
        yield daemon
