"""How packets find their uplink: by rules while few, by marks that no other rule looks at, and by the same again."""

from dataclasses import replace

import pytest

from tests.unit.example import ETH3, NICS, elements, facts, rules, wanted
from vzhooks.model import MAIN as TABLE
from vzhooks.model import Element, Route, Rule, Skeleton, Ve
from vzhooks.policy import datapath, layout, priorities
from vzhooks.policy.foreign import Other
from vzhooks.policy.marks import Marks

A, B, C, A6 = "192.168.18.101", "192.168.18.102", "192.168.18.105", "fd00:18::101"
MAP, MASK = "[node]\ndatapath=map\n", 0xFF0000
LOCAL, MADE, PASSES, CLOSED, SEEN = 0x800000, 0x400000, 0x3F0000, 0x3E0000, 0x3D0000
ASSIGNED, OTHER, PLAIN = Ve("101", (A, A6), "eth3"), Ve("102", (B,), "eth4"), Ve("105", (C,))
HERE = facts(local=[A, A6, B, C])


def by_map(*ves, ini=MAP, known=HERE, **more):
    return wanted(*ves, ini=ini, known=known, **more)


def mark_of(found, device):
    """Return the mark of the uplink by a device."""
    return next(int(chain.rpartition("_")[2], 16) for dev, chain in elements(found, "returns") if dev == device)


def test_the_bits_of_a_mask_are_told_from_each_other():
    given = layout.layout(MASK)
    assert (given.local, given.made, given.passes, given.closed, given.seen) == (LOCAL, MADE, PASSES, CLOSED, SEEN)
    odd = layout.layout(0x100F00)
    assert (odd.local, odd.made, odd.passes, odd.closed, odd.seen) == (0x100000, 0x800, 0x700, 0x600, 0x500)


@pytest.mark.parametrize("number, mask, bits", [(5, 0xFF, 5), (5, 0xFF0000, 0x50000), (3, 0x90, 0x90), (2, 0x90, 0x80),
                                                (0, 0xFF, 0)])
def test_a_number_s_bits_are_put_where_a_mask_has_some(number, mask, bits):
    assert datapath.spread(number, mask) == bits


@pytest.mark.parametrize("mask, uplinks", [(0x1F, 4), (0xF, 0), (MASK, 60), (0x80000001, 0), (0x8001, 0),
                                           (0x10, 0), (7, 0), (0, 0)])
def test_how_many_uplinks_a_mask_has_marks_for(mask, uplinks):
    assert datapath.capacity(mask) == uplinks


@pytest.mark.parametrize("count, was, marks", [(9, False, False), (10, False, True), (6, True, True), (5, True, False),
                                               (6, False, False)])
def test_auto_takes_marks_from_so_many_addresses_on_and_keeps_them_for_a_while(count, was, marks):
    ves = [Ve(str(n), (f"10.9.0.{n}",), "eth3") for n in range(1, count + 1)]
    found = by_map(ASSIGNED).items if was else ()
    assert bool(wanted(*ves, ini="[node]\ndatapath=auto\n", known=HERE, found=found).by.mask) is marks


def test_what_goes_by_no_uplink_or_is_asked_for_as_rules_counts_for_no_map():
    many = [Ve(str(n), (f"10.9.0.{n}",), "eth3") for n in range(1, 8)]
    plain = [Ve(str(n), (f"10.9.1.{n}",)) for n in range(1, 8)]
    auto, marked = "[node]\ndatapath=auto\n", by_map(ASSIGNED).items
    assert not wanted(*many, *plain, ini=auto, known=HERE).by.mask
    assert not wanted(*many, *many, ini="[node]\ndatapath=rule\n", known=HERE, found=marked).by.mask
    assert wanted(*many, ini=auto, known=HERE, found=marked).by.mask
    for priority in (priorities.BACK, priorities.UNMARKED):  # no rule that gives marked packets their way
        assert not wanted(*many, ini=auto, known=HERE, found=[i for i in marked if isinstance(i, Rule)
                                                              and i.priority == priority]).by.mask
    assert not wanted(*many, ini=auto, known=HERE, found=[Rule(4, priorities.BY_MARK, 7)]).by.mask


def test_what_keeps_auto_from_marks_is_no_problem():
    many = [Ve(str(n), (f"10.9.0.{n}",), "eth3") for n in range(1, 12)]
    theirs = replace(HERE, others=(Other(4, 20000, "lookup 100", 100, mark=(1, 0xFFFFFFFF)),))
    found = wanted(*many, ini="[node]\ndatapath=auto\n", known=theirs)
    assert not found.by.mask and not [p for p in found.problems if "marks" in p.text]


