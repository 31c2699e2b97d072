"""The words of `vzctl set`: what is ours, and that everything else stays as it was typed."""

import os
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vzhooks.errors import UsageError
from vzhooks.wrapper.split import GENERATIONS, meant, split


def words(line):
    return line.split()


@pytest.mark.parametrize(("line", "uplink", "rest"), [
    ("set 101 --uplink eth3", "eth3", "set 101"),
    ("set 101 --uplink=eth3 --save", "eth3", "set 101 --save"),
    ("set 101 --save --uplink eth3 --ram 1G", "eth3", "set 101 --save --ram 1G"),
    ("--quiet --verbose --skiplock set 101 --uplink eth3", "eth3", "--quiet --verbose --skiplock set 101"),
    ("--configure-timeout 5 --skipowner set 101 --uplink eth3", "eth3", "--configure-timeout 5 --skipowner set 101"),
    ("set 101 --uplink eth3 --uplink none", "none", "set 101"),
    ("set 101 --uplink=a --ram 1G --uplink b --save", "b", "set 101 --ram 1G --save"),
    ("set 101 --description --uplink --uplink eth3", "eth3", "set 101 --description --uplink"),
    ("set 101 --desc --uplink --uplink eth3", "eth3", "set 101 --desc --uplink"),
    ("set 101 --description=x --uplink eth3", "eth3", "set 101 --description=x"),
    ("set 101 -p 5 -hn 6 --uplink eth3", "eth3", "set 101 -p 5 -hn 6"),
    ("set 101 -p --uplink -n5 --uplink eth3", "eth3", "set 101 -p --uplink -n5"),
    ("set {6d1b2c3d-0000-4000-8000-00000000abcd} --uplink eth3", "eth3",
     "set {6d1b2c3d-0000-4000-8000-00000000abcd}"),
    ("set 101 --uplink eth3 -- --uplink x", "eth3", "set 101 -- --uplink x"),
    ("set 101 stray --uplink eth3 - x", "eth3", "set 101 stray - x"),
    ("set 101 --not-known --uplink eth3", "eth3", "set 101 --not-known"),
    ("set 101 --not-known word --uplink eth3", "eth3", "set 101 --not-known word"),
    ("set 101 --upl x --uplink eth3 --uplinks y", "eth3", "set 101 --upl x --uplinks y"),
    ("set --uplink --uplink eth3", "eth3", "set --uplink"),
])
def test_ours_is_taken_out_and_the_rest_stays(line, uplink, rest):
    asked = split(words(line))
    assert (asked.uplink, asked.rest) == (uplink, tuple(words(rest)))


@pytest.mark.parametrize("line", [
    "", "set", "--verbose", "start 101", "--version set 101 --uplink eth3", "--bogus set 101 --uplink eth3",
    "set --uplink", "set --uplink eth3", "set 101 --save", "set 101 -- --uplink eth3", "exec 101 set --uplink eth3",
    "set 101 --description --uplink", "set 101 --descr --uplink", "set 101 -p --uplink", "set 101 --upl eth3",
    "--configure-timeout set 101 --uplink eth3", "setrate 101 --uplink eth3", "set 101 -uplink eth3",
])
def test_other_lines_are_not_ours(line):
    assert split(words(line)) is None


@pytest.mark.parametrize("line", ["set 101 --uplink", "set 101 --uplink=", "set 101 --uplink eth3 --save --uplink",
                                  "set 101 --uplink --save", "set 101 --uplink --ram 1G", "set 101 --uplink --"])
def test_a_missing_name_is_an_error(line):
    with pytest.raises(UsageError, match="--uplink needs the name of an uplink"):
        split(words(line))


def test_an_empty_name_is_no_way_to_unassign():
    with pytest.raises(UsageError):
        split(["set", "101", "--uplink", ""])


@pytest.mark.parametrize(("rest", "alone", "save"), [
    ("", True, False), ("--save", True, True), ("--sav --save", True, True), ("--", True, False),
    ("-- x", False, False), ("--save=yes", False, False), ("--save --force", False, True), ("x", False, False),
    ("--skip_arpdetect", False, False), ("--name --save", False, False), ("--s", False, False),
])
def test_what_is_left_for_vzctl(rest, alone, save):
    asked = split(["set", "101", "--uplink", "eth3", *words(rest)])
    assert (asked.alone, asked.save) == (alone, save)


@pytest.mark.parametrize(("line", "quiet"), [
    ("set 101 --uplink eth3", False), ("--quiet set 101 --uplink eth3", True),
    ("--verbose set 101 --uplink eth3", False),
])
def test_who_wants_errors_only_is_told(line, quiet):
    assert split(words(line)).quiet is quiet


def test_addresses_to_be_added_are_told():
    asked = split(words("set 101 --ipadd 10.0.0.1 --ip 10.0.0.2/24 --ipa=fd00::1 --ipdel 10.0.0.9 --uplink eth3"))
    assert asked.adds == ("10.0.0.1", "10.0.0.2/24", "fd00::1")


ANY = st.binary(max_size=6).filter(lambda b: b"\0" not in b).map(os.fsdecode)
OPTION = st.sampled_from(sorted(GENERATIONS[0] | GENERATIONS[1])).flatmap(
    lambda name: st.integers(1, len(name)).map(lambda n: f"--{name[:n]}"))
WORD = st.one_of(ANY, OPTION, st.sampled_from(["--uplink", "--uplink=eth3", "--save", "--", "-p", "-hn", "set", "101"]))


@given(st.lists(WORD, max_size=8), st.lists(WORD, max_size=8))
def test_the_rest_is_what_was_typed_in_its_order_less_ours(before, after):
    argv = [*before, "set", "101", *after]
    try:
        asked = split(argv)
    except UsageError:
        return
    if asked is None:
        return
    there = iter(argv)
    assert all(any(os.fsencode(w) == os.fsencode(x) for x in there) for w in asked.rest)
    gone = Counter(argv) - Counter(asked.rest)
    ours = sum(n for w, n in gone.items() if w.startswith("--uplink"))
    assert 0 < ours <= sum(gone.values()) <= 2 * ours


@given(st.lists(WORD, max_size=8))
def test_a_line_without_our_word_is_never_ours(line):
    assert split([w for w in line if not w.startswith("--uplink")]) is None


@given(st.lists(WORD.filter(lambda w: not w.startswith("--uplink")), max_size=6), st.integers(0, 6))
def test_ours_put_between_whole_options_comes_out_again(line, at):
    """An option that both generations take with a value, its value, ours, and whatever comes after."""
    argv = ["set", "101", "--ram", "1G", *line]
    place = 2 if at < 3 else 4
    asked = split([*argv[:place], "--uplink", "eth3", *argv[place:]])
    assert (asked.uplink, list(asked.rest)) == ("eth3", argv)


def test_the_generations_agree_on_every_shortened_option_but_one():
    """`--disable` is a flag of vzctl 9 and short for vzctl 4's --disabled, which has a value."""
    names = {name[:n] for table in GENERATIONS for name in table for n in range(1, len(name) + 1)}
    taken = {n: {_alone(table, n) for table in GENERATIONS} - {None} for n in names}
    assert {n for n, kinds in taken.items() if len(kinds) > 1} == {"disable"}
    assert [n for n, kinds in taken.items() if kinds and meant(n)[1] not in kinds] == []


def _alone(table, name):
    """Return as getopt_long would whether a name takes a value; None where it is refused."""
    if name in table:
        return table[name]
    kinds = {takes for option, takes in table.items() if option.startswith(name)}
    return kinds.pop() if len(kinds) == 1 else None
