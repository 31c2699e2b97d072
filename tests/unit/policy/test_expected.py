"""Addresses that a running vzctl is about to give a VE have their uplink before it does, and no longer than that."""

import pytest

from vzhooks.config.vzconf import VeConfig
from vzhooks.model import Ve
from vzhooks.policy.census import EXPECT_GRACE_S, take
from vzhooks.policy.evidence import Event, Evidence
from vzhooks.policy.records import RUNNING, STOPPING, Expected, Record

A, B, X, Y = "192.168.18.101", "192.168.18.102", "192.168.18.150", "fd00::150"
NOW = 1000000.0
C101, C102 = VeConfig("101", (A,), "eth3"), VeConfig("102", (B,), "eth4")
ASKED = {"101": Expected("eth4", (X, Y))}
HERE = Ve("101", (X, Y), "eth4")


def census(*configs, records=None, event=None, complete=False, now=NOW, expect=None, assign=None, **seen):
    seen = Evidence(**{"routed": frozenset([A, B]), **{k: v if k == "veip" else frozenset(v) for k, v in seen.items()}})
    return take({c.ctid: c for c in configs}, seen, records or {}, now, event, complete, assign, expect)


def expecting(age=5, phase=RUNNING):
    return {"101": Record(phase, NOW - 50, "eth3", (A,), None, Expected("eth4", (X, Y), NOW - age))}


def test_they_have_their_own_uplink_while_the_ve_keeps_its_own():
    found = census(C101, expect=ASKED)
    assert (found.ves, found.expected) == ((Ve("101", (A,), "eth3"),), (HERE,))
    assert found.records["101"].expected == Expected("eth4", (X, Y), NOW)


@pytest.mark.parametrize("others", [{}, {"event": Event("mount", "102")}, {"complete": True}])
@pytest.mark.parametrize("configs", [(C101, C102), (C102,)])
def test_runs_of_others_leave_them(others, configs):
    if others.get("complete"):
        configs = (C101, C102)
    assert census(*configs, records=expecting(), **others).expected == (HERE,)


def test_once_routed_they_stay_expected_until_vzctl_is_done():
    mid = census(C101, records=expecting(), routed=[A, X], veip={"101": (A, X)})
    assert (mid.ves, mid.expected) == ((Ve("101", (A,), "eth3"),), (HERE,))
    done = census(C101, records=mid.records, routed=[A, X], expect={"101": frozenset([X, Y])})
    assert (done.ves, done.expected) == ((Ve("101", (A, X), "eth3"),), ())


def test_what_never_came_is_given_back():
    found = census(C101, records=expecting(), expect={"101": frozenset([X, Y])})
    assert (found.ves, found.expected) == ((Ve("101", (A,), "eth3"),), ())
    assert found.records["101"].expected is None


@pytest.mark.parametrize(("age", "locked", "stands"), [
    (EXPECT_GRACE_S - 1, [], True), (EXPECT_GRACE_S, [], False), (EXPECT_GRACE_S, ["101"], True)])
def test_those_of_a_killed_vzctl_are_given_back_in_time(age, locked, stands):
    assert bool(census(C101, records=expecting(age), locked=locked).expected) is stands


def test_only_a_run_that_may_remove_them_forgets_them():
    assert census(C102, records=expecting(EXPECT_GRACE_S), event=Event("mount", "102")).expected == (HERE,)


def test_an_address_of_its_own_or_of_another_is_not_expected():
    found = census(C101, C102, expect={"101": Expected("eth4", (A, B, X))}, complete=True)
    assert found.ves == (Ve("101", (A,), "eth3"), Ve("102", (B,), "eth4"))
    assert found.expected == (Ve("101", (X,), "eth4"),)


def test_two_that_expect_the_same_do_not_both_get_it():
    found = census(C101, C102, expect={"101": Expected("eth4", (X,)), "102": Expected("eth3", (X,))}, complete=True)
    assert found.expected == (Ve("101", (X,), "eth4"),)


def test_a_stopped_ve_expects_nothing():
    assert census(C101, expect=ASKED, routed=[]).expected == ()
    assert census(C101, records={"101": Record(STOPPING, NOW - 1)}, expect=ASKED, routed=[]).expected == ()


def test_a_restart_keeps_them():
    records = expecting()
    for name, routed in (("umount", [A]), ("postumount", []), ("mount", [])):
        found = census(C101, records=records, event=Event(name, "101"), routed=routed)
        assert found.expected == (HERE,)
        records = found.records
    assert found.ves == (Ve("101", (A,), "eth3"),)


def test_a_stop_leaves_nothing_of_them_once_their_time_is_over():
    records = {"101": Record(STOPPING, NOW - 400, expected=Expected("eth4", (X,), NOW - 400))}
    assert census(C101, records=records, routed=[], complete=True).records == {}
    assert census(records=records, routed=[], complete=True).records == {}


def test_a_second_vzctl_that_asks_takes_nothing_from_the_first():
    held = {"101": Record(RUNNING, NOW - 50, "eth3", (A,), None, Expected("eth3", (X,), NOW - 5))}
    found = census(C101, records=held, routed=[A, X], expect={"101": Expected(None, (Y,))})
    assert found.records["101"].expected == Expected("eth3", (X, Y), NOW)
    assert census(C101, records=found.records, expect={"101": frozenset([X])}).expected == (Ve("101", (Y,), "eth3"),)


def test_who_asks_for_what_is_promised_leaves_it_its_uplink():
    assert census(C101, records=expecting(), expect={"101": Expected(None, (X,))}).expected == (HERE,)


@pytest.mark.parametrize("records", [{}, expecting()], ids=["nothing promised", "others promised"])
def test_who_names_no_uplink_for_a_new_address_has_the_ve_s(records):
    known = records or {"101": Record(RUNNING, NOW - 50, "eth3", (A,))}
    found = census(C101, records=known, expect={"101": Expected(None, ("192.168.18.160",))})
    assert found.records["101"].expected.uplink == "eth3"


def test_a_ve_that_moves_takes_along_what_it_is_about_to_get():
    held = {"101": Record(RUNNING, NOW - 50, "eth3", (A,), None, Expected("eth3", (X, Y), NOW - 5))}
    assert census(C101, records=held, assign={"101": "eth4"}).expected == (HERE,)
