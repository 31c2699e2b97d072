# SPDX-License-Identifier: GPL-2.0-or-later
"""The stand-in for vzctl 4 does what the real one was seen to do."""

import json
import os
import sys

import pytest

from tests.lab import Vzctl4
from tests.lab.node import CLIENT, MACS
from tests.lab.wire import Tap, ping, who_has

VE1, VE1_6, VE2 = "192.168.18.101", "fd00:18::101", "192.168.18.102"
ALL_MACS = sorted(MACS.values())
HOOKS = [f"{owner}.{action}" for action in ("premount", "mount", "umount", "postumount") for owner in ("vps", "101")]

TRACE = f"""\
#!{sys.executable} -I
import json, os, signal, sys
with open("/vz/trace", "a") as trace:
    try:
        stdin = os.read(0, 1) and "data"
    except OSError as error:
        stdin = error.strerror
    raw = open("/proc/self/environ").read().split("\\0")[:-1]
    fds = {{fd: os.readlink("/proc/self/fd/" + str(fd)) for fd in (0, 3, 4)}}
    open_fds = [int(fd) for fd in os.listdir("/proc/self/fd") if int(fd) > 4 and int(fd) != trace.fileno()]
    open_fds = [fd for fd in open_fds if os.path.exists("/proc/self/fd/" + str(fd))]
    ignored = int([l for l in open("/proc/self/status") if l.startswith("SigIgn")][0].split()[1], 16)
    json.dump(dict(name=sys.argv[0], argv=sys.argv, env=raw, stdin=stdin, fds=fds, more=open_fds, cwd=os.getcwd(),
                   sigpipe=bool(ignored >> (signal.SIGPIPE - 1) & 1), lock=os.path.exists("/vz/lock/101.lck"),
                   routed=os.system("grep -q 6512A8C0 /proc/net/route") == 0,
                   mounted=" /vz/root/101 " in open("/proc/mounts").read()), trace)
    trace.write("\\n")
print("hook talks")
"""


def trace_hooks(node, names=HOOKS):
    for name in names:
        node.hn.write(f"/etc/vz/conf/{name}", TRACE, 0o755)


def traces(node):
    """Return what the tracing hooks wrote, and forget it."""
    if not node.hn.exists("/vz/trace"):
        return []
    lines = node.hn.read("/vz/trace").splitlines()
    node.hn.path("/vz/trace").unlink()
    return [json.loads(line) for line in lines]


def names(records):
    return [record["name"].rpartition("/")[2] for record in records]


def test_start_publishes_announces_and_routes(node):
    """A start puts a proxy on, and an announcement out of, every NIC, then route and veip; a stop takes all back."""
    vzctl = Vzctl4(node)
    with Tap(node.client) as tap:
        vzctl.add_ve("101", VE1, VE1_6)
    assert {frame.src_mac for frame in tap.find(proto="arp", src=VE1, dst=VE1)} == set(ALL_MACS)
    assert {frame.src_mac for frame in tap.find(info=f"advert {VE1_6}")} == set(ALL_MACS)
    assert node.hn.read("/var/lib/vzctl/veip/101").split() == [VE1, VE1_6]
    assert vzctl.ipadd("101", VE2, save=True).rc == 0
    assert f'IP_ADDRESS="{VE1} {VE1_6} {VE2}"' in node.hn.read("/etc/vz/conf/101.conf")
    assert ping(node.client, VE2) == 1
    assert vzctl.ipdel("101", VE2, save=True).rc == 0
    assert ping(node.client, VE2, timeout=0.05) == 0
    assert vzctl.stop("101").rc == 0
    assert not node.hn.exists("/var/lib/vzctl/veip/101")
    assert VE1 not in node.hn.run(["cat", "/proc/net/route"]).stdout
    assert who_has(node.client, "eth0", VE1, CLIENT, wait=0.1) == []


def test_a_route_in_any_table_keeps_vzctl_from_adding_its_own(node):
    """The table-all trap: the VE starts with status 0 and main has no route to it."""
    node.add_route(f"{VE1}/32", oif="venet0", table=1003)
    Vzctl4(node).add_ve("101", VE1, VE2)
    assert "6512A8C0" not in node.hn.run(["cat", "/proc/net/route"]).stdout
    assert "6612A8C0" in node.hn.run(["cat", "/proc/net/route"]).stdout


