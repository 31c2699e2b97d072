"""The lines of an ini mean what configparser takes them for."""

import configparser

from hypothesis import given, settings
from hypothesis import strategies as st

from vzhooks.config.inifile import read
from vzhooks.config.settings import errors, parse
from vzhooks.errors import SettingsError

PIECES = ["[node]", "[uplink:a]", "[", "key", "Other", " ", "\t", "=", ":", "#", ";", "eth0", "a.b", "  ", "\x1c",
          "\x85", "ü"]
LINES = st.lists(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), max_size=9).map("\n".join)


def by_configparser(text):
    ini = configparser.ConfigParser(interpolation=None, default_section="\0", inline_comment_prefixes=(";", "#"))
    ini.read_string(text)
    return {name: dict(ini[name]) for name in ini.sections()}


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(LINES)
def test_whatever_has_no_fault_is_read_as_configparser_does(text):
    sections, faults = read(text, "f")
    if not faults:
        assert {s.name: {k: e.value for k, e in s.entries.items()} for s in sections} == by_configparser(text)


STRICTER = ("indented, so", "more than a [section]")


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(LINES)
def test_what_configparser_refuses_has_a_fault_and_hardly_anything_else(text):
    _, faults = read(text, "f")
    try:
        by_configparser(text)
    except configparser.Error:
        assert faults
    else:
        assert [f for f in faults if not any(reason in f.text for reason in STRICTER)] == []


def test_every_key_has_the_line_where_it_stands():
    sections, faults = read("; x\n[a]\n\nk = 1 ; y\n   2\n\n  3\n# z\nl : 4\n[b]", "f")
    assert faults == []
    assert [(s.name, s.line, {k: (e.value, e.line) for k, e in s.entries.items()}) for s in sections] == [
        ("a", 2, {"k": ("1\n2\n\n3", 4), "l": ("4", 9)}), ("b", 10, {})]


@settings(max_examples=500, deadline=None, derandomize=True)
@given(LINES)
def test_what_is_used_whole_has_no_error_and_what_is_refused_has_its_first(text):
    found = errors(text, "f")
    assert all(e.text.startswith(f"f:{e.line}: ") and e.text.isprintable() for e in found)
    try:
        used = parse(text, "f")
    except SettingsError as error:
        assert str(error) in [e.text for e in found]
    else:
        assert bool(used.broken) == bool(found) and {*used.broken.values()} <= {e.text for e in found}
