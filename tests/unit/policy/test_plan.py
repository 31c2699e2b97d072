"""The diff is empty for what is, complete for what is not, and safe at every step."""

import random
from dataclasses import replace

import pytest

from tests.unit.example import ETH0, ETH3, ETH4, LO, VENET0, facts, wanted
from vzhooks.model import Element, Route, Rule, Skeleton, Sysctl, Ve
from vzhooks.policy import layout, plan
from vzhooks.policy.plan import ADD, DELETE, REPLACE, Op, Scope, diff
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

SKELETON = layout.layout().skeleton
ONE = wanted(Ve("101", ("192.168.18.101", "fd00::101"), "eth3")).items
TWO = wanted(Ve("101", ("192.168.18.101",), "eth4"), Ve("102", ("192.168.18.102",), "eth3")).items
BLOCKED = wanted(Ve("101", ("192.168.18.101",), "eth9"), Ve("105", ("192.168.18.105",))).items
VE101, ALIKE = Ve("101", ("192.168.18.101",), "eth3", ("web0",)), Ve("102", ("192.168.18.100",), "eth3")
BARE = facts(LO, ETH0, replace(ETH3, addresses=()), ETH4, VENET0, local=["192.168.18.101", "192.168.18.100"])
# An uplink without an address asks in the name of one of its VEs, which differs between these two.
ASKING, ASKING_TOO = (wanted(*ves, ini="[uplink:eth3]\ngateway=192.168.18.1\n[node]\nreserved=eth0\n",
                             known=BARE).items for ves in ((VE101,), (VE101, ALIKE)))
STATES = (frozenset(), ONE, TWO, BLOCKED, ASKING, ASKING_TOO)


def after(found, ops):
    """Return what the kernel would hold after these ops, refusing what it would refuse."""
    state = set(found)
    for op in ops:
        if isinstance(op.item, Skeleton):
            state = {i for i in state if not isinstance(i, (Skeleton, Element))}
        if op.verb == DELETE:
            assert isinstance(op.item, Skeleton) or op.item in state
            state.discard(op.item)
        elif plan.key_of(op.item):
            same = {i for i in state if plan.key_of(i) == plan.key_of(op.item)}
            assert not same or op.verb == REPLACE
            state = state - same | {op.item}
        else:
            assert op.item not in state
            state.add(op.item)
    return frozenset(state)


@pytest.mark.parametrize("state", STATES)
def test_nothing_to_do_for_what_is(state):
    assert diff(state, state) == ()


@pytest.mark.parametrize("found", STATES)
@pytest.mark.parametrize("goal", STATES)
def test_the_ops_lead_from_any_state_to_any_other(found, goal):
    assert after(found, diff(goal, found)) == goal


@pytest.mark.parametrize("found", STATES)
@pytest.mark.parametrize("goal", STATES)
def test_a_crash_after_any_op_is_mended_by_the_next_run(found, goal):
    ops = diff(goal, found)
    for k in range(len(ops) + 1):
        half = after(found, ops[:k])
        assert after(half, diff(goal, half)) == goal


def test_random_walks_end_right():
    dice = random.Random(118)
    pool = sorted(frozenset().union(*STATES), key=str)
    for _ in range(300):
        found = frozenset(dice.sample(pool, dice.randrange(len(pool))))
        found = frozenset({plan.key_of(i) or i: i for i in found}.values())
        goal = dice.choice(STATES)
        assert after(found, diff(goal, found)) == goal


def from_rules(items, address):
    return [i for i in items if isinstance(i, Rule) and i.src == address + "/32"]


def test_a_move_makes_before_it_breaks():
    """At no step is the VE without a rule of its own, nor without the guard for its source."""
    goal = wanted(Ve("101", ("192.168.18.101",), "eth4")).items
    found = wanted(Ve("101", ("192.168.18.101",), "eth3")).items
    ops = diff(goal, found)
    for k in range(len(ops) + 1):
        half = after(found, ops[:k])
        assert from_rules(half, "192.168.18.101")
        assert Element("known4", ("192.168.18.101", "assigned4")) in half and SKELETON in half


def test_the_guard_stands_before_any_rule_and_goes_last():
    up, down = diff(ONE, frozenset()), diff(frozenset(), ONE)
    assert isinstance(up[0].item, Skeleton) and isinstance(down[-1].item, Skeleton)


def test_the_last_resort_stands_before_the_rule_that_looks_it_up():
    items = [op.item for op in diff(ONE, frozenset())]
    rule = next(i for i in items if isinstance(i, Rule) and i.src == "192.168.18.101/32" and i.table)
    resort = next(i for i in items if isinstance(i, Route) and not i.dev and i.table == rule.table)
    assert items.index(resort) < items.index(rule)


