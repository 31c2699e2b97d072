"""Our notes on VEs are read one by one as they are all at once, or not at all."""

import pytest

from vzhooks.errors import HostError
from vzhooks.node import notes, ve_notes
from vzhooks.policy.records import Expected, Record

VES = {"101": Record("running", 5.5, "isp1", ("192.168.18.101", "fd00::1")), "6d1b-uuid": Record("stopping", 7.0),
       "7": Record("starting", 1.0, addresses=("10.0.0.7",), expected=Expected("a", ("10.0.0.8",), 2.0),
                   root='/vz/,\n "8": {}')}


def read(path):
    texts, behind = ve_notes.load(path)
    found = {c: ve_notes.record(path, text) for c, text in texts.items()}
    assert found == notes.load_ves(path)
    return found, behind


def test_records_are_read_one_by_one(tmp_path):
    path = str(tmp_path / "ves.json")
    notes.save_ves(path, VES)
    assert read(path) == (VES, 0)
    notes.add_records(path, {"101": None, "8": VES["7"], "7": VES["101"]})
    assert read(path) == ({"6d1b-uuid": VES["6d1b-uuid"], "8": VES["7"], "7": VES["101"]}, 3)


def test_changes_go_behind_until_there_are_many(tmp_path):
    path, seen = str(tmp_path / "ves.json"), []
    notes.save_ves(path, VES)
    for n in range(ve_notes.MOST_BEHIND + 3):
        texts, behind = ve_notes.load(path)
        seen.append(behind)
        ve_notes.change(path, texts, behind, {"9": VES["101"] if n % 2 else None})
    assert seen == [*range(ve_notes.MOST_BEHIND + 1), 0, 1]
    assert read(path) == (VES, 2)


@pytest.mark.parametrize("text", [None, "", "{}\n", "{", '{"101": {}}', "[]\n", '{\n "1": {}\n}\n{"2": nu',
                                  '{\n "1": {}\n}\n[]\n'])
def test_notes_in_any_other_form_are_not_read_one_by_one(tmp_path, text):
    if text is not None:
        (tmp_path / "ves.json").write_text(text)
    assert ve_notes.load(str(tmp_path / "ves.json")) is None


@pytest.mark.parametrize("text", ['"1": {}', '"1": {"phase": "x", "since": 1, "uplink": "", "addresses": []}', "",
                                  '"1": 7', '"1": {"phase"', '"1": {}, "2": {}', '"1": null'])
def test_a_record_that_is_none_of_ours_is_an_error(text):
    with pytest.raises(HostError, match="ves.json: not as vzhooks writes it; remove it and run `vzhooks resync`"):
        ve_notes.record("ves.json", text)
