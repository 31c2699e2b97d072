"""Who lives, and whose each address is."""

import pytest

from vzhooks.config.vzconf import VeConfig
from vzhooks.model import Problem, Ve
from vzhooks.policy.census import START_GRACE_S, STOP_GRACE_S, take
from vzhooks.policy.evidence import Event, Evidence
from vzhooks.policy.records import RUNNING, STARTING, STOPPING, Record

A, B = "192.168.18.101", "192.168.18.102"
NOW = 1000000.0
C101, C102 = VeConfig("101", (A,), "eth3"), VeConfig("102", (B,), "eth4")
CLONE = VeConfig("102", (A,), "eth4")


def census(*configs, records=None, event=None, complete=None, now=NOW, **seen):
    seen = Evidence(**{k: v if k == "veip" else frozenset(v) for k, v in seen.items()})
    complete = event is None if complete is None else complete
    return take({c.ctid: c for c in configs}, seen, records or {}, now, event, complete)


def starting(age=5, *addresses):
    return Record(STARTING, NOW - age, "eth3", addresses or (A,))


def phases(found):
    return {c: r.phase for c, r in found.records.items()}


def test_a_stopped_ve_does_not_live():
    assert census(C101).ves == () and census(C101).records == {}


@pytest.mark.parametrize("seen", [{"routed": [A]}, {"mounted": ["101"]}])
def test_a_host_route_or_a_mount_shows_that_a_ve_lives(seen):
    found = census(C101, **seen)
    assert found.ves == (Ve("101", (A,), "eth3"),) and phases(found) == {"101": RUNNING}


def test_a_mount_hook_makes_a_starting_ve():
    found = census(C101, event=Event("mount", "101"))
    assert found.ves == (Ve("101", (A,), "eth3"),) and phases(found) == {"101": STARTING}


def test_a_resync_before_the_route_leaves_the_mount_hooks_work():
    found = census(C101, records={"101": starting()})
    assert found.ves == (Ve("101", (A,), "eth3"),) and phases(found) == {"101": STARTING}


@pytest.mark.parametrize("seen, lives", [({}, False), ({"mounted": ["101"]}, True), ({"locked": ["101"]}, True)])
def test_a_start_that_failed_is_forgotten_in_time(seen, lives):
    found = census(C101, records={"101": starting(START_GRACE_S + 1)}, **seen)
    assert bool(found.ves) is lives


def test_the_route_makes_a_starting_ve_a_running_one():
    assert phases(census(C101, records={"101": starting()}, routed=[A])) == {"101": RUNNING}


def test_an_unmount_hook_makes_a_stopping_ve_that_a_resync_leaves_alone():
    gone = census(C101, records={"101": starting()}, event=Event("umount", "101"))
    assert gone.ves == () and phases(gone) == {"101": STOPPING}
    assert census(C101, records=gone.records, mounted=["101"]).ves == ()


def test_a_run_for_another_ve_forgets_none_that_runs_however_long():
    record = {"101": Record(RUNNING, NOW - 10 * STOP_GRACE_S)}
    assert census(records=record, complete=False).records == record


def test_a_stop_hook_without_an_end_is_forgotten_in_time():
    record = {"101": Record(STOPPING, NOW - STOP_GRACE_S)}
    assert census(C101, records=record, mounted=["101"]).ves != ()
    assert census(C101, records=record, mounted=["101"], locked=["101"]).ves == ()


def test_postumount_ends_it():
    assert census(C101, records={"101": Record(STOPPING, NOW)}, event=Event("postumount", "101")).records == {}


def test_a_ve_that_died_without_hooks_is_forgotten():
    assert census(C101, records={"101": Record(RUNNING, NOW - 5, "eth3", (A,))}).records == {}


def test_other_ves_stand_as_recorded_when_one_is_asked_about():
    record = {"102": Record(RUNNING, NOW, "eth4", (B,))}
    assert census(C101, records=record, event=Event("mount", "101")).records["102"] == record["102"]


def test_a_destroyed_ve_is_forgotten_unless_its_route_stands():
    record = {"101": Record(RUNNING, NOW, "eth3", (A,))}
    assert census(records=record).records == {}
    assert census(records=record, routed=[A]).records == record
    assert census(records=record, complete=False).records == record


def test_a_config_that_cannot_be_read_leaves_the_ve_as_it_was():
    record = {"101": Record(RUNNING, NOW, "eth3", (A,))}
    found = take({"101": Problem("101", "empty", True)}, Evidence(), record, NOW, None, True)
    assert found.ves == (Ve("101", (A,), "eth3"),) and found.problems[0].text == "empty"


