"""The role rolls package and ini over two nodes by ssh, changes nothing twice, and stops at the first bad node.

The tests go on from each other, as the days of a node do.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pack.release import ROOT
from tests.lab.node import CLIENT
from tests.lab.tap import Tap
from tests.lab.wire import ping

ANSIBLE = ROOT / "contrib/ansible"
ADDRESSES = {"node1": "192.168.18.10", "node2": "192.168.18.20"}
INI = "/etc/vz/vzhooks.ini"
QUIET = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_PIPELINING": "1"}
GOOD = {"isp1": {"device": "eth3"}, "isp2": {"device": "eth4"}}


@pytest.fixture(scope="module")
def roll(nodes, deb, keys, tmp_path_factory):
    """Run the playbook on the client's computer, with these uplinks; give what it counts for each node."""
    folder = tmp_path_factory.mktemp("ansible")
    ssh = f"-i {keys}/user -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no "
    ssh += f"-o ControlMaster=auto -o ControlPersist=20 -o ControlPath={folder}/%C"
    hosts = {name: {"ansible_host": address} for name, address in ADDRESSES.items()}

    def run(uplinks, **more):
        every = {"ansible_ssh_common_args": ssh, "ansible_user": "root", "ansible_remote_tmp": "/var/tmp/ansible",
                 "ansible_python_interpreter": "/usr/bin/python3", "vzhooks_package": str(deb),
                 "vzhooks_node": {"reserved": "eth0"}, "vzhooks_uplinks": uplinks, "vzhooks_health_retries": 2,
                 "vzhooks_health_delay": 1, **more}
        inventory = folder / "inventory.yml"
        inventory.write_text(json.dumps({"vzhooks_nodes": {"hosts": hosts, "vars": every}}))
        program = Path(sys.executable).with_name("ansible-playbook")
        words = [str(program), "-i", str(inventory), str(ANSIBLE / "vzhooks.yml")]
        done = nodes["node1"].client.run(words, timeout=280,
                                         env={**QUIET, "HOME": str(folder), "ANSIBLE_LOCAL_TEMP": str(folder / "tmp")})
        counts = re.findall(r"^(node\d) +: ok=\d+ +changed=(\d+) .*failed=(\d+)", done.stdout, re.MULTILINE)
        return {name: (int(changed), int(failed)) for name, changed, failed in counts}, done.stdout + done.stderr
    return run


def state(node):
    """Return what `vzhooks status` says of the node's VEs, by id."""
    return {ve["ve"]: ve["state"] for ve in json.loads(node.hn.run(["vzhooks", "status", "--json"]).stdout)["ves"]}


def leaves_by(node, ctid):
    with Tap(node.hn, "eth0", "eth3", "eth4") as tap:
        assert ping(node.ve(ctid).box, CLIENT, count=3) == 3
        return {f.nic for f in tap.find(outgoing=True, proto="icmp")}


def test_it_installs_all_and_each_ve_goes_by_its_uplink(roll, nodes):
    counts, said = roll(GOOD)
    assert set(counts) == {"node1", "node2"}, said
    assert all(changed and not failed for changed, failed in counts.values()), said
    assert state(nodes["node1"]) == {"101": "ok"} and state(nodes["node2"]) == {"102": "ok"}
    assert leaves_by(nodes["node1"], "101") == {"eth3"} == leaves_by(nodes["node2"], "102")


def test_a_second_time_nothing_changes(roll):
    counts, said = roll(GOOD)
    assert counts == {"node1": (0, 0), "node2": (0, 0)}, said


def test_a_change_moves_the_ves_of_both(roll, nodes):
    counts, said = roll({"isp1": {"device": "eth4"}})
    assert all(changed and not failed for changed, failed in counts.values()), said
    assert leaves_by(nodes["node1"], "101") == {"eth4"} == leaves_by(nodes["node2"], "102")


def test_an_ini_with_an_error_is_refused_before_it_is_there(roll, nodes):
    before = {name: node.hn.read(INI) for name, node in nodes.items()}
    counts, said = roll({"isp1": {"device": "eth4", "gatewey": "192.168.18.1"}})
    assert counts == {"node1": (0, 1)} and "gatewey: unknown key" in said, said
    assert {name: node.hn.read(INI) for name, node in nodes.items()} == before


def test_it_stops_at_the_first_node_that_is_not_well(roll, nodes):
    before = nodes["node2"].hn.read(INI)
    nodes["node1"].link("eth3", False)
    counts, said = roll({"isp1": {"device": "eth3"}})
    assert set(counts) == {"node1"} and counts["node1"][1] == 1 and "eth3 is down" in said, said
    assert nodes["node2"].hn.read(INI) == before and leaves_by(nodes["node2"], "102") == {"eth4"}
    nodes["node1"].link("eth3", True)
    counts, said = roll({"isp1": {"device": "eth3"}})
    assert set(counts) == {"node1", "node2"} and not any(failed for _, failed in counts.values()), said


def test_ansible_lint_finds_nothing():
    done = subprocess.run([sys.executable, "-m", "ansiblelint", "--offline", "--strict", "--nocolor"], cwd=ANSIBLE,
                          capture_output=True, text=True, env={**os.environ, "PATH": f"{Path(sys.executable).parent}:"
                                                               f"{os.environ['PATH']}"})
    assert done.returncode == 0, done.stdout + done.stderr
