"""From rules to marks and back: after each single change every packet goes its way."""

from dataclasses import replace

import pytest

from tests.unit.example import facts, wanted
from vzhooks.model import MAIN, Element, Route, Rule, Skeleton, Sysctl, Ve
from vzhooks.policy import layout, plan
from vzhooks.policy.foreign import Other
from vzhooks.policy.harden import VALID_MARK
from vzhooks.policy.marks import Marks
from vzhooks.policy.plan import ADD, DELETE, REPLACE, diff
from vzhooks.policy.walk import LOCAL, as_other, walk

A, B, C, FAR = "192.168.18.101", "192.168.18.102", "192.168.18.105", "203.0.113.9"
OWN = "192.168.18.10"
VES = Ve("101", (A,), "eth3"), Ve("102", (B,), "eth4"), Ve("105", (C,))
OTHER = Ve("101", (A,), "eth4"), *VES[1:]
HERE = facts(local=[A, B, C])
GOES = {A: "eth3", B: "eth4", C: "eth0"}
KERNEL = (Other(4, 0, "lookup local", LOCAL), Other(4, 32766, "lookup main", MAIN))


def state(datapath, ves=VES, shared=True, reserved=""):
    ini = f"[node]\ndatapath={datapath}\n{reserved}"
    found = wanted(*ves, ini=ini, known=replace(HERE, shared=shared))
    return found.items | {Sysctl(VALID_MARK, "1" if datapath == "map" else "0")}


def steps(found, goal):
    """Yield what the kernel holds after each change; a guard and its elements come in one transaction."""
    ops, now = diff(goal, found), set(found)
    yield now
    for op, after in zip(ops, (*ops[1:], None)):
        if isinstance(op.item, Skeleton):
            now = {i for i in now if not isinstance(i, (Skeleton, Element))}
        if isinstance(op.item, Sysctl):
            now = {i for i in now if not isinstance(i, Sysctl)}
        if isinstance(op.item, Element) and op.verb == REPLACE:
            now = {i for i in now if plan.key_of(i) != plan.key_of(op.item)}
        now = now - {op.item} if op.verb == DELETE else now | {op.item}
        batch = isinstance(op.item, (Skeleton, Element)) and after and isinstance(after.item, Element)
        if not batch:
            yield now
    assert now == goal


def way(held, src, dst=FAR, iif="venet0", mark=None):
    """Return the device by which a packet leaves, "" for none; mark: one of somebody else."""
    tables = {MAIN: HERE.main}
    for route in (i for i in held if isinstance(i, Route)):
        tables[route.table] = (*tables.get(route.table, ()), route)
    rules = [as_other(i) for i in held if isinstance(i, Rule) and i.family == 4]
    found = walk(src, dst, iif, [*rules, *KERNEL], tables, HERE.own,
                 Marks(held).of(src, dst, iif) if mark is None else mark)
    return found.dev


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("reserved", ["", "reserved=eth0\n"])
@pytest.mark.parametrize("was, now", [("rule", "map"), ("map", "rule")])
def test_each_packet_goes_its_way_at_each_step(was, now, shared, reserved):
    ends = (state(was, shared=shared, reserved=reserved), state(now, shared=shared, reserved=reserved))
    goes = {**GOES, C: "" if reserved else "eth0"}
    for held in steps(*ends):
        assert {src: way(held, src) for src in GOES} == goes
        assert {way(held, src, dst) for src in (A, B) for dst in (A, B, C) if src != dst} == {"venet0"}


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("reserved", ["", "reserved=eth0\n"])
@pytest.mark.parametrize("was, now", [("rule", "map"), ("map", "rule"), ("map", ""), ("", "map"), ("", "rule")])
def test_what_the_node_sends_goes_by_main_at_each_step_whatever_its_mark(was, now, shared, reserved):
    ends = [state(name or "rule", VES if name else (), shared, reserved if name else "") for name in (was, now)]
    for held in steps(*ends):
        for mark in (None, 0x330000, 0xB30000, 1):
            assert way(held, OWN, iif="lo", mark=mark) == "eth0"
            assert way(held, OWN, A, "lo", mark) == "venet0"


@pytest.mark.parametrize("datapath", ["rule", "map"])
@pytest.mark.parametrize("shared", [True, False])
def test_at_no_step_of_a_start_a_move_or_an_end_does_a_packet_leave_by_a_third_nic(datapath, shared):
    one, two = state(datapath, shared=shared), state(datapath, OTHER, shared)
    none = state("rule", (), shared)
    moved, begun = {"eth3", "eth4"}, {"eth0", "eth3", ""}
    for found, goal, may in ((one, two, moved), (two, one, moved), (none, one, begun), (one, none, begun)):
        ways = [way(held, A) for held in steps(found, goal)]
        assert set(ways) <= may
        changes = [w for n, w in enumerate(ways) if n and w != ways[n - 1]]
        assert len(changes) <= 2 and ways[0] != ways[-1]  # no way back in between


@pytest.mark.parametrize("shared", [True, False])
def test_at_no_step_of_a_start_or_an_end_beside_others_does_a_mark_lead_nowhere(shared):
    """A packet has one only while there is a way for it."""
    less, more = state("map", VES[1:], shared), state("map", VES, shared)
    for found, goal in ((less, more), (more, less)):
        assert {way(held, A) for held in steps(found, goal)} == {"eth0", "eth3"}
        assert {way(held, B) for held in steps(found, goal)} == {"eth4"}


def test_what_answers_for_addresses_changes_behind_the_rules():
    arp, rule = "net/ipv4/conf/eth3/arp_ignore", Rule(4, 1060, 9, "192.168.18.11/32")
    assert [op.item for op in diff({Sysctl(arp, "1"), rule}, {Sysctl(arp, "0")})] == [rule, Sysctl(arp, "1")]


def test_filters_count_marks_before_rules_go_by_them_and_as_long():
    items = [op.item for op in diff(state("map"), state("rule"))]
    sysctl = next(i for i in items if isinstance(i, Sysctl))
    assert items.index(sysctl) < min(n for n, i in enumerate(items) if isinstance(i, Rule) and i.mark)
    items = [op.item for op in diff(state("rule"), state("map"))]
    sysctl = next(i for i in items if isinstance(i, Sysctl))
    assert items.index(sysctl) > max(n for n, i in enumerate(items) if isinstance(i, Rule) and i.mark)
    for value in ("0", "1"):  # any other is set with the rest
        other, rest = Sysctl("net/ipv4/conf/eth3/arp_ignore", value), Sysctl(VALID_MARK, "0")
        ops = diff({other, rest}, {Sysctl(other.key, "2"), Sysctl(VALID_MARK, "1"), Rule(4, 1059)})
        assert [op.item for op in ops] == [other, Rule(4, 1059), rest]


def test_a_guard_that_is_none_of_two_is_added_and_another_one_replaced():
    bare = {i for i in state("map") if not isinstance(i, (Skeleton, Element))}
    verbs = {op.verb for op in diff(state("map"), bare) if isinstance(op.item, Skeleton)}
    assert verbs == {ADD}
    verbs = {op.verb for op in diff(state("map"), bare | {layout.layout().skeleton}) if isinstance(op.item, Skeleton)}
    assert verbs == {REPLACE}