def test_addresses_given_to_a_running_ve_count_too():
    found = census(C101, veip={"101": (A, "192.168.18.150")}, routed=[A, "192.168.18.150"])
    assert found.ves[0].addresses == (A, "192.168.18.150")


def test_a_removed_address_goes():
    record = {"101": Record(RUNNING, NOW, "eth3", (A, "192.168.18.150"))}
    assert census(C101, records=record, routed=[A]).ves[0].addresses == (A,)


def test_a_cloned_config_takes_no_address_from_a_running_ve():
    record = {"101": starting(3600)}
    found = census(CLONE, records=record, routed=[A], event=Event("mount", "102"))
    assert found.records["101"].addresses == (A,) and found.records["102"].addresses == ()
    text = f"address {A} belongs to the running VE 101; give VE 102 another one"
    assert found.problems == (Problem("102", text, True, A),)


def test_nor_from_one_that_vzctl_is_just_starting():
    found = census(CLONE, records={"101": starting()}, starting=["101"], locked=["101"], event=Event("mount", "102"))
    assert found.records["101"].addresses == (A,) and found.problems[0].refuses


def test_nor_from_one_that_runs_without_a_record():
    found = census(CLONE, routed=[A], veip={"101": (A,)}, event=Event("mount", "102"))
    assert found.records["102"].addresses == () and found.problems[0].refuses


def test_a_clone_that_is_stopped_is_no_ve_that_lives():
    found = census(C101, CLONE, records={"101": starting()}, routed=[A])
    assert [v.ctid for v in found.ves] == ["101"]
    assert found.problems == ()


def test_an_unassigned_clone_is_told_and_not_refused():
    clone = VeConfig("102", (A,))
    assert not census(clone, records={"101": starting()}, routed=[A], event=Event("mount", "102")).problems[0].refuses


def test_a_clone_that_is_only_mounted_loses_to_the_running_ve_in_a_resync():
    found = census(C101, CLONE, mounted=["101", "102"], routed=[A], veip={"101": (A,)})
    assert {v.ctid: v.addresses for v in found.ves} == {"101": (A,), "102": ()}


def test_an_address_moves_to_a_ve_mounted_after_its_route_went():
    found = census(CLONE, records={"101": starting()}, locked=["101"], event=Event("mount", "102"))
    assert found.records["102"].addresses == (A,) and found.records["101"].addresses == ()


def test_a_late_unmount_of_the_old_owner_leaves_the_new_one():
    moved = census(CLONE, records={"101": starting()}, event=Event("mount", "102"))
    late = census(C101, records=moved.records, event=Event("umount", "101"))
    assert late.ves == (Ve("102", (A,), "eth4"),)


def test_the_veip_file_of_a_dead_ve_proves_nothing():
    assert census(C101, veip={"101": (A,)}).ves == ()
    moved = census(CLONE, records={}, veip={"101": (A,)}, event=Event("mount", "102"))
    assert moved.records["102"].addresses == (A,)


LOOKED = {"looked": ["101", "102"]}


@pytest.mark.parametrize("seen, lives", [
    ({"routed": [A]}, True), ({"routed": [A], **LOOKED}, False), ({"routed": [A], "mounted": ["101"], **LOOKED}, True),
    ({"mounted": ["101"], **LOOKED}, True), ({"routed": [A], "looked": ["102"]}, True),
    ({"routed": [A], "veip": {"101": (A,)}, **LOOKED}, False)])
@pytest.mark.parametrize("records", [{}, {"101": Record(RUNNING, NOW - 50, "eth3", (A,))}])
def test_a_route_alone_is_no_life_where_mounts_are_known(seen, lives, records):
    found = census(C101, records=records, **seen)
    assert bool(found.ves) is lives and bool(found.records) is lives


def test_a_route_left_behind_does_not_revive_a_ve_that_was_stopped():
    stopped = {"101": Record(STOPPING, NOW - STOP_GRACE_S)}
    assert census(C101, records=stopped, routed=[A], **LOOKED).records == {}


def test_a_route_left_behind_does_not_refuse_its_address_to_another():
    known = {"101": Record(RUNNING, NOW - 50, "eth3", (A,))}
    found = census(CLONE, records=known, routed=[A], veip={"101": (A,)}, event=Event("mount", "102"), **LOOKED)
    assert (found.records["102"].addresses, found.problems) == ((A,), ())
    found = census(CLONE, records=known, routed=[A], veip={"101": (A,)}, mounted=["101"], event=Event("mount", "102"),
                   **LOOKED)
    assert found.records["102"].addresses == () and found.problems[0].refuses


