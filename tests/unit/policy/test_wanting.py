"""What should be, for the example node."""

from dataclasses import replace

import pytest

from tests.unit.example import ETH0, ETH3, ETH4, LO, NICS, VENET0, elements, facts, nic, routes, rules, table_of, wanted
from vzhooks.model import Element, Gateway, Proxy, Skeleton, Ve
from vzhooks.policy import priorities
from vzhooks.policy.foreign import Other
from vzhooks.policy.tables import LESS, own_key, uplink_key
from vzhooks.policy.uplinks import gateway_of
from vzhooks.policy.wanting import published

VE101 = Ve("101", ("192.168.18.101",), "eth3")
VE102 = Ve("102", ("192.168.18.102",), "eth4")
VE105 = Ve("105", ("192.168.18.105",))
RESERVED = "[node]\nreserved=eth0\n"


def table(name, *ves, ini="", known=None):
    return table_of(uplink_key(name), *ves, ini=ini, known=known)


def state(found, ctid="101"):
    return next((w.state, w.why) for w in found.ways if w.ve.ctid == ctid)


def test_no_assigned_ve_means_nothing_at_all():
    assert wanted().items == frozenset() and wanted(VE105).items == frozenset()


def test_an_assigned_ve_goes_by_its_table():
    found = wanted(VE101)
    number = table("eth3", VE101)
    assert rules(found, priorities.FROM_VE) == [f"from 192.168.18.101/32 lookup {number}"]
    assert routes(found, number) == sorted([
        "unreachable default metric 4294967295", "192.168.18.0/24 dev eth3",
        "default via 192.168.18.1 dev eth3 onlink", "unreachable default metric 4294967295"])
    assert state(found) == ("ok", "")


def test_local_ves_are_reached_by_host_routes_alone():
    found = wanted(VE101, VE105, known=facts(local=["192.168.18.109"]))
    assert rules(found, priorities.TO_VE) == [
        f"from all to 192.168.18.{n}/32 lookup main suppress_prefixlength 31" for n in (101, 105, 109)]


def test_the_guard_knows_sources_and_their_exits():
    found = wanted(VE101, VE102, VE105)
    assert elements(found, "exits4") == [("192.168.18.101", "eth3"), ("192.168.18.102", "eth4")]
    assert elements(found, "known4") == [("192.168.18.101", "assigned4"), ("192.168.18.102", "assigned4"),
                                         ("192.168.18.105", "unassigned4")]
    assert elements(found, "lan") == [("eth0",), ("eth3",), ("eth4",)]
    assert elements(found, "veside") == [("venet0",)] and elements(found, "near") == [("lo",), ("venet0",)]
    assert elements(found, "closed") == elements(found, "reserved") == elements(found, "held") == []


def test_a_port_of_a_bridge_brings_no_rule_that_comes_and_goes_with_it():
    """Docker's are named veth, too; what comes in by one is routed as of the bridge."""
    port = nic("veth4a3", 9, kind="veth", master="docker0")
    found = wanted(VE101, known=facts(*NICS, port), ini=RESERVED)
    assert found.items == wanted(VE101, ini=RESERVED).items


def test_a_ve_s_device_of_an_odd_name_is_guarded_by_name():
    odd = nic("ve7", 9, kind="veth", ve=True)
    found = wanted(VE101, known=facts(*NICS, odd), ini="[node]\nreserved=eth0\nunassigned=block\n")
    assert elements(found, "veside") == elements(found, "closed") == [("ve7",), ("venet0",)]
    assert ("ve7",) not in elements(found, "lan") and ("ve7",) in elements(found, "near")


def test_own_addresses_give_way_to_what_main_has_more_specific():
    found = wanted(VE101, keep=True)
    number = table_of(own_key("eth3"), VE101)
    mine = [r for r in rules(found) if r.startswith("from 192.168.18.11/32")]
    assert mine == [
        "from 192.168.18.11/32 to 192.168.18.0/24 lookup main suppress_prefixlength 24",
        f"from 192.168.18.11/32 to 192.168.18.0/24 lookup {number}",
        "from 192.168.18.11/32 lookup main suppress_prefixlength 0",
        f"from 192.168.18.11/32 lookup {number}"]
    assert routes(found, number) == ["192.168.18.0/24 dev eth3", "default via 192.168.18.1 dev eth3 onlink"]


