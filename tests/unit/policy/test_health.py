"""An uplink is up, down or held by its link and its probes over time, and the first that is up stands in."""

import pytest

from vzhooks.model import Uplink
from vzhooks.policy import health
from vzhooks.policy.health import DOWN, HELD, UP, Change, Health, Standing

LINK = Uplink("isp1", "eth3", hold_down=30.0)
PROBED = Uplink("isp1", "eth3", probe="gateway", probe_fail=3, probe_ok=2, hold_down=30.0)


def walk(uplink, steps, before=health.FRESH):
    """Take the health through steps at times: "down", "up" (link), "+" and "-" (a probe); return each state."""
    found, seen = before, []
    for now, step in steps:
        if step in ("up", "down"):
            found = health.linked(found, "eth3 is down" if step == "down" else "", uplink, now)
        else:
            found = health.probed(found, step == "+", "gateway does not answer", uplink, now)
        seen.append((found.state, found.since))
    return seen


LINKS = {
    "goes at once and returns after the hold-down": (
        [(5, "up"), (10, "down"), (11, "down"), (20, "up"), (49, "up"), (50, "up"), (60, "up")],
        [(UP, 0), (DOWN, 10), (DOWN, 10), (HELD, 20), (HELD, 20), (UP, 50), (UP, 50)]),
    "a flapping link stays held or down": (
        [(10, "down"), (20, "up"), (40, "down"), (45, "up"), (60, "up"), (75, "up")],
        [(DOWN, 10), (HELD, 20), (DOWN, 40), (HELD, 45), (HELD, 45), (UP, 75)]),
    "probes that nobody asked for tell nothing": (
        [(1, "-"), (2, "-"), (3, "up"), (4, "down"), (5, "+"), (6, "+")],
        [(UP, 0), (UP, 0), (UP, 0), (DOWN, 4), (DOWN, 4), (DOWN, 4)]),
}
PROBES = {
    "one or two that are lost count for nothing": (
        [(1, "-"), (2, "-"), (3, "+"), (4, "-"), (5, "-")], [(UP, 0)] * 5),
    "so many in a row, and it is down since the last of them": (
        [(1, "+"), (2, "-"), (3, "-"), (4, "-"), (5, "-")], [(UP, 0)] * 3 + [(DOWN, 4)] * 2),
    "it is held from the last answer that it needs, and returns": (
        [(1, "-"), (2, "-"), (3, "-"), (4, "+"), (5, "-"), (6, "+"), (7, "+"), (36, "+"), (37, "+")],
        [(UP, 0), (UP, 0), (DOWN, 3), (DOWN, 3), (DOWN, 3), (DOWN, 3), (HELD, 7), (HELD, 7), (UP, 37)]),
    "held, and not answering any more": (
        [(1, "-"), (2, "-"), (3, "-"), (4, "+"), (5, "+"), (6, "-"), (7, "-"), (40, "-")],
        [(UP, 0), (UP, 0), (DOWN, 3), (DOWN, 3), (HELD, 5), (HELD, 5), (HELD, 5), (DOWN, 40)]),
    "a link that is back does not prove the gateway": (
        [(1, "down"), (2, "up"), (33, "up"), (34, "+"), (35, "+")],
        [(DOWN, 1), (HELD, 2), (HELD, 2), (HELD, 2), (UP, 35)]),
    "a link that goes while the gateway is silent": (
        [(1, "-"), (2, "-"), (3, "-"), (4, "down"), (5, "up"), (6, "-"), (7, "-"), (8, "-")],
        [(UP, 0), (UP, 0), (DOWN, 3), (DOWN, 3), (HELD, 5), (HELD, 5), (HELD, 5), (DOWN, 8)]),
}


@pytest.mark.parametrize("steps, states", LINKS.values(), ids=LINKS)
def test_a_link(steps, states):
    assert walk(LINK, steps) == states


@pytest.mark.parametrize("steps, states", PROBES.values(), ids=PROBES)
def test_a_probe(steps, states):
    assert walk(PROBED, steps) == states


def test_without_a_hold_down_it_returns_at_once():
    assert walk(Uplink("isp1", "eth3", hold_down=0.0), [(1, "down"), (2, "up")]) == [(DOWN, 1), (UP, 2)]


def test_an_uplink_whose_probe_was_taken_out_of_the_ini_goes_by_its_link():
    assert walk(LINK, [(9, "up"), (40, "up")], Health(DOWN, 3.0, "x", -5)) == [(HELD, 9), (UP, 40)]


def test_what_is_told_of_it():
    down = health.linked(Health(), "eth3 is down", PROBED, 1)
    assert (down.why, health.linked(down, "", PROBED, 2).why) == ("eth3 is down", "eth3 is up again")
    silent = Health(DOWN, 1.0, "gateway 10.0.0.1 does not answer on eth3", 1)
    assert health.probed(silent, True, "", PROBED, 2).why == "gateway 10.0.0.1 answers on eth3 again"
    assert health.probed(Health(HELD, 1.0, "x", 2), True, "", PROBED, 40) == Health(UP, 40, "", 3)


def test_when_an_uplink_is_held_no_more():
    assert health.due(Health(HELD, 5.0), LINK) == 35.0
    assert health.due(Health(), LINK) == health.due(Health(DOWN), LINK) == health.NEVER


GOOD, BACK, SILENT, CUT = Health(), Health(HELD), Health(DOWN), Health(DOWN, linked=False)


@pytest.mark.parametrize("found, stands", [
    ([GOOD, GOOD], 0), ([CUT, GOOD, GOOD], 1), ([SILENT, CUT, GOOD], 2), ([BACK, GOOD], 1), ([BACK, CUT], 0),
    ([CUT, BACK], 1), ([SILENT, BACK], 1), ([BACK, BACK], 0), ([SILENT, SILENT], 0), ([CUT, SILENT], 1),
    ([CUT, CUT], 0),
])
def test_the_first_that_is_up_stands_in_then_one_that_is_held(found, stands):
    assert health.best(found) == stands


def after(*steps):
    """Take one uplink through (who stands in, whether that works); return the last note and all changes."""
    known, changes = {}, []
    for now, (by, works) in enumerate(steps, 1):
        known, more = health.stood({"isp1": (by, works, "why")}, known, now)
        changes += more
    return known["isp1"], [(c.before, c.after, c.counts) for c in changes]


def test_a_switch_counts_once():
    assert after(("isp1", True), ("isp1", True)) == (Standing("isp1"), [])
    assert after(("isp2", True), ("isp2", True), ("isp1", True)) == (
        Standing("isp1", True, 3, 2), [("isp1", "isp2", True), ("isp2", "isp1", True)])


def test_an_uplink_that_is_cut_off_and_comes_back_is_no_switch_to_another():
    assert after(("isp1", False), ("isp1", True)) == (
        Standing("isp1", True, 2, 0), [("isp1", "", False), ("", "isp1", False)])
    assert after(("isp1", False), ("isp2", True), ("isp2", False), ("isp1", True)) == (
        Standing("isp1", True, 4, 2),
        [("isp1", "", False), ("", "isp2", True), ("isp2", "", False), ("", "isp1", True)])


def test_a_change_is_one_line():
    assert str(Change("isp1", "isp1", "isp2", "eth3 is down", True)) == "uplink isp1: isp1 -> isp2: eth3 is down"
    assert str(Change("isp1", "isp1", "", "eth3 is down", False)) == "uplink isp1: isp1 -> cut off: eth3 is down"
