"""What is suspicious in an ini on this node is told by its place, and no more than that."""

import pytest

from tests.unit.example import ETH3, ETH4, LO, VENET0, facts, nic
from vzhooks.config.settings import parse
from vzhooks.policy.suspects import suspicions


@pytest.mark.parametrize("ini, uplinks, told", [
    ("[uplink:isp1]\ndevice = eth3\ngateway = 192.168.18.1\n[node]\nreserved = eth0\n", {"isp1": ["101"]}, []),
    ("", {"isp1": ["101"]}, []),
    ("[uplink:isp1]\ndevice = eth33\n", {}, [("uplink:isp1", "device", "eth33", "did you mean eth3?")]),
    ("[node]\nreserved = eht0, eth0\ninside = docker0\n", {}, [
        ("node", "reserved", "eht0", "did you mean eth0?"), ("node", "inside", "docker0", "this node has eth0")]),
    ("[uplink:isp1]\ndevice = lo\n", {}, [("uplink:isp1", "device", "lo", "is the loopback")]),
    ("[uplink:isp1]\ndevice = eth5\n", {}, [("uplink:isp1", "device", "eth5", "name bond0 instead")]),
    ("[uplink:isp1]\ndevice = eth3\ngateway = 192.168.18.12\n", {}, [
        ("uplink:isp1", "gateway", "192.168.18.12", "is this node's own address, on eth4")]),
    ("[uplink:isp1]\ndevice = eth3\ngateway = 10.9.9.1\n", {}, [
        ("uplink:isp1", "gateway", "10.9.9.1", "is in none of the networks of eth3")]),
    ("[uplink:isp1]\ndevice = eth3\n", {"isp2": ["101", "105"], "isp1": ["102"]}, [
        ("uplink:isp2", "", "", "VE 101, 105 name it and would be cut off")]),
    ("[uplink:isp1]\ndevice = eth3\n", {"isp2": ["101"]}, [("uplink:isp2", "", "", "VE 101 names it")]),
    ("[uplink:isp1]\ndevice = eth3\n[uplink:isp2]\ngateway = nowhere\n", {"isp2": ["101"]}, []),
    ("[node]\nreserved = eth0\n[uplink:isp1]\ndevice = mgmt\n", {}, [
        ("uplink:isp1", "device", "mgmt", "eth0 is reserved")]),
])
def test_a_suspicion_names_its_place(ini, uplinks, told):
    own = nic("eth0", 2, "192.168.18.10/24", altnames=("mgmt",))
    known = facts(LO, own, ETH3, ETH4, VENET0, nic("eth5", 6, master="bond0"),
                  nic("bond0", 7, "10.0.0.5/24", kind="bond", members=("eth5",)))
    found = list(suspicions(parse(ini), known, uplinks))
    assert [(f.section, f.key, f.value) for f in found] == [t[:3] for t in told], found
    assert [f.text for f, t in zip(found, told) if t[3] not in f.text] == []
