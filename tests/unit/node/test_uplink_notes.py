"""What is noted of uplinks is read back while it counts, and is nothing or an error else."""

import json
import os

import pytest

from vzhooks.errors import HostError
from vzhooks.node import uplink_notes
from vzhooks.policy.counts import Counts
from vzhooks.policy.health import Health, Standing

FOUND = {"isp1": Health("down", 5.5, "eth3 is down", 0, False), "isp2": Health("held", 7.0, "x", 2)}
STANDS = {"isp1": Standing("isp2", True, 5.5, 3), "isp2": Standing("isp2", False, 9.0)}
LOADERS = (lambda path: uplink_notes.load_health(path, 10.0), uplink_notes.load_standing, uplink_notes.load_counts)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "run/vzhooks/note.json")


@pytest.mark.parametrize("now, counts", [(100, True), (101, True), (130, True), (130.1, False), (99, False)])
def test_what_probes_found_counts_for_a_while_and_not_from_another_boot(path, now, counts):
    uplink_notes.save_health(path, FOUND, 100.0)
    assert uplink_notes.load_health(path, now) == (FOUND if counts else {})
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_who_stands_in_and_what_was_counted_is_read_back(path):
    uplink_notes.save_standing(path, STANDS)
    assert uplink_notes.load_standing(path) == STANDS
    counts = Counts({"rule": 3}, (1,) * 12, 0.75)
    uplink_notes.save_counts(path, counts)
    assert uplink_notes.load_counts(path) == counts


@pytest.mark.parametrize("load", LOADERS)
def test_without_a_note_nothing_is_known(path, load):
    assert load(path) in ({}, Counts())


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("text", ["", "[]", "null", '{"isp1": 7}', '{"at": 1}{', '{"mood": {}}'])
def test_a_note_that_is_none_of_ours_is_an_error(tmp_path, load, text):
    (tmp_path / "note.json").write_text(text)
    with pytest.raises(HostError, match="note.json: .*remove it and run `vzhooks resync`"):
        load(str(tmp_path / "note.json"))


WRONG = [
    (0, {"at": "x", "uplinks": {}}), (0, {"at": 9, "uplinks": []}), (0, {"at": 9, "uplinks": {"a b": {}}}),
    *((0, {"at": 9, "uplinks": {"isp1": {"state": "up", "since": 1, "why": "", "streak": 0, "linked": True, **more}}})
      for more in ({"state": "odd"}, {"since": -1}, {"why": 7}, {"streak": 0.5}, {"linked": 1}, {"colour": 1})),
    *((1, {"isp1": {"by": "isp2", "works": True, "since": 1, "switches": 0, **more}})
      for more in ({"by": "../x"}, {"works": 0}, {"since": None}, {"switches": -1}, {"switches": True})),
    *((2, {"heals": {}, "hooks": [0] * 12, "hook_s": 0, **more})
      for more in ({"heals": {"odd": 1}}, {"heals": {"rule": -1}}, {"hooks": [0]}, {"hook_s": "1"},
                   {"hooks": "0" * 12})),
]


@pytest.mark.parametrize("which, data", WRONG)
def test_a_note_with_a_wrong_value_is_an_error(tmp_path, which, data):
    (tmp_path / "note.json").write_text(json.dumps(data))
    with pytest.raises(HostError, match="not as vzhooks writes it"):
        LOADERS[which](str(tmp_path / "note.json"))
