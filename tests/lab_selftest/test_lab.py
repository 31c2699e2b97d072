# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab behaves like the node it stands for, before vzhooks has touched it."""

import os
import subprocess
import sys
import time

import pytest

from tests.lab import ExampleNode, Vzctl4, Vzctl9
from tests.lab.node import BEYOND, BEYOND6, CLIENT, CLIENT6, MACS, NICS
from tests.lab.wire import Tap, flush_neighbours, neighbour, ping, send_udp, who_has, who_has6, who_have

VE1, VE1_6 = "192.168.18.101", "fd00:18::101"
VE2, VE2_6 = "192.168.18.102", "fd00:18::102"
HN_ADDRESSES = [cidr.split("/")[0] for _, *cidrs in NICS.values() for cidr in cidrs]
ALL_MACS = sorted(MACS.values())


def two_ves(node):
    """Start both VEs by vzctl, without hooks."""
    vzctl = Vzctl9(node) if node.generation == 9 else Vzctl4(node)
    return vzctl.add_ve("101", VE1, VE1_6, uplink="eth3"), vzctl.add_ve("102", VE2, VE2_6, uplink="eth4")


def out_of(tap, src):
    """Name the HN's interfaces that packets from a VE left by."""
    return {frame.nic for frame in tap.find(outgoing=True, src=src) if frame.nic != "venet0" and frame.proto != "arp"}


@pytest.mark.parametrize("rp_filter", [0, 1, 2])
def test_without_vzhooks_the_node_shows_the_problem(rp_filter):
    """VE traffic leaves by eth0 and ARP flux is as the kernel makes it for each rp_filter."""
    with ExampleNode(rp_filter=rp_filter) as node:
        ve1, _ = two_ves(node)
        assert node.hn.sysctl("net/ipv4/conf/eth3/rp_filter") == str(rp_filter)
        with Tap(node.hn) as tap:
            answered = [ping(ve1.box, dst, count=2) for dst in (CLIENT, BEYOND, CLIENT6, BEYOND6)]
        assert answered == [2, 2, 2, 2]
        assert out_of(tap, VE1) == out_of(tap, VE1_6) == {"eth0"}
        expected = [MACS["eth0"]] if rp_filter == 1 else ALL_MACS
        four = (VE1, "192.168.18.10", "192.168.18.11", "192.168.18.12")
        for address in four:
            assert who_has(node.client, "eth0", address, CLIENT, wait=0.1) == expected
        assert who_has6(node.client, "eth0", VE1_6, CLIENT6, wait=0.1) == ALL_MACS
        assert who_has6(node.client, "eth0", "fd00:18::12", CLIENT6, wait=0.1) == [MACS["eth4"]]
        asked = {**dict.fromkeys(four, CLIENT), VE1_6: CLIENT6, "192.168.18.99": CLIENT, "fd00:18::99": CLIENT6}
        assert who_have(node.client, "eth0", asked, wait=0.1) == {
            **dict.fromkeys(four, expected), VE1_6: ALL_MACS, "192.168.18.99": [], "fd00:18::99": []}


def test_ves_reach_each_other_and_the_node_through_its_ip_layer(node):
    """VE to VE is seen coming and going at venet0; every HN address and VE is reached both ways."""
    ve1, _ = two_ves(node)
    for src, dst in ((VE1, VE2), (VE1_6, VE2_6)):
        with Tap(node.hn) as tap:
            assert ping(ve1.box, dst) == 1
        assert tap.count(nic="venet0", outgoing=False, src=src, dst=dst) == 1
        assert tap.count(nic="venet0", outgoing=True, src=src, dst=dst) == 1
        assert {frame.nic for frame in tap.frames if src in (frame.src, frame.dst)} == {"venet0"}
    assert [ping(ve1.box, address) for address in HN_ADDRESSES] == [1] * 6
    assert [ping(node.hn, address) for address in (VE1, VE2, VE1_6, VE2_6)] == [1] * 4
    assert [ping(node.client, address) for address in (VE1, VE2, VE1_6, VE2_6)] == [1] * 4
    assert [ping(node.client, address) for address in HN_ADDRESSES] == [1] * 6


def test_venet_carries_any_source(node):
    """A VE can spoof, v4 and v6; the HN's own rp_filter is what decides."""
    ve1, _ = two_ves(node)
    with Tap(node.hn, "venet0", "eth0") as tap:
        assert send_udp(ve1.box, "10.9.9.9", CLIENT, 500) == 500
        assert send_udp(ve1.box, "2001:db8:9::9", CLIENT6, 500) == 500
    assert tap.count(nic="venet0", outgoing=False, src="10.9.9.9") == 500
    assert tap.count(nic="eth0", outgoing=True, src="10.9.9.9") == 0
    assert tap.count(nic="eth0", outgoing=True, src="2001:db8:9::9") == 500


