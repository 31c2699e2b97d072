"""How packets find their uplink: by rules while few, by marks that no other rule looks at, and by the same again."""

from dataclasses import replace

import pytest

from tests.unit.example import ETH3, NICS, elements, facts, rules, wanted
from vzhooks.model import Element, Rule, Skeleton, Ve
from vzhooks.policy import datapath, layout, priorities
from vzhooks.policy.foreign import Other
from vzhooks.policy.marks import Marks

A, B, C, A6 = "192.168.18.101", "192.168.18.102", "192.168.18.105", "fd00:18::101"
MAP, MASK = "[node]\ndatapath=map\n", 0xFF0000
LOCAL, PASSES, CLOSED, SEEN = 0x800000, 0x7F0000, 0x7E0000, 0x7D0000
ASSIGNED, OTHER, PLAIN = Ve("101", (A, A6), "eth3"), Ve("102", (B,), "eth4"), Ve("105", (C,))
HERE = facts(local=[A, A6, B, C])


def by_map(*ves, ini=MAP, known=HERE, **more):
    return wanted(*ves, ini=ini, known=known, **more)


def mark_of(found, device):
    """Return the mark whose packets may leave by a device."""
    return next(int(mark, 16) for mark, dev in elements(found, "outs") if dev == device)


def test_the_bits_of_a_mask_are_told_from_each_other():
    given = layout.layout(MASK)
    assert (given.local, given.passes, given.closed, given.seen) == (LOCAL, PASSES, CLOSED, SEEN)
    odd = layout.layout(0x100F00)
    assert (odd.local, odd.passes, odd.closed, odd.seen) == (0x100000, 0xF00, 0xE00, 0xD00)


@pytest.mark.parametrize("number, mask, bits", [(5, 0xFF, 5), (5, 0xFF0000, 0x50000), (3, 0x90, 0x90), (2, 0x90, 0x80),
                                                (0, 0xFF, 0)])
def test_a_number_s_bits_are_put_where_a_mask_has_some(number, mask, bits):
    assert datapath.spread(number, mask) == bits


@pytest.mark.parametrize("mask, uplinks", [(0xF, 4), (MASK, 124), (0x80000001, 0)])
def test_how_many_uplinks_a_mask_has_marks_for(mask, uplinks):
    assert datapath.capacity(mask) == uplinks


@pytest.mark.parametrize("count, was, marks", [(9, False, False), (10, False, True), (6, True, True), (5, True, False),
                                               (6, False, False)])
def test_auto_takes_marks_from_so_many_addresses_on_and_keeps_them_for_a_while(count, was, marks):
    ves = [Ve(str(n), (f"10.9.0.{n}",), "eth3") for n in range(1, count + 1)]
    found = by_map(ASSIGNED).items if was else ()
    assert bool(wanted(*ves, ini="[node]\ndatapath=auto\n", known=HERE, found=found).by.mask) is marks


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
    ini = MAP + "mark_mask=0xf\n" + "".join(f"[uplink:isp{n}]\ndevice=eth{n}\n" for n in range(10, 15))
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
    assert mark_of(by_map(ASSIGNED, ini=MAP + "mark_mask=0xff\n", found=other), "eth3") < 0x80


@pytest.mark.parametrize("src, dst, iif, mark", [
    (A, "9.9.9.9", "venet0", "eth3"), (A6, "2001:db8::9", "venet0", "eth3"), (B, "9.9.9.9", "venet0", "eth4"),
    (A, B, "venet0", ("eth3", LOCAL)), (C, "9.9.9.9", "venet0", PASSES), (C, A, "venet0", PASSES | LOCAL),
    ("10.1.1.1", "9.9.9.9", "venet0", PASSES), ("9.9.9.9", A, "eth3", SEEN), ("2001:db8::9", A6, "eth3", 0),
    (A, "9.9.9.9", "lo", ("eth3", LOCAL)), (A, "9.9.9.9", "", ("eth3", LOCAL)), (A, B, "", "eth3"),
    ("192.168.18.10", A, "", 0), (C, "9.9.9.9", "", 0)])
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


def test_a_strict_filter_is_told_the_uplink_of_what_a_ve_is_sent():
    found = by_map(ASSIGNED, OTHER, PLAIN, known=replace(HERE, strict=frozenset({"eth3", "eth0"})))
    told = Marks(found.items)
    assert told.of("9.9.9.9", A, "eth3") == mark_of(found, "eth3")
    assert told.of("9.9.9.9", B, "eth3") == told.of("9.9.9.9", A, "eth0") == SEEN
