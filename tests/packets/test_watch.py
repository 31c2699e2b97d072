# SPDX-License-Identifier: GPL-2.0-or-later
"""`vzhooks status --watch` says what happens as it happens, and ends when nobody looks any more."""

import contextlib
import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import termios

import pytest

from tests.resident import resident, until
from tests.site import VE101, pair

pytestmark = pytest.mark.generation(4)  # what is said is the same on both
INI = "[uplink:isp1]\ndevice = eth3\nbackup = isp2\n[uplink:isp2]\ndevice = eth4\n"


# The command as it is, but that it never looks at the node by a clock.
TOLD = ("-c", "import runpy; from vzhooks.cli import watching; watching.LOOK_S = 3600.0; "
              "runpy.run_module('vzhooks', run_name='__main__')")


class Follower:
    """Hold a command that goes on, and what it has shown so far."""

    def __init__(self, site, *args, width=None, by=("-m", "vzhooks")):
        self.text = ""
        self._line, theirs = os.openpty() if width else os.pipe()
        if width:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        self.process = site.node.hn.popen([sys.executable, "-I", *by, "status", "--watch", *args],
                                          stdout=theirs, stderr=subprocess.PIPE,
                                          env={"PATH": os.environ["PATH"], "TERM": "xterm"})
        os.close(theirs)
        os.set_blocking(self._line, False)

    def shows(self, pattern):
        """Tell whether what it shows by now matches."""
        with contextlib.suppress(BlockingIOError, OSError):
            while data := os.read(self._line, 65536):
                self.text += data.decode()
        return re.search(pattern, self.text, re.MULTILINE)

    def leave(self):
        """Look away for good."""
        os.close(self._line)

    def ends(self, number=None):
        """Return exit status and complaints, after a signal if any."""
        if number:
            self.process.send_signal(number)
        said = self.process.communicate(timeout=20)[1]
        return self.process.returncode, said


@pytest.fixture
def followed(site):
    site.ini(INI)
    site.ve("101", VE101, uplink="isp1", extra='NAME="web one"')
    site.end_announcers()
    site.vzhooks("resync")
    return site


def test_without_the_daemon_it_looks_itself_as_the_kernel_tells_of_changes(followed):
    watch = Follower(followed, by=TOLD)
    until(lambda: watch.shows(rf"^101 +web one +{VE101} +isp1 "))
    followed.node.link("eth3", up=False)
    until(lambda: watch.shows(r"^\d\d:\d\d:\d\d uplink isp1: ok -> down: eth3 is down; isp2 stands in$"))
    followed.vzhooks("resync")
    until(lambda: watch.shows(r"^\d\d:\d\d:\d\d VE 101 \(web one\): .*backup by eth4: eth3 is down$"))
    followed.vzctl.stop("101")
    until(lambda: watch.shows(r"^\d\d:\d\d:\d\d VE 101: stopped$"))
    assert "\x1b" not in watch.text and "\r" not in watch.text and "bit/s" not in watch.text
    assert watch.ends(signal.SIGINT) == (0, "")


def test_with_the_daemon_it_says_what_was_mended_and_on_a_terminal_what_flows(site):
    site.ini(INI)
    with resident(site):
        site.both("101", uplink="isp1")
        until(lambda: site.vzhooks("resync", "--dry-run", rc=None).stdout == "")
        watch = Follower(site, width=60)
        until(lambda: watch.shows(r"\risp1 in [\d.]+ k?bit/s out [\d.]+ k?bit/s   isp2 in "))
        site.flush("rules")
        until(lambda: watch.shows(r"(^|\r)\d\d:\d\d:\d\d daemon: mended \d+ rules"))
        assert max(len(part) for part in re.split(r"[\r\n]+", watch.text) if "bit/s" in part) < 60
        assert watch.ends(signal.SIGINT) == (0, "")
        assert watch.shows("\r +\r$")
    site.leaves_by("101", "eth3", src=pair("101")[0])


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_another_signal_ends_it_with_its_status(followed, number, status):
    watch = Follower(followed)
    until(lambda: watch.shows("^101 "))
    assert watch.ends(number) == (status, "")


def test_it_ends_when_nobody_reads_any_more(followed):
    watch = Follower(followed)
    until(lambda: watch.shows("^101 "))
    watch.leave()
    assert watch.ends() == (0, "")
