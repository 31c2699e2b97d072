"""What the stand-in of OpenVZ 9 does with the statuses of scripts, with locks and with ids."""

import os
import threading

import pytest

from tests.lab import Vzctl9
from tests.lab_selftest import test_vzctl9
from tests.lab_selftest.test_vzctl9 import (
    CONF,
    MOUNTING,
    NETWORK,
    SCRIPTS,
    UUID,
    VE1,
    is_mounted,
    order,
    own_hook,
    trace,
    traces,
)

_node, vzctl = test_vzctl9._node, test_vzctl9.vzctl


@pytest.mark.parametrize(("action", "body", "rc", "mounted", "ran"), [
    ("premount", "exit 3", 79, False, ["vps.premount"]),
    ("premount", "exit 39", 0, False, ["vps.premount", "vps.mount", "ct.mount", *NETWORK]),
    ("mount", "exit 1", 79, False, MOUNTING[:3]),
    ("mount", "kill -9 $$", 79, False, MOUNTING[:3]),
    ("mount", "exit 39", 39, False, MOUNTING[:3]),
])
def test_statuses_of_mount_hooks(node, vzctl, action, body, rc, mounted, ran):
    """A veto runs no umount hook; 39 skips the mount, or the start."""
    own_hook(node, action, body)
    result = vzctl.start("101")
    assert result.rc == rc and ("Error on executing" in result.stderr) == (rc == 79)
    assert [name for name in order(node) if name != f"ct.{action}"] == [n for n in ran if n != f"ct.{action}"]
    assert is_mounted(node) == mounted
    assert node.ve("101").running == (rc == 0)


@pytest.mark.parametrize(("folder", "status", "rc"), [
    ("/vz/private/101/scripts/", 1, 79), ("/etc/vz/conf/vps.", 1, 79), ("/etc/vz/conf/vps.", 39, 39),
])
def test_a_failing_umount_hook_leaves_the_ve_mounted_and_hinders_its_next_start(node, vzctl, folder, status, rc):
    """Of several that return 39 the last one counts."""
    vzctl.start("101")
    own_hook(node, "umount", f"exit {status}", folder)
    traces(node)
    assert vzctl.stop("101").rc == rc and not node.ve("101").running
    assert order(node)[-1] == "vz-stop" and is_mounted(node)
    assert vzctl.start("101").rc == rc and not node.ve("101").running
    own_hook(node, "umount", "", folder)
    assert vzctl.start("101").rc == 0


@pytest.mark.parametrize(("script", "status", "rc", "mounted"), [
    ("vz-start", 1, 79, True), ("vz-netns_dev_add", 5, 136, False), ("vz-netns_dev_add", 78, 78, False),
    ("vz-stop", 1, 0, True), ("vz-setrate", 1, 0, True),
])
def test_statuses_of_scripts(node, vzctl, script, status, rc, mounted):
    """What stands in script.d replaces the script; one that fails late is unmounted, one in vz-start stays."""
    node.hn.write(f"{SCRIPTS}/script.d/{script}", f"#!/bin/sh\nexit {status}\n", 0o755)
    assert vzctl.start("101").rc == rc
    assert is_mounted(node) == mounted
    assert node.ve("101").running == (rc == 0)


def test_locks(node, vzctl):
    """A second vzctl waits in vain; the config's lock is free while scripts run."""
    seen = []

    def look():
        seen.append(vzctl.stop("101").rc)
        seen.append(node.hn.run(["flock", "-n", "-s", "/var/vz/101.conf.lck", "true"]).returncode)
        seen.append(node.hn.read("/vz/lock/101.lck").strip() == str(os.getpid()))

    assert vzctl.start("101", before_network=look).rc == 0 and vzctl.start("101").rc == 32
    assert vzctl.stop("101", before_umount=look, before_network=look).rc == 0
    assert seen == [9, 0, True] * 3 and not node.hn.exists("/vz/lock/101.lck")
    vzctl.lock_wait_s = 10
    results = []
    threads = [threading.Thread(target=lambda: results.append(vzctl.mount("101").rc)) for _ in range(2)]
    [thread.start() for thread in threads] and [thread.join() for thread in threads]
    assert results == [0, 0]


def test_ids_may_be_uuids_with_their_case_kept(node):
    node.create_ve(UUID, [VE1])
    trace(node, UUID)
    vzctl = Vzctl9(node)
    assert vzctl.start(UUID).rc == vzctl.stop(UUID).rc == 0
    assert {next(w for w in record["env"] if w.startswith("VEID=")) for record in traces(node)} == {f"VEID={UUID}"}
    assert node.hn.exists(f"/var/vz/veip/{UUID}") and node.hn.exists(f"{CONF}/{UUID}.conf")
