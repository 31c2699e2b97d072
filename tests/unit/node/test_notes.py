"""A note that cannot be read or written is an error and never "no VEs"."""

import json
import os

import pytest

from vzhooks.errors import HostError
from vzhooks.node import notes
from vzhooks.policy.harden import Hardening
from vzhooks.policy.records import RUNNING, Expected, Record

VES = {"101": Record("running", 5.5, "isp1", ("192.168.18.101", "fd00::1")), "6d1b-uuid": Record("stopping", 7.0)}
LOADERS = (notes.load_ves, notes.load_tables, notes.load_networks, notes.load_hardening)


def test_what_is_saved_is_loaded(tmp_path):
    path = str(tmp_path / "run/vzhooks/ves.json")
    notes.save_ves(path, VES)
    assert notes.load_ves(path) == VES
    assert os.stat(path).st_mode & 0o777 == 0o600 and os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700


def test_networks_are_kept_and_nothing_else_is_taken_for_one(tmp_path):
    path = tmp_path / "networks.json"
    notes.save_networks(str(path), {"eth4": ("192.168.20.0/24", "fd00:20::/64"), "eth3": ()})
    assert notes.load_networks(str(path)) == {"eth4": ("192.168.20.0/24", "fd00:20::/64"), "eth3": ()}
    for text in ('{"eth4": ["192.168.20.7/24"]}', '{"eth4": ["x"]}', '{"a b": ["10.0.0.0/8"]}',
                 '{"eth4": "10.0.0.0/8"}'):
        path.write_text(text)
        with pytest.raises(HostError, match="networks.json: not as vzhooks writes it"):
            notes.load_networks(str(path))


def test_a_note_of_the_version_before_is_read(tmp_path):
    """That one took a list for a name of its own, and wrote it down as the config had it."""
    path = tmp_path / "ves.json"
    path.write_text('{"101": {"phase": "running", "since": 5.5, "uplink": "isp1 isp2", "addresses": ["10.0.0.1"],'
                    ' "override": "isp1", "expected": {"uplink": "isp1", "addresses": ["10.0.0.2"], "since": 6.0},'
                    ' "base": "isp1 isp2", "devices": [], "root": "/vz/root/101"}}')
    assert notes.load_ves(str(path)) == {"101": Record(
        "running", 5.5, "isp1,isp2", ("10.0.0.1",), "isp1", Expected("isp1", ("10.0.0.2",), 6.0), "isp1,isp2",
        root="/vz/root/101")}


@pytest.mark.parametrize("load", LOADERS)
def test_an_absent_note_is_an_empty_one(tmp_path, load):
    assert not load(str(tmp_path / "none.json")) or load is notes.load_hardening


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
    notes.save_ves(str(path), VES)
    (tmp_path / "ves.json.vzhooks-new").mkdir()
    with pytest.raises(HostError, match="ves.json: cannot be written .Is a directory.; mend that"):
        notes.save_ves(str(path), {})
    assert notes.load_ves(str(path)) == VES


