# SPDX-License-Identifier: GPL-2.0-or-later
"""What an operator is told about a bad input, and that nobody else is hurt by it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.actions import ACTION_SCRIPT_FAILED, CONF_DIR
from tests.lab.vzctl4 import Vzctl4
from tests.lab.vzctl9 import Vzctl9
from tests.site import Site

VETOES = [vzctl.complaint("mount", f"{CONF_DIR}/vps.mount") for vzctl in (Vzctl4, Vzctl9)]
CONF, INI = "/etc/vz/conf/101.conf", "/etc/vz/vzhooks.ini"
# VE 102 goes by eth4 with an ini and without.
HARDENED = "is hardened: each NIC answers for its own addresses alone"
ETH4 = "[uplink:eth4]\n"
ISP1 = "[uplink:isp1]\ndevice = eth3\n"


def one_line(stderr: str, *parts: str) -> None:
    """Assert that one clear line of ours, with these parts, is all that was said besides vzctl's own.

    The first run that hardens the node says that as well, once.
    """
    lines = matters(stderr)
    assert len(lines) == 1 and lines[0].startswith("vzhooks") and lines[0].isprintable(), stderr
    assert [part for part in parts if part not in lines[0]] == [], lines[0]


def matters(stderr: str) -> list[str]:
    """Return the lines that were said of a matter at hand: not vzctl's own, nor once that the node is hardened."""
    lines = [line for line in stderr.splitlines() if line not in VETOES]
    hardened = [line for line in lines if HARDENED in line]
    assert len(hardened) < 2, stderr
    return [line for line in lines if line not in hardened]


def hook(site: Site, event: str, ctid: str = "101", **variables: str | None) -> subprocess.CompletedProcess[str]:
    """Run a hook script as vzctl does, for its own exit status; a variable of None is left out."""
    env = {**site.vzctl.environment(ctid), **variables}
    return site.node.hn.run([f"{CONF_DIR}/vps.{event}"], env={k: v for k, v in env.items() if v is not None})


def hook_refuses(site: Site, ctid: str, *parts: str) -> None:
    """Assert that the mount hook itself ends with 1, never vzctl's 39, and says one line."""
    direct = hook(site, "mount", ctid)
    assert (direct.returncode, direct.stdout) == (1, "")
    one_line(direct.stderr, *parts)
    assert ctid not in records(site)


def refused(site: Site, ctid: str, *parts: str) -> None:
    """Assert that vzctl's start is refused with one line, and that no note of it is left."""
    result = site.vzctl.start(ctid)
    complaint = site.vzctl.complaint("mount", f"{CONF_DIR}/vps.mount")
    assert result.rc == ACTION_SCRIPT_FAILED and complaint in result.stderr, result
    one_line(result.stderr, *parts)
    assert ctid not in records(site)


def goes_on(site: Site, ctid: str, *parts: str) -> None:
    """Assert that a start succeeds and says one line."""
    result = site.vzctl.start(ctid)
    assert result.rc == 0, result
    one_line(result.stderr, *parts)


def records(site: Site) -> dict[str, object]:
    """Return what vzhooks has noted about VEs."""
    path = "/run/vzhooks/ves.json"
    return json.loads(site.node.hn.read(path)) if site.node.hn.exists(path) else {}


def running(site: Site, ini: str = "") -> Site:
    """Start the VE that must not be hurt, 102 on eth4, under this ini; nothing is left to be done after it."""
    if ini:
        site.ini(ini)
    site.ve("102", uplink="eth4")
    site.end_announcers()
    site.vzhooks("resync", rc=None)
    return site


@contextmanager
def unhurt(site: Site) -> Iterator[None]:
    """Assert that nothing changes for anybody, and that VE 102 still goes its way."""
    before = site.state()
    yield
    assert site.state() == before
    site.leaves_by("102", "eth4")


def use(site: Site, ini: str, *options: str) -> None:
    """Write an ini and bring the node in line with it."""
    if ini:
        site.ini(ini)
        site.vzhooks("resync", *options)


def assert_nothing_executed(site: Site) -> None:
    """Assert that no file stands where a shell's word in a value would have made one."""
    assert not [name for name in ("/x", "/etc/vz/conf/x", "/vz/x") if site.node.hn.exists(name)]