def test_hooks_get_what_vzctl_gives(node):
    """Order, environment (PATH twice), stdin, leaked descriptors, SIGPIPE, lock and directory are vzctl 4's."""
    node.create_ve("101", [VE1])
    trace_hooks(node)
    vzctl = Vzctl4(node)
    started = vzctl.start("101")
    assert started.rc == 0 and started.stdout == "hook talks\n" * 4
    begun = traces(node)
    assert names(begun) == ["vps.premount", "101.premount", "vps.mount", "101.mount"]
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    for record in begun:
        assert record["env"] == ["HOME=/", "TERM=linux", path, "VEID=101", "VE_CONFFILE=/etc/vz/conf/101.conf", path]
        assert record["stdin"] == "Bad file descriptor" and record["argv"] == [record["name"]]
        assert record["fds"] == {"0": "/dev/null", "3": "/var/log/vzctl.log", "4": "/dev/null"} and record["more"] == []
        assert record["sigpipe"] and record["lock"] and not record["routed"] and record["cwd"] == os.getcwd()
    assert [record["mounted"] for record in begun] == [False, False, True, True]
    assert vzctl.stop("101").rc == 0
    ended = traces(node)
    assert names(ended) == ["101.umount", "vps.umount", "101.postumount", "vps.postumount"]
    assert [record["mounted"] for record in ended] == [True, True, False, False]
    assert not any(record["routed"] for record in ended)


@pytest.mark.parametrize("body", ["#!/bin/sh\nexit 3\n", "#!/no/interpreter\n", "#!/bin/sh\nkill -9 $$\n"])
def test_a_failing_mount_hook_vetoes_the_start(node, body):
    """Status 79, nothing mounted, no network, no umount hook."""
    node.create_ve("101", [VE1])
    trace_hooks(node, ["vps.umount", "vps.postumount"])
    node.hn.write("/etc/vz/conf/vps.mount", body, 0o755)
    result = Vzctl4(node).start("101")
    assert result.rc == 79 and "Error executing mount script /etc/vz/conf/vps.mount" in result.stderr
    assert traces(node) == [] and not node.ve("101").running
    assert "/vz/root/101" not in node.hn.run(["cat", "/proc/mounts"]).stdout


def test_a_failing_umount_hook_leaves_the_ve_mounted(node):
    """Stopped with status 79; the next start skips the mount hooks as long as umount fails."""
    vzctl = Vzctl4(node)
    vzctl.add_ve("101", VE1)
    trace_hooks(node, ["vps.mount", "vps.umount"])
    node.hn.write("/etc/vz/conf/101.umount", "#!/bin/sh\nexit 1\n", 0o755)
    assert vzctl.stop("101").rc == 79 and not node.ve("101").running
    assert vzctl.start("101").rc == 0 and traces(node) == []
    node.hn.path("/etc/vz/conf/101.umount").unlink()
    assert vzctl.restart("101").rc == 0 and names(traces(node)) == ["vps.umount", "vps.mount"]


def test_statuses_and_windows(node):
    """Repeated commands end as vzctl's do; the pauses fall between hooks and network."""
    node.create_ve("101", [VE1])
    vzctl = Vzctl4(node)
    seen = []
    locked = []

    def look():
        seen.append(VE1 in node.hn.run(["cat", "/var/lib/vzctl/veip/101"]).stdout)
        locked.append(vzctl.start("101").rc)

    assert vzctl.mount("101").rc == vzctl.mount("101").rc == 0
    assert vzctl.umount("101").rc == 0 and vzctl.umount("101").rc == 40
    assert vzctl.start("101", before_network=look).rc == 0 and vzctl.start("101").rc == 32
    assert vzctl.umount("101").rc == 32
    assert vzctl.stop("101", before_umount=look, before_network=look).rc == 0 and vzctl.stop("101").rc == 0
    assert seen == [False, True, False] and locked == [9, 9, 9]