def test_ipv6_is_equal():
    known = facts(LO, replace(ETH3, addresses=("192.168.18.11/24", "fd00:18::11/64")), VENET0,
                  gateways=(Gateway("fd00:18::1", "eth3"),))
    ve = Ve("101", ("fd00:18::101",), "eth3")
    found, number = wanted(ve, known=known), table("eth3", ve, known=known)
    assert rules(found, priorities.FROM_VE) == [f"from fd00:18::101/128 lookup {number}"]
    assert rules(found, priorities.TO_VE) == ["from all to fd00:18::101/128 lookup main suppress_prefixlength 127"]
    assert "default via fd00:18::1 dev eth3 metric 1024" in routes(found, number)
    assert routes(found, number).count("unreachable default metric 4294967295") == 2
    assert elements(found, "exits6") == [("fd00:18::101", "eth3")]


@pytest.mark.parametrize("gateway, near", [("fd00:18::1", True), ("fd00:99::1", True), ("fe80::1", False)])
def test_an_ipv6_gateway_beyond_the_device_s_networks_has_a_route_of_its_own(gateway, near):
    ve, ini = Ve("101", ("fd00:18::101",), "isp1"), f"[uplink:isp1]\ndevice=eth3\ngateway6={gateway}\n"
    found, number = wanted(ve, ini=ini), table("isp1", ve, ini=ini)
    assert f"default via {gateway} dev eth3 metric 1024" in routes(found, number)
    assert (f"{gateway}/128 dev eth3 metric 1024" in routes(found, number)) is near


@pytest.mark.parametrize("change, why", [
    ({"up": False}, "eth3 is down"), ({"carrier": False}, "eth3 has no carrier"), (None, "eth3 does not exist (yet)"),
])
def test_a_device_that_is_away_cuts_off_and_is_no_error(change, why):
    known = facts(*([n for n in NICS if n.name != "eth3"] + ([replace(ETH3, **change)] if change else [])))
    ve = Ve("101", ("192.168.18.101",), "isp1")
    found = wanted(ve, ini="[uplink:isp1]\ndevice=eth3", known=known)
    assert state(found) == ("blocked", why) and not any(p.refuses for p in found.problems)
    number = table("isp1", ve, ini="[uplink:isp1]", known=known)
    assert rules(found, priorities.FROM_VE) == [f"from 192.168.18.101/32 lookup {number}"]
    assert elements(found, "exits4") == [("192.168.18.101", "eth3")]


def test_the_routes_of_a_lost_carrier_stay_so_that_it_heals_by_itself():
    known = facts(LO, ETH0, replace(ETH3, carrier=False), VENET0)
    assert "192.168.18.0/24 dev eth3" in routes(wanted(VE101, known=known), table("eth3", VE101, known=known))


BACKUP = "[uplink:eth3]\nbackup=eth4\n[uplink:eth4]\n"


def test_a_backup_serves_while_the_uplink_is_down():
    found = wanted(VE101, ini=BACKUP, known=facts(LO, ETH0, replace(ETH3, up=False), ETH4, VENET0))
    assert state(found) == ("backup", "eth3 is down")
    assert elements(found, "exits4") == [("192.168.18.101", "eth4")]


def test_a_backup_that_is_down_too_leaves_the_ve_cut_off():
    down = [replace(n, up=False) for n in (ETH3, ETH4)]
    found = wanted(VE101, ini=BACKUP, known=facts(LO, ETH0, *down, VENET0))
    assert state(found) == ("blocked", "eth3 is down; its backup eth4: eth4 is down")
    assert elements(found, "exits4") == [("192.168.18.101", "eth3")]


