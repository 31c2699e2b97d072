"""The rules hold VEs that have an uplink, and let all others pass by."""

from dataclasses import replace

import pytest

from tests.unit.example import NICS, facts, nic, rules, table_of, wanted
from vzhooks.addresses import host_prefix
from vzhooks.model import MAIN, Route, Rule, Ve
from vzhooks.policy import priorities
from vzhooks.policy.priorities import (
    BEHIND,
    END,
    ENTER,
    FROM_DEVICE,
    FROM_VE,
    JOIN,
    KEPT,
    LAST,
    NEAR,
    NOWHERE,
    OVER,
    PASS,
    REST,
    TO_VE,
    UNASSIGNED,
)
from vzhooks.policy.tables import LESS, uplink_key
from vzhooks.policy.wanting import is_ours

A, B, A6 = "192.168.18.101", "192.168.18.105", "fd00:18::101"
VE101, VE105 = Ve("101", (A,), "eth3"), Ve("105", (B,))
OWN = Ve("101", (A,), "eth3", ("web0",))
CUT = Ve("101", (A,), "eth9", ("web0",))
WEB0 = nic("web0", 9, kind="veth")
BLOCK, RESERVED = "[node]\nunassigned=block\n", "[node]\nreserved=eth0\n"


def both(*texts):
    return sorted([*texts] * 2)


def test_what_has_an_uplink_enters_and_all_else_passes_by():
    found = wanted(VE101, VE105)
    assert rules(found, ENTER) == [f"from {A}/32 goto {JOIN}"]
    assert rules(found, PASS) == both(f"from all goto {OVER}")
    assert rules(found, OVER) == both("from all nop")
    assert rules(found, NOWHERE) == [f"from {A}/32 unreachable"]
    assert not [r for r in rules(found, UNASSIGNED) if "iif" in r]


def test_a_family_without_any_ve_has_its_way_in_all_the_same():
    """A goto to nothing would let a VE's own device fall through to main."""
    found = wanted(Ve("101", (A,), "eth3", ("web0",)), known=facts(*NICS, WEB0))
    assert rules(found, JOIN) == both("from all nop") and len(rules(found, TO_VE)) == 1
    assert {r.family for r in found.items if isinstance(r, Rule) and r.goto == JOIN and r.iif} == {4, 6}


def test_the_way_in_goes_where_nobody_enters():
    assert not rules(wanted(VE105), JOIN) and not rules(wanted(VE105, ini=RESERVED), JOIN)


@pytest.mark.parametrize("ini", ["", RESERVED, BLOCK])
def test_a_goto_never_leads_back_and_never_to_nothing(ini):
    found = [i for i in wanted(VE101, VE105, ini=ini).items if isinstance(i, Rule)]
    assert [r for r in found if r.goto] and all(
        r.goto > r.priority and any(t.priority == r.goto and t.family == r.family for t in found)
        for r in found if r.goto)


@pytest.mark.parametrize("ini", ["", RESERVED, BLOCK, "[node]\nunassigned=eth4\n"])
def test_all_rules_carry_marks_by_which_they_are_known_again(ini):
    found = [i for i in wanted(OWN, VE105, ini=ini, known=facts(*NICS, WEB0)).items if isinstance(i, Rule)]
    assert found and all(is_ours(r.priority, 118) and not is_ours(r.priority, 4) for r in found)


@pytest.mark.parametrize("ve, by_source, by_device", [
    (OWN, "lookup {}", "lookup {}"), (CUT, "unreachable", "unreachable")])
def test_a_device_of_a_ve_s_own_is_held_whatever_source_it_uses(ve, by_source, by_device):
    known = facts(*NICS, WEB0)
    number = table_of(uplink_key("eth3"), ve, known=known) if ve is OWN else ""
    found = wanted(ve, known=known)
    assert rules(found, ENTER) == sorted([f"from {A}/32 goto {JOIN}", *both(f"from all iif web0 goto {JOIN}")])
    assert rules(found, FROM_VE) == [f"from {A}/32 {by_source.format(number)}"]
    assert rules(found, FROM_DEVICE) == both(f"from all iif web0 {by_device.format(number)}")
    mine = [f"from {A}/32 unreachable"] if ve is OWN else []  # else FROM_VE says it
    assert rules(found, NOWHERE) == sorted([*mine, *both("from all iif web0 unreachable")])


