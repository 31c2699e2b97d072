# SPDX-License-Identifier: GPL-2.0-or-later
"""Under a systemd that really runs: the daemon comes by its units, comes again, and goes first at boot."""


import pytest

from tests import booted as systemd
from tests.resident import quiet, until

pytestmark = [pytest.mark.generation(4), pytest.mark.skipif(bool(systemd.missing()), reason=systemd.missing())]
SERVICE = "vzhooks.service"


@pytest.fixture
def site(bare):
    """A node before vzhooks is installed, and before systemd runs."""
    systemd.clear(bare)
    return bare


def pid(node):
    """Return the process id of the daemon once systemd takes it for ready, "" before."""
    state, found = node.show(SERVICE, "ActiveState", "MainPID")
    return found if state == "active" else ""


def another(node, former):
    """Wait for a daemon that is another one than before; return its process id."""
    until(lambda: pid(node) not in ("", former))
    return pid(node)


def test_install_starts_it_a_hook_wakes_it_and_an_upgrade_restarts_it(site):
    with systemd.booted(site) as node:
        assert f"started {SERVICE}" in node.vzhooks("install")
        first = pid(node)
        assert first and node.systemctl("is-enabled", SERVICE, "vzhooks.socket") == "enabled\nenabled"
        site.both("101", uplink="eth3")
        site.leaves_by("101", "eth3")
        node.systemctl("stop", SERVICE)
        assert pid(node) == ""
        site.both("102", uplink="eth4")
        second = another(node, first)
        site.leaves_by("102", "eth4")
        quiet(site)
        before = site.state()
        script = site.node.hn.read("/etc/vz/conf/vps.mount")
        site.node.hn.write("/etc/vz/conf/vps.mount", script.replace("status", "state"), 0o755)
        with site.only_by("eth3"):
            assert f"started {SERVICE}" in node.vzhooks("install")
            another(node, second)
            assert site.ping("101") == 3
        assert site.state() == before
        site.stop("101", "102")
        assert f"stopped {SERVICE}" in node.vzhooks("uninstall")
        assert node.show(SERVICE, "LoadState", "ActiveState") == ["not-found", "inactive"]


def test_at_boot_rules_come_before_ves_and_a_daemon_that_hangs_comes_again(site):
    site.install()
    site.vzhooks("harden")
    site.flush("rules")
    site.node.hn.write(f"{systemd.UNITS}/{SERVICE}.d/soon.conf", "[Service]\nWatchdogSec=2\n")
    with systemd.booted(site) as node:
        assert "192.168.18.11" in site.node.hn.read("/vz/rules-at-start")
        (ended,), (began,) = (node.show("vzhooks-boot.service", "ExecMainExitTimestampMonotonic"),
                              node.show("vz.service", "ExecMainStartTimestampMonotonic"))
        assert 0 < int(ended) <= int(began)
        site.both("101", uplink="eth3")
        first = pid(node)
        quiet(site)
        before = site.state()
        assert node.run("systemctl", "reload", SERVICE).returncode == 0 and pid(node) == first
        node.run("kill", "-STOP", first)
        another(node, first)
        assert node.show(SERVICE, "NRestarts") == ["1"] and site.state() == before
        site.leaves_by("101", "eth3")