@pytest.mark.parametrize("uplink, ini, parts", [
    ("eth9", "", ["uplink eth9: no LAN NIC of that name", "eth0, eth3, eth4"]),
    ("isp9", "[uplink:isp1]\ndevice=eth3", ["uplink isp9: not in this node's ini", "isp1"]),
    ("eth3", "[uplink:isp1]\ndevice=eth3", ["uplink eth3: not in this node's ini"]),
    ("eth0", "[node]\nreserved=eth0", ["eth0 is reserved", "eth3, eth4"]),
    ("isp1", "[node]\nreserved=eth0\n[uplink:isp1]\ndevice=eth0", ["[uplink:isp1] device = eth0: reserved"]),
    ("lo", "", ["lo is the loopback"]), ("venet0", "", ["VEs' own side"]),
    ("$(touch /x)", "", ["is no uplink's name"]), ("x" * 200, "", ["is no uplink's name"]),
    ("isp1", "[uplink:isp1]\ngateway=x", ["[uplink:isp1] gateway = x"]),
])
def test_an_uplink_that_cannot_be_refuses_and_cuts_off(uplink, ini, parts):
    found = wanted(Ve("101", ("192.168.18.101",), uplink), VE102 if not ini else VE105, ini=ini)
    assert rules(found, priorities.FROM_VE)[0] == "from 192.168.18.101/32 unreachable"
    assert elements(found, "exits4") == ([("192.168.18.102", "eth4")] if not ini else [])
    problem = next(p for p in found.problems if p.ctid == "101")
    assert problem.refuses and [p for p in parts if p not in problem.text] == [] and "\n" not in problem.text


def test_a_member_is_refused_with_its_masters_name():
    bridge = nic("br0", 9, "192.168.18.11/24", kind="bridge", members=("eth3",))
    known = facts(LO, ETH0, nic("eth3", 3, master="br0"), bridge)
    assert "name br0 instead" in wanted(VE101, known=known).problems[0].text


def test_an_address_of_the_node_itself_is_never_a_ves():
    found = wanted(Ve("101", ("192.168.18.10", "192.168.18.101"), "eth3"))
    assert not [r for r in rules(found, priorities.FROM_VE) + rules(found, priorities.TO_VE) if "192.168.18.10/32" in r]
    assert "this node's own" in found.problems[0].text and found.problems[0].refuses


def test_an_occupied_table_is_not_used():
    found = wanted(VE101, occupied={"uplink:eth3": "table 7 holds another's route"})
    assert rules(found, priorities.FROM_VE) == ["from 192.168.18.101/32 unreachable"]
    assert found.problems[0].refuses


def test_unassigned_may_be_blocked():
    found = wanted(VE105, ini="[node]\nunassigned=block")
    assert rules(found, priorities.FROM_VE) == ["from 192.168.18.105/32 unreachable"]
    assert rules(found, priorities.NOWHERE) == ["from all iif venet0 unreachable"] * 2
    assert elements(found, "known4") == [("192.168.18.105", "assigned4")]
    assert elements(found, "closed") == [("venet0",)]
    assert not any(p.refuses for p in found.problems)


def test_unassigned_may_be_an_uplink():
    found = wanted(VE105, ini="[node]\nunassigned=eth4")
    assert elements(found, "exits4") == [("192.168.18.105", "eth4")]


def test_reserved_holds_what_has_no_uplink_behind_the_rules_of_others():
    found, number = wanted(VE105, ini=RESERVED), table_of(LESS, VE105, ini=RESERVED)
    ours = [r for r in rules(found, priorities.UNASSIGNED) if "iif" in r]
    behind = f"goto {priorities.BEHIND}"
    assert ours == [f"from 192.168.18.105/32 iif lo {behind}", *[f"from all iif venet0 {behind}"] * 2]
    assert rules(found, priorities.KEPT) == [f"from all lookup {number}"] * 2
    assert not [r for r in rules(found) if "192.168.18.105" in r and "iif lo" not in r]
    assert elements(found, "reserved") == [("eth0",)] and elements(found, "closed") == []
    assert elements(found, "known4") == [("192.168.18.105", "unassigned4")]


@pytest.mark.parametrize("ini, why", [
    ("reserved=eth9", "[node] reserved = eth9: no device of this name"), ("reserved=eth0", None),
    ("reserved=mgmt", None), ("reserved=eth33", "did you mean eth3?")])
def test_a_reserved_device_that_is_not_there_is_told(ini, why):
    known = facts(LO, replace(ETH0, altnames=("mgmt",)), ETH3, VENET0)
    texts = [p.text for p in wanted(VE105, ini=f"[node]\n{ini}", known=known).problems]
    assert any(why in t for t in texts) if why else texts == []


