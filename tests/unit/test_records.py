"""A note that cannot be read or written is an error and never "no VEs"."""

import json
import os

import pytest

from vzhooks import records
from vzhooks.errors import HostError
from vzhooks.records import RUNNING, Expected, Record

VES = {"101": Record("running", 5.5, "isp1", ("192.168.18.101", "fd00::1")), "6d1b-uuid": Record("stopping", 7.0)}
LOADERS = (records.load_ves, records.load_tables, records.load_hardening)


def test_what_is_saved_is_loaded(tmp_path):
    path = str(tmp_path / "run/vzhooks/ves.json")
    records.save_ves(path, VES)
    assert records.load_ves(path) == VES
    assert os.stat(path).st_mode & 0o777 == 0o600 and os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700


@pytest.mark.parametrize("load", LOADERS)
def test_an_absent_note_is_an_empty_one(tmp_path, load):
    assert not load(str(tmp_path / "none.json")) or load is records.load_hardening


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b"\0" * 4096, b'{"a": [1]}',
                                  b'{"101": {"phase": "running"}}', b'{"101": {"colour": 1}}'])
def test_a_note_that_is_none_of_ours_is_an_error(tmp_path, load, data):
    path = tmp_path / "note.json"
    path.write_bytes(data)
    with pytest.raises(HostError, match="note.json: .*remove it and run `vzhooks ") as error:
        load(str(path))
    assert str(error.value).isprintable() and len(str(error.value)) < 400


@pytest.mark.parametrize("load", LOADERS)
def test_a_directory_in_a_note_s_place_is_an_error(tmp_path, load):
    with pytest.raises(HostError, match="Is a directory"):
        load(str(tmp_path))


def test_a_save_that_fails_keeps_the_old_note(tmp_path):
    path = tmp_path / "ves.json"
    records.save_ves(str(path), VES)
    (tmp_path / "ves.json.vzhooks-new").mkdir()
    with pytest.raises(HostError, match="ves.json: cannot be written .Is a directory.; mend that"):
        records.save_ves(str(path), {})
    assert records.load_ves(str(path)) == VES


def test_a_save_below_a_file_is_an_error(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(HostError, match="cannot be written"):
        records.save_ves(str(tmp_path / "run/vzhooks/ves.json"), VES)


@pytest.mark.parametrize("text", [
    '{"101": {"phase": "running", "since": "x", "uplink": "", "addresses": []}}',
    '{"101": {"phase": "running", "since": 1, "uplink": null, "addresses": []}}',
    '{"101": {"phase": "running", "since": 1, "uplink": "", "addresses": "10.0.0.1"}}',
    '{"101": {"phase": "running", "since": 1, "uplink": "", "addresses": [7]}}', '{"101": []}', '{"101": {}}',
])
def test_notes_with_values_of_a_wrong_kind_are_an_error(tmp_path, text):
    path = tmp_path / "ves.json"
    path.write_text(text)
    with pytest.raises(HostError, match="not as vzhooks writes it"):
        records.load_ves(str(path))


@pytest.mark.parametrize("text", ['{"former": null}', '{"former": {"a": "x"}}', '{"mood": "on"}'])
def test_a_hardening_of_a_wrong_kind_is_an_error(tmp_path, text):
    path = tmp_path / "harden.json"
    path.write_text(text)
    with pytest.raises(HostError, match="not as vzhooks writes it"):
        records.load_hardening(str(path))


def test_what_is_expected_is_kept(tmp_path):
    path = str(tmp_path / "ves.json")
    ves = {"101": Record(RUNNING, 1.0, "eth3", ("10.0.0.1",), None, Expected("eth4", ("10.0.0.2",), 5.0))}
    records.save_ves(path, ves)
    assert records.load_ves(path) == ves and ves["101"].all == ("10.0.0.1", "10.0.0.2")


@pytest.mark.parametrize("expected", ['[1]', '"x"', '{"uplink": "a"}', '{"uplink": 1, "addresses": [], "since": 0}',
                                      '{"uplink": "a", "addresses": "b", "since": 0}'])
def test_a_spoilt_expectation_is_an_error(tmp_path, expected):
    path = tmp_path / "ves.json"
    record = {"phase": RUNNING, "since": 1, "uplink": "", "addresses": [], "expected": json.loads(expected)}
    path.write_text(json.dumps({"101": record}))
    with pytest.raises(HostError, match="not as vzhooks writes it"):
        records.load_ves(str(path))
