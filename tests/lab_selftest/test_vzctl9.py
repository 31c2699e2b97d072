# SPDX-License-Identifier: GPL-2.0-or-later
"""The stand-in for OpenVZ 9 calls scripts in libvzctl's order, with its environment, descriptors and statuses."""

import json
import sys
import time

import pytest

from tests.lab import ExampleNode, Vzctl9
from tests.lab.ve9 import new_netif

VE1, VE2 = "192.168.18.101", "192.168.18.102"
UUID = "6D1b3c2a-0000-4000-8000-AAAAbbbb0001"
CONF, SCRIPTS = "/etc/vz/conf", "/usr/libexec/libvzctl"
ACTIONS = ("premount", "mount", "umount", "postumount")
STOCK = ("vz-start", "vz-stop", "vz-netns_dev_add", "vz-netns_dev_del", "vz-setrate")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/bin:/sbin:/usr/bin:/usr/sbin:."
MOUNTING, UNMOUNTING = ["vps.mount", "ct.mount"], ["ct.umount", "vps.umount", "ct.postumount", "vps.postumount"]
MOUNTING = ["vps.premount", "ct.premount", *MOUNTING]
NETWORK = ["vz-start", "vz-netns_dev_add", "vz-setrate"]
START = [*MOUNTING, *NETWORK]

TRACE = f"""\
#!{sys.executable} -I
import json, os, sys
name = sys.argv[0].split("/")[-1]
name = name if "." in name or name.startswith("vz-") else "ct." + name
links = {{fd: f"/proc/self/fd/{{fd}}" for fd in range(64)}}
fds = {{fd: os.readlink(link) for fd, link in links.items() if os.path.lexists(link)}}
try:
    stdin = os.read(0, 1) and "data"
except OSError as error:
    stdin = error.strerror
umask = os.umask(0)
os.umask(umask)
ctid = os.environ["VEID"]
listed = "/var/vz/veip/" + ctid
nics = os.listdir("/sys/class/net")
with open("/vz/trace", "a") as trace:
    json.dump(dict(name=name, argv=sys.argv[1:], env=open("/proc/self/environ").read().split("\\0")[:-1], stdin=stdin,
                   fds=fds, cwd=os.getcwd(), umask=umask, veth=[nic for nic in nics if nic.startswith("veth")],
                   routed="6512A8C0" in open("/proc/net/route").read(),
                   proxies=open("/proc/net/arp").read().count("192.168.18.101 "),
                   listed=open(listed).read().split() if os.path.exists(listed) else None,
                   running=os.path.exists(f"/vz/private/{{ctid}}/.running"),
                   conf=os.path.exists(f"/etc/vz/conf/{{ctid}}.conf") and open(f"/etc/vz/conf/{{ctid}}.conf").read(),
                   mounted=f" /vz/root/{{ctid}} " in open("/proc/mounts").read()), trace)
    trace.write("\\n")
if name.startswith("vz-"):
    os.execv("/usr/libexec/libvzctl/scripts/" + name, sys.argv)
print(name, "talks")
"""


@pytest.fixture(name="node")
def _node():
    with ExampleNode(rp_filter=1, generation=9) as node:
        yield node


@pytest.fixture
def vzctl(node):
    """VE 101, not started, with tracing hooks of the node and its own, and a tracing wrapper of each script."""
    node.create_ve("101", [VE1], "eth3")
    trace(node, "101")
    return Vzctl9(node)


def trace(node, ctid):
    own = [f"/vz/private/{ctid}/scripts/{action}" for action in ACTIONS]
    for path in [*own, *(f"{CONF}/vps.{a}" for a in ACTIONS), *(f"{SCRIPTS}/script.d/{name}" for name in STOCK)]:
        node.hn.write(path, TRACE, 0o755)


def own_hook(node, action, body, folder="/vz/private/101/scripts/"):
    node.hn.write(f"{folder}{action}", f"#!/bin/sh\n{body}\n", 0o755)


def proxies(node):
    return node.hn.run(["cat", "/proc/net/arp"]).stdout.count(f"{VE1} ")