def test_a_start_under_way_outlives_a_route_that_is_not_there_yet():
    assert census(C101, records={"101": starting()}, **LOOKED).ves and census(
        C101, records={"101": starting(START_GRACE_S)}, mounted=["101"], **LOOKED).ves
    assert not census(C101, records={"101": starting(START_GRACE_S)}, **LOOKED).ves


def running(**more):
    return {"101": Record(RUNNING, NOW - 50, "eth3", (A,), **more)}


def taken(config, records, assign=None, event=None, **seen):
    evidence = Evidence(routed=frozenset([A]), **{k: frozenset(v) for k, v in seen.items()})
    return take({config.ctid: config}, evidence, records, NOW, event, assign=assign)


GIVEN = {"uplink": "eth4", "override": "eth4", "base": "eth3"}


@pytest.mark.parametrize("saved, records, assign, uplink, override", [
    ("eth3", {}, {"101": "eth4"}, "eth4", "eth4"),
    ("eth3", {}, {"101": ""}, "", ""),
    ("eth3", {}, {"101": "eth3"}, "eth3", None),
    ("eth3", GIVEN, {}, "eth4", "eth4"),
    ("eth4", GIVEN, {}, "eth4", None),
    ("eth5", GIVEN, {}, "eth5", None),
    ("", GIVEN, {}, "", None),
    ("eth5", GIVEN, {"101": "eth4"}, "eth4", "eth4"),
    ("eth3", GIVEN, {"101": "eth3"}, "eth3", None),
    ("eth3", {"uplink": "", "override": "", "base": "eth3"}, {}, "", ""),
])
def test_an_uplink_given_without_save_ends_when_the_config_says_something_else(saved, records, assign, uplink,
                                                                              override):
    known = {"101": Record(RUNNING, NOW - 50, addresses=(A,), **records)} if records else running()
    after = taken(VeConfig("101", (A,), saved), known, assign).records["101"]
    assert (after.uplink, after.override) == (uplink, override)
    assert after.base == (saved if override is not None else "")


def test_what_ended_stays_ended_when_the_old_value_is_saved_again():
    known = {"101": Record(RUNNING, NOW - 50, addresses=(A,), **GIVEN)}
    mid = taken(VeConfig("101", (A,), "eth5"), known).records
    assert taken(VeConfig("101", (A,), "eth3"), mid).records["101"].uplink == "eth3"


def test_a_hook_for_another_ve_leaves_what_was_given_without_save():
    known = {"101": Record(RUNNING, NOW - 50, addresses=(A,), **GIVEN)}
    found = taken(C102, known, event=Event("mount", "102"))
    assert found.records["101"] == known["101"]


def test_a_stop_ends_what_was_given_without_save():
    known = {"101": Record(RUNNING, NOW - 50, addresses=(A,), **GIVEN)}
    gone = taken(C101, known, event=Event("umount", "101")).records
    assert taken(C101, gone, event=Event("mount", "101")).records["101"].uplink == "eth3"


OWN = VeConfig("101", (A,), "eth3", devices=("web0",))


def test_a_ve_s_devices_are_noted_at_its_mount_and_kept():
    first = taken(OWN, {}, event=Event("mount", "101"))
    assert first.ves == (Ve("101", (A,), "eth3", ("web0",)),)
    assert taken(OWN, first.records).ves == first.ves
    assert taken(C101, first.records).records["101"].devices == ("web0",)


def test_what_vzctl_is_about_to_make_for_a_ve_is_noted_once():
    asked = {"101": "veth42cafe01", "105": "web9"}
    found = take({}, Evidence(), running(devices=("web0",)), NOW, None, devices=asked)
    assert found.records["101"].devices == ("web0", "veth42cafe01") and set(found.records) == {"101"}
    again = take({}, Evidence(), found.records, NOW, None, devices=asked)
    assert again.records == found.records


def test_a_device_of_a_stopped_ve_is_forgotten():
    gone = taken(OWN, running(devices=("web0",)), event=Event("umount", "101"))
    assert gone.ves == () and gone.records["101"].devices == ()


def test_only_the_ve_that_is_mounted_is_told_of_an_address_it_lost():
    found = census(C101, CLONE, records=running(), routed=[A], mounted=["101", "102"], event=Event("mount", "101"))
    assert found.problems == ()
    found = census(CLONE, records=running(), routed=[A], event=Event("mount", "102"))
    assert [(p.ctid, p.address) for p in found.problems] == [("102", A)]
