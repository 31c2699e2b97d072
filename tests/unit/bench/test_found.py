"""What the benchmark says of figures: ratios to the rival, limits that hold, the tables of terminal and page."""

from importlib import import_module

import pytest

from bench.__main__ import PARTS
from bench.found import Found, Limit, Row, as_data, merged
from bench.table import figure, markdown, terminal, verdicts

ROWS = [Row("hooks", "start", "beside 10 VEs", "bash", "ms", (4.0, 6.0, 5.0), base=True),
        Row("hooks", "start", "beside 10 VEs", "vzhooks", "ms", (9.0, 10.0, 20.0)),
        Row("hooks", "start", "beside 100 VEs", "vzhooks", "ms", (30.0,)),
        Row("moves", "lost", "", "bash", "packets", (0.0,), base=True),
        Row("moves", "lost", "", "vzhooks", "packets", (1.0,))]


@pytest.fixture
def data():
    return as_data(Found(ROWS, [Limit("a hook", 2.0, 2.0), Limit("packets", 0.84, 0.85, least=True)]), "hooks")


def test_a_ratio_is_to_the_base_beside_as_many(data):
    assert [row["ratio"] for row in data["rows"]] == [None, 2.0, None, None, None]
    assert [(row["min"], row["median"], row["max"]) for row in data["rows"][:2]] == [(4, 5, 6), (9, 10, 20)]


@pytest.mark.parametrize("value, bound, least, held", [
    (2.0, 2.0, False, True), (2.01, 2.0, False, False), (0.85, 0.85, True, True), (0.84, 0.85, True, False)])
def test_a_limit_holds_up_to_its_bound(value, bound, least, held):
    assert Limit("x", value, bound, least).held == held


def test_the_terminal_shows_each_row_and_what_is_broken(data):
    lines = terminal(data["rows"]).splitlines()
    assert lines[1].split() == ["start,", "ms", "median", "min", "max", "x", "first"]
    assert lines[3].split() == ["beside", "10", "VEs", "vzhooks", "10.0", "9.00", "20.0", "2.00"]
    assert [line.rpartition(" ")[2] for line in verdicts(data["limits"]).splitlines()] == ["held", "BROKEN"]


def test_a_page_has_a_column_for_each_rival(data):
    assert markdown(data["rows"][:3]).splitlines() == [
        "| | bash | vzhooks |", "|---|---|---|", "| start, beside 10 VEs, ms | 5.00 | 10.0 (2.00 x) |",
        "| start, beside 100 VEs, ms |  | 30.0 |"]


def test_figures_have_the_digits_that_count():
    assert [figure(v) for v in (0.0, 0.123, 9.876, 98.76, 987.6, 98765.4)] == [
        "0.00", "0.12", "9.88", "98.8", "988", "98,765"]


def test_a_part_measured_again_takes_the_place_of_what_it_had_found():
    def run(value, *parts):
        entries = [{"part": part, "value": value} for part in parts]
        return {"vzhooks": value, "rows": entries, "limits": entries}
    both = merged(run(1, "rate", "moves"), run(2, "hooks", "rate"), ["rate", "hooks", "moves"])
    assert both["vzhooks"] == 2
    assert both["rows"] == both["limits"] == [
        {"part": "rate", "value": 2}, {"part": "hooks", "value": 2}, {"part": "moves", "value": 1}]
    assert merged({}, run(1, "rate"), ["rate"]) == run(1, "rate")


def test_what_was_not_measured_is_named():
    with pytest.raises(LookupError, match="hooks: nothing measured for start, beside 1 VEs, bash"):
        Found(ROWS).row("hooks", "start", "beside 1 VEs", "bash")


@pytest.mark.parametrize("part", PARTS)
def test_each_part_can_be_measured(part):
    assert callable(import_module(f"bench.{part}").measure)