@pytest.mark.parametrize("reserved, uplink", [("eth0", "br0"), ("eth0", "bond0"), ("mgmt", "br0"), ("br0", "br0")])
def test_what_sends_by_a_reserved_device_is_no_uplink(reserved, uplink):
    known = facts(LO, replace(ETH0, addresses=(), master="bond0", altnames=("mgmt",)), ETH3, VENET0,
                  nic("bond0", 8, kind="bond", members=("eth0",), master="br0"),
                  nic("br0", 9, "192.168.18.10/24", kind="bridge", members=("bond0",)),
                  gateways=(Gateway("192.168.18.1", "br0"),))
    found = wanted(Ve("101", ("192.168.18.101",), uplink), ini=f"[node]\nreserved={reserved}\n", known=known)
    assert rules(found, priorities.FROM_VE) == ["from 192.168.18.101/32 unreachable"]
    assert ("br0",) in elements(found, "reserved") and elements(found, "exits4") == []


def test_a_misplaced_rule_for_the_node_s_own_addresses_keeps_our_rules_away():
    """They would stand before it, and hide those addresses; the guard holds nevertheless."""
    local = [Other(f, 32765, "lookup local", 255, protocol=2) for f in (4, 6)]
    found = wanted(VE101, known=facts(others=local))
    assert {type(i) for i in found.items} == {Element, Skeleton}
    assert elements(found, "exits4") == [("192.168.18.101", "eth3")]
    problem = next(p for p in found.problems if "table local" in p.text)
    assert problem.refuses and problem.ctid == ""
    usual = [Other(f, 0, "lookup local", 255, protocol=2) for f in (4, 6)]
    assert wanted(VE101, known=facts(others=usual)).items == wanted(VE101).items
    assert wanted(VE105, known=facts(others=local)).problems == ()


@pytest.mark.parametrize("gateway, known, address", [
    ("auto", (), ""), ("auto", (Gateway("192.168.18.1", "eth0"),), "192.168.18.1"),
    ("auto", (Gateway("10.0.0.1", "eth0"),), ""),
    ("auto", (Gateway("192.168.18.1", "eth0"), Gateway("192.168.18.2", "eth3")), "192.168.18.2"),
    ("auto", (Gateway("10.9.9.9", "eth3"),), "10.9.9.9"), ("none", (Gateway("192.168.18.1", "eth3"),), ""),
    ("192.168.18.7", (), "192.168.18.7"),
])
def test_the_gateway(gateway, known, address):
    assert gateway_of(ETH3, 4, gateway, known) == address


def test_a_nic_without_ipv6_has_no_gateway_of_it():
    assert gateway_of(ETH3, 6, "fe80::1", ()) == "fe80::1"
    assert gateway_of(replace(ETH3, ipv6=False), 6, "fe80::1", ()) == ""


def test_a_device_without_an_address_sends_by_the_gateway_given():
    ini = "[uplink:eth3]\ngateway=192.168.18.1"
    known = facts(LO, ETH0, replace(ETH3, addresses=()), VENET0)
    assert "default via 192.168.18.1 dev eth3 onlink" in routes(
        wanted(VE101, ini=ini, known=known), table("eth3", VE101, ini=ini, known=known))


def test_a_point_to_point_device_needs_no_gateway():
    ini = "[uplink:isp1]\ndevice=ppp0\ngateway=none\n"
    ve = Ve("101", ("192.168.18.101",), "isp1")
    known = facts(LO, ETH0, nic("ppp0", 9, kind="ppp", pointopoint=True), VENET0)
    assert "default dev ppp0" in routes(wanted(ve, ini=ini, known=known), table("isp1", ve, ini=ini, known=known))


def test_vzctl_publishes_on_nics_with_an_address_or_on_those_listed():
    live = VE101.addresses
    known = facts(LO, ETH0, replace(ETH3, addresses=()), replace(ETH4, up=False), VENET0, local=live)
    assert published(known) == {Proxy(4, *live, "eth0")}
    assert published(facts(local=live)) == {Proxy(4, *live, name) for name in ("eth0", "eth3", "eth4")}
    assert published(facts(local=live), ["eth3"]) == {Proxy(4, *live, "eth3")} and published(facts()) == set()
