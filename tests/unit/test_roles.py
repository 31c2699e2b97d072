"""Which device is a LAN NIC, and why another is none."""

import pytest

from vzhooks.model import Nic
from vzhooks.roles import is_lan, is_surely_ve_side, is_ve_side, why_no_uplink

NICS = {n.name: n for n in (
    Nic("lo", 1, loopback=True), Nic("eth0", 2), Nic("eth1", 3, master="br0"), Nic("eth2", 4, master="bond0"),
    Nic("br0", 5, "bridge", members=("eth1",)), Nic("bond0", 6, "bond", members=("eth2",)), Nic("bond0.7", 7, "vlan"),
    Nic("docker0", 8, "bridge", members=("vethab12",)), Nic("virbr0", 9, "bridge"),
    Nic("br9", 10, "bridge", members=("vethab12",)),
    Nic("venet0", 11), Nic("veth101.0", 12, "veth"), Nic("vethab12", 13, "veth", master="docker0"),
    Nic("tun0", 14, "tun"), Nic("wg0", 15, "wireguard"), Nic("eth3", 16, "veth"), Nic("cali1", 17, "veth"),
    Nic("ve7", 18, "veth", ve=True), Nic("eth5", 19, ve=True), Nic("ve-web", 20, "veth"), Nic("ve-lan", 21),
    Nic("cilium_host", 22, "veth"),
)}


@pytest.mark.parametrize("name, lan", [
    ("eth0", True), ("br0", True), ("bond0", True), ("bond0.7", True), ("eth3", True),
    ("lo", False), ("eth1", False), ("eth2", False), ("docker0", False), ("virbr0", False), ("br9", False),
    ("venet0", False), ("veth101.0", False), ("vethab12", False), ("ve7", False), ("eth5", True),
    ("tun0", False), ("wg0", False), ("cali1", False), ("ve-web", False), ("ve-lan", True), ("cilium_host", False),
])
def test_lan_nics(name, lan):
    assert is_lan(NICS[name], NICS) is lan


@pytest.mark.parametrize("name, ve", [("venet0", True), ("veth101.0", True), ("ve7", True), ("eth5", False),
                                      ("eth3", False), ("br0", False)])
def test_ve_side(name, ve):
    assert is_ve_side(NICS[name]) is ve


@pytest.mark.parametrize("nic, sure", [
    (Nic("venet0", 1), True), (Nic("veth101.0", 1, "veth"), True), (Nic("veth42cafe01", 1, "veth", ve=True), True),
    (Nic("vethlxd", 1, "veth"), False), (Nic("veth101.0", 1, "veth", master="br0"), False), (Nic("eth3", 1), False),
])
def test_another_kind_of_container_s_veth_is_not_surely_a_ve_s(nic, sure):
    assert is_surely_ve_side(nic) is sure


@pytest.mark.parametrize("name, why", [
    ("eth1", "member of the bridge br0; name br0 instead"), ("eth2", "member of the bond bond0; name bond0"),
    ("lo", "loopback"), ("docker0", "containers"), ("ve-web", "containers"),
    ("venet0", "VEs' own side"), ("eth0", None), ("tun0", None),
])
def test_why_a_device_is_no_uplink(name, why):
    found = why_no_uplink(NICS[name], NICS)
    assert found is None if why is None else why in found
