"""An uplink or an address that a VE cannot have is told in one line that says what to do, and hurts nobody else."""


import pytest

from tests.lab.links import set_link
from tests.lab.node import MACS
from tests.resident import until
from tests.site import VE101
from tests.told import (
    ETH4,
    ISP1,
    goes_on,
    hook,
    hook_refuses,
    one_line,
    refused,
    running,
    unhurt,
    use,
)

pytestmark = pytest.mark.generation(4)  # what is read and said is the same on both

TABLES = "/var/lib/vzhooks/tables.json"


def make_bridge(site, name, member=None):
    """Make a bridge in the HN, with a member that is one of its NICs."""
    with site.node.hn.ipr() as ipr:
        ipr.link("add", ifname=name, kind="bridge")
        set_link(ipr, site.node.hn.index(name), True)
        if member:
            ipr.link("set", index=site.node.hn.index(member), master=site.node.hn.index(name))


# -- uplinks that a VE cannot have ------------------------------------------------------------------

REFUSED = {
    "unknown without an ini": ("", "eth9", ["uplink eth9", "no LAN NIC of that name", "eth0, eth3, eth4"]),
    "unknown with an ini": (ETH4 + ISP1, "isp9", ["uplink isp9", "not in this node's ini", "eth4, isp1"]),
    "a NIC that the ini does not name": (ETH4, "eth3", ["uplink eth3", "not in this node's ini", "it has eth4"]),
    "reserved, without sections": ("[node]\nreserved = eth0\n", "eth0", ["eth0 is reserved", "eth3, eth4"]),
    "reserved, and a section's": (ETH4 + "[uplink:own]\ndevice = eth0\n[node]\nreserved = eth0\n", "own",
                                  ["vzhooks.ini:3: [uplink:own] device = eth0", "reserved", "name another device"]),
    "one with an unknown key": (ETH4 + "[uplink:isp3]\ndevise = eth3\n", "isp3",
                                ["vzhooks.ini:3: [uplink:isp3] devise", "unknown key; did you mean device?",
                                 "allowed: device, gateway"]),
    "the later of two with one table": (ETH4 + "table = 1003\n" + ISP1 + "table = 1003\n", "isp1",
                                        ["[uplink:isp1] table = 1003", "[uplink:eth4]", "choose another"]),
    "one that is named twice": (ETH4 + ISP1 + "[uplink: isp1]\ndevice = eth0\n", "isp1", ["isp1", "named twice"]),
    "the loopback": ("", "lo", ["lo is the loopback", "eth0, eth3, eth4"]),
    "the loopback, by a section": (ETH4 + "[uplink:isp1]\ndevice = lo\n", "isp1", ["isp1: lo is the loopback"]),
    "venet0": ("", "venet0", ["venet0 is the VEs' own side", "eth0, eth3, eth4"]),
    "main": ("", "main", ["uplink main", "eth0, eth3, eth4"]),
    "block": (ETH4, "block", ["uplink block", "it has eth4"]),
}


@pytest.mark.parametrize("ini, uplink, parts", REFUSED.values(), ids=REFUSED)
def test_a_start_is_refused_for_an_uplink_that_is(busy, ini, uplink, parts):
    use(busy, ini, "--force")
    tables = busy.node.hn.read(TABLES)
    busy.node.create_ve("101", [VE101], uplink)
    with unhurt(busy):
        refused(busy, "101", "VE 101", "start refused", *parts)
    assert busy.node.hn.read(TABLES) == tables


def test_the_hook_itself_ends_with_1_for_a_refusal(busy):
    busy.node.create_ve("101", [VE101], "eth9")
    with unhurt(busy):
        hook_refuses(busy, "101", "uplink eth9")


def test_a_start_is_refused_for_a_container_bridge(site):
    """Where the ini does not say that it leads off the node."""
    make_bridge(site, "docker0")
    running(site)
    site.node.create_ve("101", [VE101], "docker0")
    with unhurt(site):
        refused(site, "101", "uplink docker0: docker0 is not known to lead off this node", "this node has")


@pytest.mark.parametrize("ini, uplink", [("", "eth3"), (ETH4 + ISP1, "isp1")], ids=["by name", "by a section"])
def test_a_start_is_refused_for_a_bridge_member_and_its_master_is_told(site, ini, uplink):
    make_bridge(site, "br0", "eth3")
    running(site, "[node]\narp = off\n" + ini)  # its address, which the member keeps, is no matter here
    site.node.create_ve("101", [VE101], uplink)
    with unhurt(site):
        refused(site, "101", "eth3 is a member of the bridge br0; name br0 instead")


@pytest.mark.parametrize("reserved", [False, True])
def test_on_error_warn_starts_it_cut_off(site, reserved):
    site.ini("[node]\non_error = warn\n" + ("reserved = eth0\n" if reserved else ETH4))
    site.node.create_ve("101", [VE101], "eth0" if reserved else "isp9")
    goes_on(site, "101", "VE 101", "cut off", "uplink eth0" if reserved else "uplink isp9")
    site.leaves_by("101", None)
    until(lambda: site.status("101") == "blocked")  # drift until its route has been seen, on a closed node
    for layer in ("rules", "nft"):
        site.flush(layer)
        site.leaves_by("101", None)
        site.vzhooks("resync", rc=1)


def test_a_declared_uplink_without_its_device_starts_cut_off_and_heals(site):
    site.hn("ip", "link", "del", "eth3")
    running(site, ETH4 + ISP1 + "gateway = 192.168.18.1\n")
    site.node.create_ve("101", [VE101], "isp1")
    goes_on(site, "101", "VE 101", "eth3 does not exist (yet)")
    site.end_announcers()
    site.leaves_by("101", None)
    site.node.add_nic("eth3", MACS["eth3"])
    site.leaves_by("101", None)
    site.vzhooks("resync")
    site.leaves_by("101", "eth3")
    site.leaves_by("102", "eth4")
    site.settled()


def test_a_blank_uplink_counts_as_none_and_is_told(site):
    site.node.create_ve("101", [VE101], " ")
    goes_on(site, "101", "101.conf: UPLINK is blank", "name an uplink or remove the line")
    site.leaves_by("101", "eth0")


# -- addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["192.168.18.300", "ve.example", "127.0.0.1", "fe80::1"])
def test_an_address_that_is_none_is_told_and_left_out(site, address):
    site.node.create_ve("101", [VE101], "eth3")
    site.node.write_conf("101", [VE101, address], "eth3")
    said = hook(site, "mount")
    assert said.returncode == 0
    one_line(said.stderr, "101.conf: IP_ADDRESS", f"'{address}'", "is no address a VE can have")
    site.node.write_conf("101", [VE101], "eth3")
    assert site.vzctl.start("101").rc == 0
    site.leaves_by("101", "eth3")


@pytest.mark.parametrize("address", ["192.168.18.11", "192.168.18.10", "fd00:18::12"])
def test_an_address_of_the_node_is_never_a_ve_s(busy, address):
    told = (f"address {address} is this node's own", "give the VE another one")
    with unhurt(busy):
        busy.node.create_ve("101", [address], "eth3")
        refused(busy, "101", *told)
        busy.node.write_conf("101", [address])
        said = hook(busy, "mount")
        assert said.returncode == 0
        one_line(said.stderr, *told)
        assert hook(busy, "umount").returncode == hook(busy, "postumount").returncode == 0