def test_as_many_uplinks_as_there_are_marks_each_have_one():
    """None of those that mean something else."""
    ini = MAP + "mark_mask=0x1f\n" + "".join(f"[uplink:isp{n}]\ndevice=eth{n}\n" for n in range(10, 14))
    found = by_map(Ve("101", (A,), "isp10"), ini=ini)
    assert sorted(found.by.numbers.values()) == [1, 2, 3, 4]
    assert set(found.by.numbers) == {f"isp{n}" for n in range(10, 14)}
    assert found.by.layout.marks == (1, 2, 3, 4, 6, 7)


@pytest.mark.parametrize("before", [True, False])
def test_a_look_at_few_ves_leaves_the_datapath_as_it_is(before):
    found = by_map(ASSIGNED).items if before else wanted(ASSIGNED).items
    assert bool(wanted(ASSIGNED, known=HERE, found=found, whole=False).by.mask) is before


def test_there_are_as_many_rules_as_uplinks_however_many_ves():
    few = len(rules(by_map(ASSIGNED, OTHER)))
    many = [Ve(str(n), (f"10.9.0.{n}",), "eth3") for n in range(1, 60)]
    assert len(rules(by_map(ASSIGNED, OTHER, *many))) == few
    assert not [r for r in by_map(ASSIGNED, OTHER).items if isinstance(r, Rule) and r.src and r.priority < 1060]


@pytest.mark.parametrize("rule, used", [
    (Other(4, 20000, "lookup 100", 100, mark=(1, 0xFFFFFFFF)), False),
    (Other(4, 20000, "lookup 100", 100, mark=(0x80000, 0xFF0000)), False),
    (Other(4, 20000, "lookup 100", 100, mark=(1, 1)), False),
    (Other(4, 20000, "lookup 100", 100, mark=(0xCA6C, 0xFFFFFFFF), inverted=True), True),
    (Other(4, 20000, "lookup 100", 100, mark=(0x80000, 0xFF0000), inverted=True), False),
    (Other(4, 20000, "lookup 100", 100, src="10.0.0.0/8"), True)])
def test_where_rules_of_others_go_by_marks_ours_do_not(rule, used):
    found = by_map(ASSIGNED, known=replace(HERE, others=(rule,)))
    assert bool(found.by.mask) is used
    assert used or [p.text for p in found.problems if "goes by marks as well" in p.text and rule.named in p.text]


def test_with_more_uplinks_than_marks_rules_are_used():
    ini = MAP + "mark_mask=0x1f\n" + "".join(f"[uplink:isp{n}]\ndevice=eth{n}\n" for n in range(10, 15))
    found = by_map(Ve("101", (A,), "isp10"), ini=ini)
    assert not found.by.mask
    assert [p.text for p in found.problems if "has marks for 4 uplinks, and there are 5" in p.text]


def test_a_mark_stays_with_its_uplink_whatever_uplinks_come():
    first = by_map(ASSIGNED)
    mark = mark_of(first, "eth3")
    more = facts(*NICS, *(replace(ETH3, name=f"eth{n}", index=n) for n in range(20, 60)), local=[A, A6])
    assert mark_of(by_map(ASSIGNED, known=more, found=first.items), "eth3") == mark
    other = frozenset(replace(i, mark=(0x10000, i.mark[1])) if isinstance(i, Rule) and i.priority == priorities.BY_MARK
                      else i for i in first.items)
    assert mark_of(by_map(ASSIGNED, found=other), "eth3") == 0x10000
    assert mark_of(by_map(ASSIGNED, ini=MAP + "mark_mask=0xff\n", found=other), "eth3") < 0x40


@pytest.mark.parametrize("src, dst, iif, mark", [
    (A, "9.9.9.9", "venet0", "eth3"), (A6, "2001:db8::9", "venet0", "eth3"), (B, "9.9.9.9", "venet0", "eth4"),
    (A, B, "venet0", ("eth3", LOCAL)), (C, "9.9.9.9", "venet0", PASSES), (C, A, "venet0", PASSES | LOCAL),
    ("10.1.1.1", "9.9.9.9", "venet0", PASSES), ("9.9.9.9", A, "eth3", ("eth3", MADE)),
    ("2001:db8::9", A6, "eth3", ("eth3", MADE)),
    ("9.9.9.9", A, "eth4", SEEN), ("2001:db8::9", A6, "eth4", SEEN), ("9.9.9.9", A, "eth0", SEEN),
    ("2001:db8::9", "fd00:18::9", "eth3", SEEN),
    (A, "9.9.9.9", "lo", ("eth3", MADE)), (A, "9.9.9.9", "", ("eth3", MADE)), (A, B, "", "eth3"),
    (A, "9.9.9.9", "eth3", SEEN), ("192.168.18.10", A, "", 0), (C, "9.9.9.9", "", 0)])
