# SPDX-License-Identifier: GPL-2.0-or-later
"""The node with a vzctl of a test's own and the wrapper in front of it."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager

CONF = "/etc/vz/conf/101.conf"
WRAPPER = "/usr/local/sbin/vzctl"
NEW = "192.168.18.150"
ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
# Notes its words and what happens to it; waits until it is told how to end.
WAITS = """\
trap 'echo TERM >> /run/vz/signals; exit 15' TERM
trap 'echo INT >> /run/vz/signals; exit 2' INT
: > /run/vz/started
until [ -e /run/vz/end ]; do sleep 0.01; done
. /run/vz/end
"""


class Wrapped:
    """Hold the site with a vzctl of its own and the wrapper in front of it."""

    def __init__(self, site):
        self.site, self.hn = site, site.node.hn
        self.real("exit 0")
        self.hn.write("/run/vz/none", "")
        site.vzhooks("install", "--vzctl-wrapper")

    def real(self, acts):
        self.hn.write("/usr/sbin/vzctl", f"#!/bin/sh\nprintf '%s\\0' \"$@\" > /run/vz/argv\n{acts}\n", 0o755)

    def argv(self):
        """Return what the real vzctl was called with since the last look, None where it was not."""
        try:
            return self.hn.path("/run/vz/argv").read_bytes().decode().split("\0")[:-1]
        except FileNotFoundError:
            return None
        finally:
            self.hn.path("/run/vz/argv").unlink(missing_ok=True)

    def popen(self, *words, **options):
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return self.hn.popen(["vzctl", *words], env=ENV, **{**streams, **options})

    def run(self, *words, rc=0, says="", **options):
        """Run vzctl as an operator does; assert its exit status and that one line at most says so."""
        child = self.popen(*words, **options)
        out, err = child.communicate(timeout=30)
        assert child.returncode == rc, (child.returncode, out, err)
        assert says in (err or "") and "Traceback" not in (err or ""), err
        return out, err

    @contextmanager
    def at_work(self, *words, rc=0):
        """Run vzctl; the block is while the real one is at work, and ends it by `self.end`."""
        self.real(WAITS)
        child = self.popen(*words)
        try:
            await_file(self.hn, "/run/vz/started", child)
            yield child
            out, err = child.communicate(timeout=30)
            assert child.returncode == rc and "Traceback" not in err, (child.returncode, out, err)
            child.said = err
        finally:
            self.end()
            child.kill()

    def end(self, how="exit 0"):
        if not self.hn.exists("/run/vz/end"):
            self.hn.write("/run/vz/end.new", how)
            self.hn.path("/run/vz/end.new").rename(self.hn.path("/run/vz/end"))


def await_file(hn, path, child):
    deadline = time.monotonic() + 20
    while not hn.exists(path):
        assert time.monotonic() < deadline and child.poll() is None, child.communicate()
        time.sleep(0.01)


def state(wrapped):
    return wrapped.site.state(), wrapped.hn.read(CONF)