def test_hn_has_a_private_installation(node, tmp_path):
    """Files written to system directories stay in the box; temporary ones are shared; /sys shows its NICs."""
    private = ["/etc/99-lab", "/usr/local/sbin/lab", "/run/lab", "/vz/lab"]
    node.hn.run(["touch", *private, str(tmp_path / "seen")], check=True)
    assert all(map(node.hn.exists, private)) and not any(map(os.path.exists, private))
    assert (tmp_path / "seen").exists()
    assert set(node.hn.call(os.listdir, "/sys/class/net")) == {"lo", "eth0", "eth3", "eth4", "venet0"}
    assert node.hn.run(["cat", "/proc/sys/net/ipv4/ip_forward"]).stdout == "1\n"
    assert node.hn.run(["pwd"]).stdout.strip() == os.getcwd()
    with pytest.raises(ZeroDivisionError):
        node.hn.call(divmod, 1, 0)


def test_link_helpers(node):
    """Carrier, link, address and route of the HN follow the test's word."""
    node.carrier("eth3", False)
    assert node.hn.read("/sys/class/net/eth3/carrier") == "0\n"
    node.carrier("eth3", True)
    assert node.hn.read("/sys/class/net/eth3/carrier") == "1\n"
    node.link("eth4", False)
    assert node.hn.read("/sys/class/net/eth4/operstate") == "down\n"
    node.link("eth4", True)
    assert node.hn.read("/sys/class/net/eth4/operstate") == "up\n"
    node.add_route("198.51.100.0/24", oif="eth4", gateway="192.168.18.1", table=1004)
    node.del_route("198.51.100.0/24", table=1004)
    node.del_address("eth4", "192.168.18.12/24")
    assert ping(node.client, "192.168.18.12", timeout=0.05) == 0
    node.add_address("eth4", "192.168.18.12/24")
    assert ping(node.client, "192.168.18.12", timeout=2) == 1


def test_neighbours_are_learnt_and_forgotten(node):
    """The client caches what it asked for until it is flushed, and takes vzctl's announcements."""
    two_ves(node)
    assert ping(node.client, VE1) == ping(node.client, VE1_6) == 1
    assert neighbour(node.client, VE1) == MACS["eth0"] and neighbour(node.client, VE1_6) in ALL_MACS
    flush_neighbours(node.client)
    assert neighbour(node.client, VE1) is None and neighbour(node.client, VE1_6) is None


@pytest.mark.parametrize("generation", [4, 9])
def test_nothing_is_left_after_exit(generation):
    """No process (daemons of daemons included), mount or descriptor outlives the lab; building is quick."""
    before = leftovers()
    begun = time.perf_counter()
    with ExampleNode(generation=generation) as node:
        built = time.perf_counter()
        two_ves(node)
        started = time.perf_counter()
        node.hn.popen(["sh", "-c", "(setsid sleep 100 &) ; sleep 100"])
        boxes = [node.lan, node.hn, node.client, node.ve("101").box]
        inside = {os.readlink(f"/proc/{box.pid}/ns/{kind}") for box in boxes for kind in ("net", "mnt")}
        inside -= {os.readlink("/proc/self/ns/mnt")}
        ending = time.perf_counter()
    ended = time.perf_counter()
    assert leftovers() == before and not inside & namespaces()
    print(f"\nbuilt in {(built - begun) * 1e3:.0f} ms, a VE started in {(started - built) * 500:.0f} ms, "
          f"closed in {(ended - ending) * 1e3:.0f} ms")
    assert built - begun < 1


def leftovers():
    with open("/proc/self/mountinfo") as mounts:
        return mounts.read(), len(os.listdir("/proc/self/fd")), children()


def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return file.read()


def namespaces():
    """Name every network and mount namespace some process is in."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for kind in ("net", "mnt"):
            try:
                found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
            except OSError:  # gone meanwhile
                continue
    return found


def test_a_killed_lab_leaves_nothing():
    """SIGKILL of whoever built the lab ends the holders too, and with them the namespaces."""
    code = ("import os; from tests.lab import ExampleNode; node = ExampleNode().__enter__()\n"
            "print(node.lan.pid, node.hn.pid, node.client.pid, node.venet.pid, flush=True); os.kill(os.getpid(), 9)")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True).stdout
    pids = said.split()
    deadline = time.monotonic() + 5
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(pids) == 4 and not any(map(is_alive, pids))


def is_alive(pid):
    """Tell whether a process runs; a zombie that init has not collected does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