def placed(priority):
    return [r for r in ASKING if isinstance(r, Rule) and r.priority == priority]


@pytest.mark.parametrize("first, then", [(OVER, NOWHERE), (PASS, NOWHERE), (NOWHERE, FROM_DEVICE), (NOWHERE, FROM_VE),
                                         (FROM_DEVICE, ENTER), (FROM_VE, ENTER), (TO_VE, ENTER), (JOIN, ENTER),
                                         (OVER, PASS)])
def test_who_passes_by_is_let_by_before_anything_stops_and_a_ve_enters_last(first, then):
    """So no step hinders who asked for nothing, and none leaves a VE between its rules; the same in reverse away."""
    up = [op.item for op in diff(ASKING, frozenset())]
    down = [op.item for op in diff(frozenset(), ASKING)]
    assert placed(first) and placed(then)
    assert max(map(up.index, placed(first))) < min(map(up.index, placed(then)))
    assert max(map(down.index, placed(then))) < min(map(down.index, placed(first)))


def test_at_no_step_does_a_rule_stop_what_has_not_been_let_by():
    for goal, found in ((ASKING, frozenset()), (frozenset(), ASKING), (TWO, ASKING), (ASKING, TWO)):
        for k in range(len(ops := diff(goal, found)) + 1):
            half = {(r.family, r.priority) for r in after(found, ops[:k]) if isinstance(r, Rule)}
            stops = {f for f, p in half if p == NOWHERE}
            assert all({(f, PASS), (f, OVER)} <= half for f in stops)
            assert all((f, OVER) in half for f, p in half if p == PASS)


def test_at_no_step_does_a_ve_enter_where_there_is_no_way_in():
    """The kernel passes over a goto that leads to nothing, and main would take the packet."""
    for goal, found in ((ASKING, frozenset()), (frozenset(), ASKING), (TWO, ASKING), (BLOCKED, ONE)):
        for k in range(len(ops := diff(goal, found)) + 1):
            half = {(r.family, r.priority) for r in after(found, ops[:k]) if isinstance(r, Rule)}
            assert all((f, JOIN) in half for f, p in half if p == ENTER)


def test_who_has_no_uplink_goes_around_main_last_of_all_and_nobody_else_is_stopped_behind_it():
    kept = wanted(Ve("105", ("192.168.18.105",)), ini="[node]\nreserved=eth0\n").items
    for goal, found in ((kept, frozenset()), (frozenset(), kept)):
        for k in range(len(ops := diff(goal, found)) + 1):
            half = {(r.family, r.priority) for r in after(found, ops[:k]) if isinstance(r, Rule)}
            assert all((f, p) in half for f, q in half if q == LAST for p in (REST, END))
            assert all((f, p) in half for f, q in half if q == UNASSIGNED for p in (BEHIND, KEPT, LAST))


@pytest.mark.parametrize("item, concerns_all", [
    (Rule(4, UNASSIGNED, mark=(1, 3), goto=BEHIND), True),
    (Skeleton("x"), True), (Rule(4, PASS, goto=1050), True), (Rule(4, UNASSIGNED, 9, iif="venet0"), True),
    (Rule(4, UNASSIGNED, 9, "10.0.0.1/32"), False), (Rule(4, FROM_VE, 9, "10.0.0.1/32"), False),
    (Rule(4, FROM_VE, 9, iif="venet0"), False), (Element("near", ("lo",)), False)])
def test_what_concerns_all_ves_is_told_from_what_serves_one(item, concerns_all):
    assert bool(plan.shape([item])) is concerns_all


def test_another_asker_is_one_replace():
    ops = diff(ASKING_TOO, ASKING)
    assert [(op.verb, op.item.value) for op in ops if isinstance(op.item, Element) and op.item.set == "arp:askers"] == [
        (REPLACE, ("eth3", "192.168.18.100"))]


def test_a_device_may_stand_in_many_elements_of_a_set():
    one, two = Element("ways", ("web0", "eth3")), Element("ways", ("web0", "eth4"))
    assert diff({two}, {one}) == (Op(ADD, two), Op(DELETE, one))


def test_another_value_of_a_sysctl_is_one_replace():
    old, new = (Sysctl("net/ipv4/conf/eth3/arp_ignore", v) for v in "01")
    assert diff({new}, {old}) == (Op(REPLACE, new),)


def test_a_table_that_another_ve_looks_up_is_not_emptied():
    table, resort = Rule(4, FROM_VE, 9, src="192.168.18.102/32"), Route(4, 9, "default", metric=4294967295)
    assert diff(frozenset(), {table, resort}, Scope(frozenset({"192.168.18.101"}))) == ()
    assert {op.item for op in diff(frozenset(), {table, resort})} == {table, resort}