def test_a_save_below_a_file_is_an_error(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(HostError, match="cannot be written"):
        notes.save_ves(str(tmp_path / "run/vzhooks/ves.json"), VES)


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
        notes.load_ves(str(path))


@pytest.mark.parametrize("text", ['{"former": null}', '{"former": {"a": "x"}}', '{"mood": "on"}'])
def test_a_hardening_of_a_wrong_kind_is_an_error(tmp_path, text):
    path = tmp_path / "harden.json"
    path.write_text(text)
    with pytest.raises(HostError, match="not as vzhooks writes it"):
        notes.load_hardening(str(path))


def test_what_is_expected_is_kept(tmp_path):
    path = str(tmp_path / "ves.json")
    ves = {"101": Record(RUNNING, 1.0, "eth3", ("10.0.0.1",), None, Expected("eth4", ("10.0.0.2",), 5.0))}
    notes.save_ves(path, ves)
    assert notes.load_ves(path) == ves and ves["101"].all == ("10.0.0.1", "10.0.0.2")


@pytest.mark.parametrize("expected", ['[1]', '"x"', '{"uplink": "a"}', '{"uplink": 1, "addresses": [], "since": 0}',
                                      '{"uplink": "a", "addresses": "b", "since": 0}'])
def test_a_spoilt_expectation_is_an_error(tmp_path, expected):
    path = tmp_path / "ves.json"
    record = {"phase": RUNNING, "since": 1, "uplink": "", "addresses": [], "expected": json.loads(expected)}
    path.write_text(json.dumps({"101": record}))
    with pytest.raises(HostError, match="not as vzhooks writes it"):
        notes.load_ves(str(path))


def run(tmp_path, load, text):
    path = tmp_path / "note.json"
    path.write_text(text)
    return load(str(path))


def refused(tmp_path, load, text):
    with pytest.raises(HostError, match="note.json: .*remove it and run `vzhooks ") as error:
        run(tmp_path, load, text)
    assert str(error.value).isprintable() and len(str(error.value)) < 300


HUGE, DEEP = "1" + "0" * 400, "[" * 100000 + "]" * 100000
ODD = ["-1", "true", "null", "1.5", '"1"', "1e999", "NaN", HUGE, "[]", "{}", DEEP]


def short(value):
    return value[:12]


@pytest.mark.parametrize("number", ["0", "253", "254", "255", "4294967296", *ODD], ids=short)
def test_a_table_s_number_that_cannot_be_is_an_error(tmp_path, number):
    """A route in main, 254, would be everybody's."""
    refused(tmp_path, notes.load_tables, f'{{"uplink:eth3": {number}}}')


@pytest.mark.parametrize("key", ["../x", "uplink:../x", "uplink:", "uplink:a b", "own:a/b", "mine:eth3", "", "main",
                                 "uplink:" + "x" * 65, "uplink:a\\n"])
def test_a_table_for_nothing_of_ours_is_an_error(tmp_path, key):
    refused(tmp_path, notes.load_tables, f'{{"{key}": 1003}}')


def test_tables_as_we_write_them_are_read(tmp_path):
    given = {"main:without-reserved": 10001, "own:eth0.7": 1, "uplink:isp1": 4294967295}
    assert run(tmp_path, notes.load_tables, json.dumps(given)) == given


RECORD = {"phase": "running", "since": 1, "uplink": "eth3", "addresses": []}


def changed(**more):
    return json.dumps({"101": {**RECORD, **more}})


@pytest.mark.parametrize("number", [n for n in ODD if n != "1.5"], ids=short)
def test_a_time_that_cannot_be_is_an_error(tmp_path, number):
    refused(tmp_path, notes.load_ves, changed(since="?").replace('"?"', number))
    expected = {"uplink": "", "addresses": [], "since": "?"}
    refused(tmp_path, notes.load_ves, changed(expected=expected).replace('"?"', number))


@pytest.mark.parametrize("ctid", ["../x", "", "a/b", "-x", "101 ", "x" * 65, "101\n"])
def test_a_record_of_what_is_no_ve_is_an_error(tmp_path, ctid):
    refused(tmp_path, notes.load_ves, json.dumps({ctid: RECORD}))


@pytest.mark.parametrize("more", [
    {"phase": "asleep"}, {"phase": 7}, {"addresses": ["10.0.0.300"]}, {"addresses": ["10.0.0.1/24"]},
    {"addresses": ["FD00::1"]}, {"addresses": ["../x"]}, {"addresses": {}}, {"uplink": "x" * 5000}, {"override": 1},
    {"base": None}, {"devices": "web0"}, {"devices": [7]}, {"devices": {}}, {"root": 1}, {"more": 1},
    {"expected": {"uplink": "a", "addresses": ["x"], "since": 1}}])
def test_a_record_that_we_never_write_is_an_error(tmp_path, more):
    refused(tmp_path, notes.load_ves, changed(**more))


def test_a_record_with_all_it_can_have_is_kept(tmp_path):
    path = str(tmp_path / "ves.json")
    full = Record(RUNNING, 1.5, "eth4", ("10.0.0.1", "fd00::1"), "eth4", None, "eth3", ("web0",), "/vz/root/101")
    ves = {"101": full, "102": Record(RUNNING, 1.0, override="")}
    notes.save_ves(path, ves)
    assert notes.load_ves(path) == ves


@pytest.mark.parametrize("key", ["../x", "net/ipv4/conf/../rp_filter", "net/ipv4/conf/./rp_filter",
                                 "net/ipv4/conf//rp_filter", "net/ipv4/conf/eth3/forwarding", "net/ipv4/ip_forward",
                                 "net/ipv6/conf/eth3/rp_filter", "net/ipv4/conf/a/b/rp_filter", "kernel/core_pattern"])
def test_a_setting_that_hardening_never_makes_is_an_error(tmp_path, key):
    refused(tmp_path, notes.load_hardening, json.dumps({"mode": "on", "former": {key: "1"}}))


@pytest.mark.parametrize("value", ['"10"', '"-1"', "true", "null", "1.5", '"x"', "10", HUGE, "[]", '"1; reboot"', DEEP],
                         ids=short)
def test_a_value_that_a_setting_never_had_is_an_error(tmp_path, value):
    key = "net/ipv4/conf/eth3/arp_ignore"
    refused(tmp_path, notes.load_hardening, f'{{"mode": "on", "former": {{"{key}": {value}}}}}')


@pytest.mark.parametrize("mode", ['"loud"', "1", "null", "[]", "{}"])
def test_a_mode_of_hardening_that_there_is_not_is_an_error(tmp_path, mode):
    refused(tmp_path, notes.load_hardening, f'{{"mode": {mode}, "former": {{}}}}')


def test_a_hardening_as_we_write_it_is_read(tmp_path):
    path = str(tmp_path / "harden.json")
    for mode in ("", "on", "forced", "off"):
        given = Hardening(mode, {"net/ipv4/conf/eth0.7/arp_ignore": "0", "net/ipv4/conf/default/rp_filter": "1"})
        notes.save_hardening(path, given)
        assert notes.load_hardening(path) == given


@pytest.mark.parametrize("load", LOADERS)
def test_a_note_nested_without_end_is_one_line(tmp_path, load):
    refused(tmp_path, load, DEEP)
    refused(tmp_path, load, '{"a":' * 100000 + "1" + "}" * 100000)


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("mode", [0o602, 0o620, 0o666])
def test_a_note_that_others_can_write_is_an_error(tmp_path, load, mode):
    path = tmp_path / "note.json"
    path.write_text("{}")
    path.chmod(mode)
    with pytest.raises(HostError, match="others than root can write it"):
        load(str(path))


@pytest.mark.parametrize("device", ['a" } ; flush ruleset ; #', "../x", "a b", "a\n", "*", "x" * 16, "", "\udc80"])
def test_a_device_that_cannot_be_is_an_error(tmp_path, device):
    refused(tmp_path, notes.load_ves, changed(devices=[device]))
