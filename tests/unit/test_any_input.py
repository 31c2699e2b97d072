"""The parsers take any input: they return a value or raise their own error, in one printable line."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vzhooks.config import vzconf
from vzhooks.config.settings import Settings
from vzhooks.config.settings import parse as parse_ini
from vzhooks.errors import HostError, InputError, KernelError, SettingsError, VzhooksError
from vzhooks.node import notes, uplink_notes
from vzhooks.policy import guard

INI = """\
[node]
unassigned = main   ; VEs without UPLINK
reserved = eth0
on_error = refuse
[uplink:isp1]
device = eth3
gateway = 192.168.18.1
backup = isp2
probe = 203.0.113.9
probe_interval = 500ms
hold_down = 1m
table = 1003
[uplink:isp2]
device = eth4
gateway6 = fe80::1
"""
CONFIG = b"""\
ONBOOT="yes"
VE_ROOT="/vz/root/$VEID"
IP_ADDRESS="192.168.18.101 fd00:18::101/64"   # two
HOSTNAME='a.example'
UPLINK="isp1"
"""
GUARD = """{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"table": {"family": "inet", "name": "vzhooks"}},
{"set": {"family": "inet", "name": "exits4", "type": ["ipv4_addr", "ifname"], "elem":
 [{"concat": ["192.168.18.101", "eth3"]}, {"elem": {"val": {"concat": ["192.168.18.102", "eth4"]}}}]}},
{"set": {"family": "inet", "name": "asked6", "elem": [1, "0x10"]}}, {"chain": {"name": "forward"}},
{"rule": {"family": "inet", "chain": "forward", "comment": "x", "expr": [{"drop": null}]}}]}"""
FEW = settings(max_examples=150, deadline=None, derandomize=True)
WORDS = ("nftables", "set", "rule", "elem", "concat", "name", "val", "comment")
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=9),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner),
                    max_leaves=12)


def held(parse, error):
    """Return what a parser returns, or the error it may raise, held to be one printable line."""
    try:
        return parse()
    except error as found:
        assert str(found).isprintable() and str(found)
        return found


def check_ini(text):
    found = held(lambda: parse_ini(text), SettingsError)
    if isinstance(found, Settings):
        assert not set(found.uplinks) & set(found.broken)
        assert all(why.isprintable() for why in found.broken.values())
        assert not {u.device for u in found.uplinks.values()} & set(found.reserved)


def check_config(data):
    found = held(lambda: vzconf.parse(data, "101", "101.conf"), InputError)
    if isinstance(found, vzconf.VeConfig):
        assert found.uplink.isascii() and found.uplink.isprintable()
        assert all(note.isprintable() for note in found.notes)
        assert not {"0.0.0.0", "127.0.0.1", "::"} & set(found.addresses)


def check_guard(text):
    held(lambda: guard.parse({"inet": text, "arp": text}), KernelError)


def check_note(path, load, text):
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    held(lambda: load(str(path)), HostError)


def mutated(data, seed):
    """Return data with some bytes changed, doubled, dropped or put in from elsewhere."""
    chance, found = random.Random(seed), bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at, length = chance.randrange(len(found) + 1), chance.randint(0, 12)
        piece = chance.choice([bytes([chance.randrange(256)]), b"\n", b"=", b"[", b"\"", b"\0", b"  ", b"UPLINK=",
                               data[at:at + length], b"[uplink:isp1]\n", b"{", b"]", b"$(touch /x)"])
        found[at:at + chance.choice([0, length])] = piece
    return bytes(found)


@FEW
@given(st.text())
def test_any_text_as_an_ini(text):
    check_ini(text)


@FEW
@given(st.text(), st.text(), st.sampled_from(["node", "uplink:isp1", "uplink:isp2"]))
def test_any_key_and_value_in_an_ini(key, value, section):
    check_ini(INI.replace(f"[{section}]\n", f"[{section}]\n{key} = {value}\n"))


@FEW
@given(st.binary())
def test_any_bytes_as_a_config(data):
    check_config(data)
    check_config(CONFIG + data)


@FEW
@given(st.text(), st.sampled_from(["UPLINK", "IP_ADDRESS", "VE_ROOT"]))
def test_any_value_in_a_config(value, name):
    check_config(CONFIG + f"{name}={value}\n{name}=\"{value}\"\n".encode("utf-8", "surrogatepass"))


@FEW
@given(st.text())
def test_any_text_from_nft(text):
    check_guard(text)


@FEW
@given(JSON)
def test_any_json_from_nft(data):
    check_guard(json.dumps(data))
    check_guard(json.dumps({"nftables": data if isinstance(data, list) else [data]}))


NOTES = [
    (notes.load_ves, {"101": {"phase": "running", "since": 5.5, "uplink": "isp1", "addresses": ["192.168.18.101"],
                                "override": None, "base": "", "devices": ["web0"], "root": "/vz/root/101",
                                "expected": {"uplink": "isp2", "addresses": ["fd00::1"], "since": 7}}}),
    (notes.load_tables, {"uplink:isp1": 1003, "own:eth0.7": 10001, "main:without-reserved": 10002}),
    (notes.load_hardening, {"mode": "on", "former": {"net/ipv4/conf/eth3/arp_ignore": "0"}}),
    (lambda path: uplink_notes.load_health(path, 10.0), {"at": 9.5, "uplinks": {
        "isp1": {"state": "down", "since": 5.5, "why": "eth3 is down", "streak": -3, "linked": False}}}),
    (uplink_notes.load_standing, {"isp1": {"by": "isp2", "works": True, "since": 5.5, "switches": 1}}),
    (uplink_notes.load_counts, {"heals": {"rule": 3}, "hooks": [1] * 12, "hook_s": 0.25}),
    (notes.load_trial, {"token": "a1", "until": 77.5, "boot": "b2", "tried": INI, "file": "", "before": None,
                        "uplinks": {"101": ["isp1", "isp2"]}, "returned": False,
                        "hardening": {"mode": "", "former": {}}})]
IDS = ["ves", "tables", "harden", "health", "standing", "counts", "trial"]


@pytest.mark.parametrize("load, note", NOTES, ids=IDS)
def test_300_mutations_of_a_note(tmp_path, load, note):
    text = json.dumps(note, indent=1)
    (tmp_path / "note").write_text(text, encoding="utf-8")
    assert load(str(tmp_path / "note"))
    for seed in range(300):
        check_note(tmp_path / "note", load, mutated(text.encode(), seed).decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize("load, note", NOTES, ids=IDS)
def test_any_value_in_any_place_of_a_note(tmp_path, load, note):
    odd = [None, True, -1, 254, 10 ** 400, 1.5, float("inf"), "", "x", "../x", "\udc80", "7" * 9999, [], {}, {"a": 1}]
    for place, value in ((p, v) for p in places(note) for v in odd):
        check_note(tmp_path / "note", load, json.dumps(changed(note, place, value)))


def places(data, at=()):
    """Return the path to each value within nested data."""
    found = [at]
    for key in data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ():
        found += places(data[key], (*at, key))
    return found


def changed(data, place, value):
    """Return the data with another value at a path."""
    if not place:
        return value
    copy = data.copy()
    copy[place[0]] = changed(data[place[0]], place[1:], value)
    return copy


@pytest.mark.parametrize("data, check", [(INI.encode(), lambda d: check_ini(d.decode("utf-8", "replace"))),
                                         (CONFIG, check_config),
                                         (GUARD.encode(), lambda d: check_guard(d.decode("utf-8", "replace")))],
                         ids=["ini", "config", "nft"])
def test_300_mutations_of_a_valid_one(data, check):
    check(data)
    for seed in range(300):
        check(mutated(data, seed))


@FEW
@given(st.text())
def test_an_error_is_one_printable_line(text):
    assert str(VzhooksError(text)).isprintable()