@pytest.mark.parametrize("shared", [True, False])
def test_which_mark_a_packet_gets(src, dst, iif, mark, shared):
    found = by_map(ASSIGNED, OTHER, PLAIN, known=replace(HERE, shared=shared))
    if isinstance(mark, str):
        mark = mark_of(found, mark)
    elif isinstance(mark, tuple):
        mark = mark_of(found, mark[0]) | mark[1]
    assert Marks(found.items).of(src, dst, iif) == mark


def test_without_the_sets_that_mark_nothing_is_marked():
    found = by_map(ASSIGNED).items
    assert Marks(i for i in found if not isinstance(i, Skeleton)).of(A, "9.9.9.9", "venet0") == 0
    assert Marks(wanted(ASSIGNED, known=HERE).items).of(A, "9.9.9.9", "venet0") == 0
    bare = {i for i in found if not (isinstance(i, Element) and i.set in ("ways4", "beyond", "here4"))}
    assert Marks(bare).of(A, "9.9.9.9", "venet0") == 0
    less = {i for i in found if not (isinstance(i, Element) and i.set == "returns")}
    assert Marks(less).of("9.9.9.9", A, "eth3") == SEEN


@pytest.mark.parametrize("ini, ves, marks", [
    ("", (ASSIGNED, PLAIN), {A: "eth3", C: PASSES, "10.1.1.1": PASSES}),
    ("unassigned=block\n", (ASSIGNED, PLAIN), {A: "eth3", C: CLOSED, "10.1.1.1": CLOSED}),
    ("", (Ve("101", (A,), "eth9"), PLAIN), {A: CLOSED, C: PASSES})])
def test_what_has_no_uplink_is_marked_for_main_or_for_nowhere(ini, ves, marks):
    found = by_map(*ves, ini=MAP + ini, known=replace(HERE, shared=True))
    for src, mark in marks.items():
        assert Marks(found.items).of(src, "9.9.9.9", "venet0") == (
            mark_of(found, mark) if isinstance(mark, str) else mark)


def test_a_ve_s_own_device_gives_any_source_its_mark_but_another_ve_s_address_none():
    nics = (*NICS, *(replace(ETH3, name=f"web{n}", index=30 + n, kind="veth", addresses=()) for n in (0, 1)))
    found = by_map(Ve("101", (A,), "eth3", ("web0",)), Ve("102", (B,), "eth4", ("web1",)), known=facts(*nics))
    told = Marks(found.items)
    assert told.of(A, "9.9.9.9", "web0") == told.of("10.1.1.1", "9.9.9.9", "web0") == mark_of(found, "eth3")
    assert told.of(B, "9.9.9.9", "web0") == CLOSED


@pytest.mark.parametrize("ves", [
    (Ve("101", (A, B), "isp1 isp2", ("web0",)),), (Ve("101", (A,), "eth9", ("web0",)),),
    (Ve("101", (A,), "eth3", ("web0",)), Ve("101", (B,), "eth4", ("web0",)))],
    ids=["one of two", "none that is there", "one now and another soon"])
def test_where_no_uplink_is_sure_a_ve_s_own_device_gives_other_sources_none(ves):
    ini = MAP + "[uplink:isp1]\ndevice=eth3\n[uplink:isp2]\ndevice=eth4\n[uplink:eth3]\n[uplink:eth4]\n"
    found = by_map(*ves, ini=ini, known=facts(*NICS, replace(ETH3, name="web0", index=30, kind="veth", addresses=())))
    assert Marks(found.items).of("10.1.1.1", "9.9.9.9", "web0") == CLOSED
    assert not found.by.shared


def test_of_two_uplinks_by_one_device_one_leads_back_there():
    ini = MAP + "[uplink:isp1]\ndevice=eth3\n[uplink:isp2]\ndevice=eth3\n"
    found = by_map(Ve("101", (A,), "isp1"), Ve("102", (B,), "isp2"), ini=ini)
    for name in ("returns", "arp:returns"):
        assert [dev for dev, _ in elements(found, name)] == ["eth3"]
    assert found.items == by_map(Ve("102", (B,), "isp2"), Ve("101", (A,), "isp1"), ini=ini).items


def test_the_sets_hold_what_is_looked_for_and_no_more():
    away, own = "10.9.0.9", "192.168.18.10"
    ves = ASSIGNED, PLAIN, Ve("109", (away,), "eth4"), Ve("110", (own,), "eth4")
    known = facts(local=[A, B, C], main=[Route(4, TABLE, f"{away}/32", "eth0")])
    found = by_map(*ves, known=replace(known, shared=True))
    assert elements(found, "ways4") == elements(found, "ways6") == []
    assert elements(found, "here4") == sorted((a,) for a in (A, B, C))
    assert [v[0] for v in elements(found, "made4")] == sorted((away, A))
    kept = by_map(*ves, ini=MAP + "reserved=eth0\n", known=known)
    assert [v[0] for v in elements(kept, "made4")] == sorted((away, A, B, C))
    assert own not in [v[0] for v in elements(kept, "ways4")]