def is_mounted(node):
    return " /vz/root/101 " in node.hn.run(["cat", "/proc/mounts"]).stdout


def traces(node):
    """Return what was traced, and forget it."""
    if not node.hn.exists("/vz/trace"):
        return []
    lines = node.hn.read("/vz/trace").splitlines()
    node.hn.path("/vz/trace").unlink()
    return [json.loads(line) for line in lines]


def order(node):
    return [record["name"] for record in traces(node)]


def state(record):
    """Return what the node still had of the VE: its veth, its route, its proxies, its line in the list."""
    return bool(record["veth"]), record["routed"], record["proxies"], record["listed"]


def test_start_and_stop_are_in_libvzctls_order(node, vzctl):
    """At a stop veth and route are gone before the umount hooks; proxies and list only after them."""
    assert vzctl.start("101").rc == 0
    begun = traces(node)
    assert [record["name"] for record in begun] == START
    assert [record["mounted"] for record in begun] == [False, False, True, True, True, True, True]
    assert {state(record) for record in begun[:-1]} == {(False, False, 0, None)}
    assert state(begun[-1]) == (True, True, 3, [VE1])
    assert vzctl.stop("101").rc == 0
    ended = traces(node)
    assert [record["name"] for record in ended] == [*UNMOUNTING, "vz-stop"]
    assert [record["mounted"] for record in ended] == [True, True, False, False, False]
    assert {str(state(record)) for record in ended} == {str((False, False, 3, [VE1]))}
    assert node.hn.read("/var/vz/veip/101") == "" and proxies(node) == 0
    assert vzctl.restart("101").rc == 0


def test_hooks_get_what_libvzctl_gives(node, vzctl):
    """Environment, directory, umask, stdin, and the descriptors that leak; what they say is vzctl's stderr and log."""
    started = vzctl.start("101")
    assert (started.stdout, started.stderr) == ("", "".join(f"{name} talks\n" for name in MOUNTING))
    assert node.hn.read("/var/log/vzctl.log") == started.stderr
    for record in traces(node)[:4]:
        assert record["env"] == ["VEID=101", f"VE_CONFFILE={CONF}/101.conf", "HOME=/", "TERM=linux", PATH]
        assert (record["cwd"], record["umask"], record["stdin"]) == ("/", 0o022, "Bad file descriptor")
        fds = record["fds"]
        assert sorted(fds) == ["0", "1", "2", "3", "5", "6", "7"] and fds["0"] == "/dev/null"
        assert fds["3"] == fds["5"] == "/var/log/vzctl.log"
        assert fds["1"].startswith("pipe:") and {fds[n] for n in "1267"} == {fds["1"]}


def test_scripts_get_what_libvzctl_gives(node, vzctl):
    nic = new_netif("101", "venet0")
    vzctl.start("101", skip_arpdetect=True)
    vzctl.ipadd("101", VE2)
    vzctl.ipdel("101", VE2)
    vzctl.stop("101")
    base = ["HOME=/", "TERM=linux", PATH]
    link = ["VNAME=venet0", f"VMAC={nic.mac}", f"HMAC={nic.host_mac}", f"HNAME={nic.host_name}"]
    calls = [(r["name"], r["argv"], r["env"]) for r in traces(node) if r["name"].startswith("vz-")]
    assert calls == [
        ("vz-start", [], ["VEID=101", *base]),
        ("vz-netns_dev_add", [], ["VEID=101", *link, "NETWORK_TYPE=routed", f"IP_ADD={VE1}", "SKIP_ARPDETECT=yes",
                                  "VE_STATE=starting", *base]),
        ("vz-setrate", ["add"], ["VEID=101", "VE_STATE=starting", "TRAFFIC_SHAPING=no", f"VETH={nic.host_name}",
                                 f"VMAC={nic.mac}", *base]),
        ("vz-netns_dev_add", [], ["VEID=101", *link, "NETWORK_TYPE=routed", f"IP_ADD={VE2}", "VE_STATE=running",
                                  *base]),
        ("vz-netns_dev_add", [], ["VEID=101", *link, "NETWORK_TYPE=routed", f"IP_DEL={VE2}", "VE_STATE=running",
                                  *base]),
        ("vz-stop", [], ["VEID=101", f"VETH={nic.host_name}", f"HMAC={nic.host_mac}", *base]),
    ]


