# SPDX-License-Identifier: GPL-2.0-or-later
"""Some hundred inputs for each target, and those that failed once."""

import random

import pytest

from tests.proof import fuzz, guided
from tests.proof.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_is_taken_for_what_it_is_not(name):
    for data in fuzz.seeds_of(name):
        assert fuzz.fails(name, data) == "", data
    chance = random.Random(name)
    for _ in range(20 if name == "command" else 300):
        data = fuzz.mutated(fuzz.seeds_of(name), chance)
        assert fuzz.fails(name, data) == "", data


def test_what_fails_is_found_and_made_short(monkeypatch):
    def check(data):
        assert b"UPLINK=" not in data
    monkeypatch.setitem(fuzz.TARGETS, "wrong", fuzz.TARGETS["ini"].__class__(check, (b"[node]\n",)))
    data, why = next(fuzz.run("wrong", 3000, 1))
    assert why.startswith("AssertionError") and fuzz.shortest("wrong", data) == b"UPLINK="


def test_an_input_is_kept_that_reaches_a_line_which_no_other_does():
    known, longer = [b"[node]\n"], b"[node]\nreserved = eth0\n\n"
    assert guided.new("ini", known, [longer, b"[node]\nreserved = eth0\n", b"[node]\n\n"]) == [longer[:-1]]
    assert guided.new("ini", [longer], [longer[:-1]]) == []