@pytest.mark.parametrize("item, address", [
    (Rule(4, ENTER, iif="web0", goto=JOIN), ""), (Rule(6, JOIN), ""),
    (Rule(4, ENTER, src="192.168.18.101/32", goto=JOIN), "192.168.18.101"),
    (Rule(4, TO_VE, 254, dst="192.168.18.101/32"), "192.168.18.101"), (Rule(4, NOWHERE, iif="web0"), ""),
    (Rule(6, FROM_VE, 9, src="fd00::101/128"), "fd00::101"), (Rule(4, FROM_DEVICE, 9, iif="web0"), ""),
    (Rule(4, NOWHERE, src="192.168.18.101/32", unreachable=True), "192.168.18.101"),
    (Rule(4, 32765, src="192.168.18.105/32", iif="lo", goto=32810), "192.168.18.105"),
    (Rule(4, NEAR, 254, dst="192.168.18.105/32", suppress=31), "192.168.18.105"),
    (Rule(4, 1060, 9, src="192.168.18.11/32"), ""), (Rule(4, 32765, 9, src="192.168.18.11/32"), ""),
    (Element("homes4", ("192.168.18.101", "venet0")), "192.168.18.101"), (Element("ways", ("web0", "eth3")), ""),
    (Element("arp:askers", ("eth3", "192.168.18.101")), ""), (SKELETON, "")])
def test_which_ve_s_address_an_item_serves(item, address):
    assert plan.address_of(item) == address


def test_another_gateway_is_one_replace():
    old, new = (Route(4, 9, "default", "eth3", g) for g in ("10.0.0.1", "10.0.0.2"))
    assert diff({new}, {old}) == (Op(REPLACE, new),)


def test_an_altered_guard_is_made_anew_for_all_ves_whatever_the_scope():
    found = TWO - {SKELETON} | {Skeleton("altered")}
    ops = diff(TWO, found, Scope(frozenset({"192.168.18.101"})))
    assert ops[0] == Op(REPLACE, SKELETON)
    assert {op.item for op in ops if isinstance(op.item, Element)} == {i for i in TWO if isinstance(i, Element)}


def test_a_scope_leaves_other_ves_alone():
    ops = diff(BLOCKED, TWO, Scope(frozenset({"192.168.18.101"})))
    assert ops and {plan.address_of(op.item) for op in ops} <= {"", "192.168.18.101"}


@pytest.mark.parametrize("item, covered", [
    (Rule(4, FROM_VE, 9, "192.168.18.101/32"), True), (Rule(4, FROM_VE, 9, "192.168.18.102/32"), False),
    (Rule(4, PASS, goto=OVER), True), (Element("near", ("lo",)), True)])
def test_a_scope_covers_its_ves_and_the_node(item, covered):
    scope = Scope(frozenset({"192.168.18.101"}))
    assert scope.covers(item) is covered and Scope().covers(item)
    assert [op.item for op in diff({item}, frozenset(), scope)] == ([item] if covered else [])


def test_adds_come_before_deletes():
    verbs = [op.verb for op in diff(TWO, ONE)]
    assert verbs == sorted(verbs, key=lambda v: v == DELETE) and ADD in verbs and DELETE in verbs


def test_what_is_closed_by_elements_is_so_before_any_way_is_open_but_marks_come_last():
    """In a guard that stands: as a whole it comes with all its elements."""
    by = {way: wanted(*ves, ini=f"[node]\ndatapath={way}\n").items for way in ("rule", "map")
          for ves in [(Ve("101", ("192.168.18.101",), "eth3"), Ve("102", ("192.168.18.102",), "eth4"))]}
    for way, items in by.items():
        found = {i for i in items if isinstance(i, Skeleton)}
        kinds = [op.item.set if isinstance(op.item, Element) else type(op.item).__name__ for op in diff(items, found)]
        marks = [n for n, kind in enumerate(kinds) if kind in layout.MARK_SETS]
        rest = [n for n, kind in enumerate(kinds) if kind in layout.SETS and n not in marks]
        routes = [n for n, kind in enumerate(kinds) if kind in ("Route", "Rule")]
        assert max(rest) < min(routes) and bool(marks) is (way == "map")
        assert not marks or max(routes) < min(marks)


def test_routes_of_a_table_go_from_the_last_resort_to_the_nearest_and_then_to_the_default():
    dsts = ["unreachable", "10.0.0.0/28", "10.0.0.0/24", "10.0.0.0/8", "default"]
    table = [Route(4, 7, "default", type="unreachable", metric=9) if dst == "unreachable"
             else Route(4, 7, dst, "eth3", "10.0.0.1" if dst == "default" else "") for dst in dsts]
    assert [op.item for op in diff(frozenset(table), frozenset())] == table