def test_a_device_is_held_before_vzctl_makes_it():
    assert both("from all iif web0 unreachable") == [r for r in rules(wanted(OWN), NOWHERE) if "web0" in r]


def test_a_device_of_a_ve_without_uplink_has_no_rule():
    found = wanted(VE101, Ve("105", (B,), "", ("web0",)), known=facts(*NICS, WEB0))
    assert not [r for r in rules(found) if "web0" in r or B in r.replace(f"to {B}", "")]


def test_block_shuts_all_sides_of_ves():
    known = facts(*NICS, nic("ve7", 9, kind="veth", ve=True))
    found = wanted(VE105, ini=BLOCK, known=known)
    assert rules(found, ENTER) == sorted([f"from {B}/32 goto {JOIN}",
                                          *both(*(f"from all iif {d} goto {JOIN}" for d in ("ve7", "venet0")))])
    assert rules(found, NOWHERE) == both("from all iif ve7 unreachable", "from all iif venet0 unreachable")
    assert rules(wanted(ini=BLOCK), NOWHERE) == both("from all iif venet0 unreachable")


def test_reserved_adds_late_rules_alone_while_no_ve_has_an_uplink():
    known = facts(*NICS, nic("ve7", 9, kind="veth", ve=True))
    number, found = table_of(LESS, VE105, ini=RESERVED, known=known), wanted(VE105, ini=RESERVED, known=known)
    late = [r for r in rules(found, UNASSIGNED) if "iif" in r]
    assert late == sorted([f"from {B}/32 iif lo goto {BEHIND}", *both(
        f"from all iif ve7 goto {BEHIND}", f"from all iif venet0 goto {BEHIND}")])
    assert rules(found, KEPT) == both(f"from all lookup {number}")
    assert not [r for p in (ENTER, PASS, TO_VE, FROM_VE, FROM_DEVICE, NOWHERE, OVER) for r in rules(found, p)]


def test_reserved_s_late_rule_spares_who_is_held_already():
    found = wanted(OWN, VE105, ini=RESERVED, known=facts(*NICS, WEB0))
    assert {r.split(" goto")[0] for r in rules(found, UNASSIGNED) if "iif" in r} == {
        "from all iif venet0", f"from {B}/32 iif lo"}


def test_behind_main_there_are_local_ves_alone_for_those_without_uplink_and_nothing_for_others():
    found = wanted(VE105, ini=RESERVED, known=facts(local=[B]))
    assert rules(found, REST) == both(f"from all goto {END}") and rules(found, END) == both("from all nop")
    assert rules(found, NEAR) == [f"from all to {B}/32 lookup main suppress_prefixlength 31"]
    assert rules(found, LAST) == both("from all unreachable")
    assert not rules(wanted(VE101), REST) and not rules(wanted(VE101), LAST)


@pytest.mark.parametrize("main, led", [
    ([], True),
    ([Route(4, MAIN, host_prefix(B), "venet0")], True),
    ([Route(4, MAIN, host_prefix(B), "vx0")], False),
    ([Route(4, MAIN, host_prefix(B), "eth0")], False),
    ([Route(4, MAIN, host_prefix(B), "vx0"), Route(4, MAIN, host_prefix(B), "venet0", metric=1000)], False),
    ([Route(4, MAIN, host_prefix(B), type="blackhole")], True),
    ([Route(4, MAIN, "192.168.18.0/24", "vx0")], True)])
def test_a_way_to_a_ve_is_for_one_that_is_routed_here(main, led):
    """A mounted VE may still live elsewhere; its rule would lead packets of others out by a tunnel."""
    known = facts(*NICS, nic("vx0", 9, kind="vxlan"), main=main)
    found = wanted(VE101, VE105, known=known)
    assert any(f"to {B}/32" in r for r in rules(found, TO_VE)) is led
    assert all(r.endswith("lookup main suppress_prefixlength 31") for r in rules(found, TO_VE))


