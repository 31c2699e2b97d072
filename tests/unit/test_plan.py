"""The diff is empty for what is, complete for what is not, and safe at every step."""

import random

import pytest

from tests.unit.node import wanted
from vzhooks import guard, plan
from vzhooks.model import Element, Route, Rule, Skeleton, Ve
from vzhooks.plan import ADD, DELETE, REPLACE, Op, Scope, diff

ONE = wanted(Ve("101", ("192.168.18.101", "fd00::101"), "eth3")).items
TWO = wanted(Ve("101", ("192.168.18.101",), "eth4"), Ve("102", ("192.168.18.102",), "eth3")).items
BLOCKED = wanted(Ve("101", ("192.168.18.101",), "eth9"), Ve("105", ("192.168.18.105",))).items
STATES = (frozenset(), ONE, TWO, BLOCKED)


def after(found, ops):
    """Return what the kernel would hold after these ops, refusing what it would refuse."""
    state = set(found)
    for op in ops:
        if isinstance(op.item, Skeleton):
            state = {i for i in state if not isinstance(i, (Skeleton, Element))}
        if op.verb == DELETE:
            assert isinstance(op.item, Skeleton) or op.item in state
            state.discard(op.item)
        elif isinstance(op.item, Route):
            same = {i for i in state if isinstance(i, Route) and i.key == op.item.key}
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
        found = frozenset({i.key if isinstance(i, Route) else i: i for i in found}.values())
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
        assert Element("sources4", ("192.168.18.101",)) in half and guard.SKELETON in half


def test_the_guard_stands_before_any_rule_and_goes_last():
    up, down = diff(ONE, frozenset()), diff(frozenset(), ONE)
    assert isinstance(up[0].item, Skeleton) and isinstance(down[-1].item, Skeleton)


def test_the_last_resort_stands_before_the_rule_that_looks_it_up():
    items = [op.item for op in diff(ONE, frozenset())]
    rule = next(i for i in items if isinstance(i, Rule) and i.src == "192.168.18.101/32")
    resort = next(i for i in items if isinstance(i, Route) and not i.dev and i.table == rule.table)
    assert items.index(resort) < items.index(rule)


def test_another_gateway_is_one_replace():
    old, new = (Route(4, 9, "default", "eth3", g) for g in ("10.0.0.1", "10.0.0.2"))
    assert diff({new}, {old}) == (Op(REPLACE, new),)


def test_an_altered_guard_is_made_anew_for_all_ves_whatever_the_scope():
    found = TWO - {guard.SKELETON} | {Skeleton("altered")}
    ops = diff(TWO, found, Scope(frozenset({"192.168.18.101"})))
    assert ops[0] == Op(REPLACE, guard.SKELETON)
    assert {op.item for op in ops if isinstance(op.item, Element)} == {i for i in TWO if isinstance(i, Element)}


def test_a_scope_leaves_other_ves_alone():
    ops = diff(BLOCKED, TWO, Scope(frozenset({"192.168.18.101"})))
    assert ops and {plan.address_of(op.item) for op in ops} <= {"", "192.168.18.101"}


def test_adds_come_before_deletes():
    verbs = [op.verb for op in diff(TWO, ONE)]
    assert verbs == sorted(verbs, key=lambda v: v == DELETE) and ADD in verbs and DELETE in verbs