@pytest.mark.parametrize(("child", "waits"), [
    ("sleep 0.4", True), ("sleep 0.4 </dev/null >/dev/null 2>&1", True),
    ("sleep 0.4 >&- 2>&- 3>&- 5>&- 6>&- 7>&-", False),
])
def test_a_child_that_holds_a_leaked_descriptor_keeps_vzctl_waiting(node, child, waits):
    node.create_ve("101", [VE1])
    own_hook(node, "mount", f"{child} &")
    begun = time.monotonic()
    assert Vzctl9(node).mount("101").rc == 0
    assert (time.monotonic() - begun > 0.4) == waits


def test_a_ve_that_ends_from_inside(node, vzctl):
    """Its halt runs vz-stop before and after the umount hooks; where nobody notices, the next start cleans up."""
    vzctl.start("101")
    traces(node)
    assert vzctl.halt("101").rc == 0
    assert order(node) == ["vz-stop", *UNMOUNTING, "vz-stop"]
    vzctl.start("101")
    traces(node)
    assert vzctl.reboot("101").rc == 0
    assert order(node) == ["vz-stop", *UNMOUNTING, *START]
    assert vzctl.halt("101", noticed=False).rc == 0 and order(node) == []
    assert not node.ve("101").running and "veth" not in " ".join(node.hn.nics())
    assert vzctl.start("101").rc == 0 and order(node) == ["vz-stop", *UNMOUNTING, *START]


def test_suspend_resume_and_snapshots(node, vzctl):
    """A restore runs the scripts of a start; a switch unmounts under the old config and mounts under the new."""
    vzctl.start("101")
    traces(node)
    assert vzctl.suspend("101").rc == 0 and order(node) == [*UNMOUNTING, "vz-stop"]
    assert vzctl.resume("101").rc == 0
    restored = traces(node)
    assert [record["name"] for record in restored] == START
    assert "VE_STATE=restoring" in restored[5]["env"] and node.ve("101").addresses == [VE1]
    text = node.hn.read(f"{CONF}/101.conf").replace('UPLINK="eth3"', 'UPLINK="eth4"').replace(VE1, VE2)
    assert vzctl.snapshot_switch("101", text).rc == 0
    switched = traces(node)
    assert [record["name"] for record in switched] == ["vz-stop", *UNMOUNTING, *START]
    assert ["eth4" in record["conf"] for record in switched] == [False] * 5 + [True] * 7
    assert node.ve("101").addresses == [VE2]


def test_a_start_that_fails_late_leaves_proxies_and_list(node, vzctl):
    """Until the next stop: the umount hooks run, vz-stop does not."""
    failed = vzctl.start("101", fail_late=True)
    assert failed.rc != 0 and not node.ve("101").running
    assert order(node) == [*START, *UNMOUNTING]
    assert proxies(node) == 3 and node.hn.read("/var/vz/veip/101") == f"{VE1}\n"
    assert vzctl.start("101").rc == vzctl.stop("101").rc == 0
    assert proxies(node) == 0


def test_other_ways_to_mount_and_stop(node, vzctl):
    """In creation the config has no link yet; stop --skip-umount runs vz-stop alone."""
    node.hn.path(f"{CONF}/101.conf").unlink()
    assert vzctl.mount("101").rc == 0
    created = traces(node)
    assert [record["name"] for record in created] == MOUNTING and not any(record["conf"] for record in created)
    assert vzctl.umount("101").rc == 0 and order(node) == UNMOUNTING
    assert vzctl.umount("101").rc == 40
    node.write_conf("101", [VE1])
    vzctl.start("101")
    traces(node)
    assert vzctl.stop("101", skip_umount=True).rc == 0
    assert order(node) == ["vz-stop"] and is_mounted(node)
    assert vzctl.stop("101").rc == 0 and order(node) == []