def test_an_address_that_is_routed_to_a_ve_and_in_no_config_has_its_way():
    found = wanted(VE101, known=facts(local=["169.254.10.5", A6]))
    assert [r for r in rules(found, TO_VE) if "169.254.10.5/32" in r]
    assert [r for r in rules(found, TO_VE) if f"{A6}/128 lookup main suppress_prefixlength 127" in r]


def test_an_address_for_one_link_alone_is_held_as_any_other():
    found = wanted(Ve("101", ("169.254.10.5",), "eth3"))
    assert rules(found, ENTER) == [f"from 169.254.10.5/32 goto {JOIN}"] and rules(found, FROM_VE)


def test_the_priorities_stand_in_their_order():
    order = [ENTER, PASS, JOIN, TO_VE, FROM_VE, FROM_DEVICE, NOWHERE, OVER, priorities.OWN_SPECIFIC, priorities.OWN_LAN]
    assert order == sorted(order) and {*order} <= {*priorities.BAND}
    assert OVER > NOWHERE and {priorities.OWN_MAIN, priorities.OWN_DEFAULT, UNASSIGNED} <= {*priorities.LATE}
    late = [priorities.OWN_MAIN, priorities.OWN_DEFAULT, REST, BEHIND, priorities.NEAR_MARK, KEPT, NEAR, LAST, END]
    assert late == sorted(priorities.LATE) and UNASSIGNED < 32766 < REST


ALL = """\
1000 from VE101 goto 1005
1000 from all iif web0 goto 1005
1001 from all goto 1050
1005 from all nop
1010 from all to VE101 lookup main suppress_prefixlength NEAR
1010 from all to VE105 lookup main suppress_prefixlength NEAR
1010 from all to VE109 lookup main suppress_prefixlength NEAR
1020 from VE101 lookup 13351
1030 from all iif web0 lookup 13351
1040 from VE101 unreachable
1040 from all iif web0 unreachable
1050 from all nop
32765 from VE105 iif lo goto 32810
32765 from VE109 iif lo goto 32810
32765 from all iif venet0 goto 32810
32800 from all goto 32850
32810 from all nop
32820 from all lookup 11636
32830 from all to VE105 lookup main suppress_prefixlength NEAR
32830 from all to VE109 lookup main suppress_prefixlength NEAR
32840 from all unreachable
32850 from all nop
"""


@pytest.mark.parametrize("family, ves, near", [
    (4, {"VE101": f"{A}/32", "VE105": f"{B}/32", "VE109": "192.168.18.109/32"}, "31"),
    (6, {"VE101": f"{A6}/128", "VE109": "fd00:18::109/128"}, "127")])
def test_they_are_these_and_no_others(family, ves, near):
    """VE 109's address is routed, and in no config; VE 105 has none of IPv6."""
    there = Ve("101", (A, A6), "eth3", ("web0",)), VE105
    found = wanted(*there, ini=RESERVED, known=facts(*NICS, WEB0, local=[B, "192.168.18.109", "fd00:18::109"]))
    lines = [line for line in ALL.replace("NEAR", near).splitlines() if family == 4 or "VE105" not in line]
    for name, address in ves.items():
        lines = [line.replace(name, address) for line in lines]
    assert sorted(f"{i.priority} {str(i).partition(' priority')[0]}" for i in found.items
                  if isinstance(i, Rule) and i.family == family) == sorted(lines)


@pytest.mark.parametrize("family, address", [(4, B), (6, "fd00:18::105")])
def test_a_node_of_one_family_leads_to_its_ves_all_the_same(family, address):
    """To those that others have routed as well."""
    known = replace(facts(local=[address]), families=(family,))
    found = wanted(Ve("101", (A, A6), "eth3"), ini="[node]\nreserved=eth0\n", known=known)
    for priority in (TO_VE, NEAR):
        assert [r for r in rules(found, priority) if f"to {address}/" in r]
        assert {i.family for i in found.items if isinstance(i, Rule)} == {family}
