"""What is routed on the VEs' side here, and what the ini's names mean on this node."""

import pytest

from tests.unit.example import ETH0, ETH3, LO, VENET0, facts, nic
from vzhooks.addresses import host_prefix
from vzhooks.config.settings import parse
from vzhooks.model import MAIN, Gateway, Route
from vzhooks.policy.facts import Facts, in_this_node, known_of, settle
from vzhooks.policy.foreign import Other
from vzhooks.policy.roles import LAN, VE

A, A6 = "192.168.18.101", "fd00:18::101"
VX0 = nic("vx0", 8, kind="vxlan")


def to(address, dev, metric=0):
    return Route(6 if ":" in address else 4, MAIN, host_prefix(address), dev, metric=metric)


@pytest.mark.parametrize("main, local", [
    ([to(A, "venet0")], {A: "venet0"}),
    ([to(A6, "venet0", 1024)], {A6: "venet0"}),
    ([to(A, "eth0")], {}),
    ([to(A, "vx0")], {}),
    ([to(A, "venet0", 1000), to(A, "vx0", 10)], {}),
    ([to(A, "venet0", 10), to(A, "vx0", 1000)], {A: "venet0"}),
    ([to(A, "vx0", 10), to(A, "venet0", 1000)], {}),
    ([to(A, "gone0")], {}),
    ([to("192.168.18.10", "venet0")], {}),
    ([Route(4, MAIN, "192.168.19.0/24", "venet0"), Route(4, MAIN, host_prefix(A))], {}),
    ([to(A, "venet0"), to("192.168.18.102", "vx0")], {A: "venet0"})])
def test_the_best_host_route_tells_what_is_routed_here(main, local):
    assert facts(LO, ETH0, ETH3, VENET0, VX0, main=main).local == local


def test_what_main_reaches_by_a_device_without_ves_is_away():
    main = [to(A, "vx0"), to("192.168.18.102", "venet0"), to("192.168.18.103", "gone0")]
    assert facts(LO, ETH0, VENET0, VX0, main=main).away == {A, "192.168.18.103"}


def test_the_ves_own_devices_lead_to_them():
    raw = Facts({n.name: n for n in (LO, ETH0, nic("web0", 9, kind="veth"))}, (to(A, "web0"),))
    assert settle(raw, known_of(parse(""), raw.nics, raw.main, [], [], [])).local == {}
    known = settle(raw, known_of(parse(""), raw.nics, raw.main, ["web0"], [], []))
    assert (known.nics["web0"].role, known.local) == (VE, {A: "web0"})
    assert settle(raw, known_of(parse(""), raw.nics, raw.main, [], [A], [])).local == {A: "web0"}


UP = nic("up0", 9, kind="veth")


@pytest.mark.parametrize("ini, uplinks, lan", [
    ("", ["up0"], True), ("", ["isp-alt"], True), ("", [], False), ("[node]\nunassigned=up0", [], True),
    ("[uplink:isp1]\ndevice=eth3", ["up0"], False), ("[uplink:isp1]\ndevice=up0", [], True),
    ("[uplink:isp1]\ndevice=isp-alt", [], True), ("[node]\nreserved=up0", [], True)])
def test_what_the_ini_or_an_uplink_names_leads_off_the_node(ini, uplinks, lan):
    raw = Facts({n.name: n for n in (LO, ETH0, nic("up0", 9, kind="veth", altnames=("isp-alt",)))})
    known = settle(raw, known_of(parse(ini), raw.nics, (), [], [], uplinks))
    assert (known.nics["up0"].role == LAN) is lan


def test_the_ini_is_taken_by_the_devices_own_names():
    nics = {n.name: n for n in (nic("eth0", 2, master="br0", altnames=("mgmt",)), nic("br0", 3, kind="bridge"),
                                nic("eth3", 4, altnames=("isp",)))}
    found = in_this_node(parse("[node]\nreserved=mgmt eth9\n[uplink:isp1]\ndevice=isp\n"), nics)
    assert (set(found.reserved), found.uplinks["isp1"].device) == ({"eth0", "br0", "eth9"}, "eth3")


def test_gateways_are_those_of_main_s_defaults_the_best_first():
    main = [Route(4, MAIN, "default", "eth3", "192.168.18.2", 200), Route(4, MAIN, "default", "ppp0", metric=1),
            Route(4, MAIN, "10.0.0.0/8", "eth3", "192.168.18.3")]
    assert facts(main=main).gateways == (Gateway("192.168.18.1", "eth0"), Gateway("192.168.18.2", "eth3"))


def local_at(*priorities, protocol=2):
    return facts(others=[Other(4, p, "lookup local", 255, protocol=protocol) for p in priorities])


@pytest.mark.parametrize("known, misplaced", [
    (facts(), False), (local_at(0), False), (local_at(32765), True), (local_at(1000), True), (local_at(999), False),
    (local_at(0, 32765), False), (facts(others=[Other(4, 32766, "lookup main", 254, protocol=2)]), False)])
def test_a_local_table_that_is_looked_up_late_is_seen(known, misplaced):
    assert known.misplaced is misplaced


def test_what_the_kernel_made_is_nobody_s_rule():
    theirs = Other(4, 32000, "lookup 200", 200)
    assert facts(others=[Other(4, 0, "lookup local", 255, protocol=2), theirs]).theirs == (theirs,)


def test_a_master_that_is_none_of_the_devices_is_not_reserved():
    """What nft(8) cannot name would spoil the whole guard."""
    assert in_this_node(parse("[node]\nreserved=eth0\n"), {"eth0": nic("eth0", 2, master='b"r')}).reserved == ("eth0",)
