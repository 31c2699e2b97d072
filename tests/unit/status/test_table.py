"""The table of status has one line a row, on a terminal of any width."""

import pytest

from tests.unit.status.test_rows import VE101, view
from vzhooks.cli import terminal
from vzhooks.config.vzconf import VeConfig
from vzhooks.model import Ve
from vzhooks.status import table

MANY = view(VE101, Ve("102", tuple(f"192.168.18.{n}" for n in range(2, 30)), "isp2"), Ve("103", ("10.5.0.3",), "isp3"))


def test_what_is_no_terminal_gets_one_whole_line_a_ve():
    lines = table.render(MANY).split("\n")
    assert [line.split()[0] for line in lines[:4]] == ["VE", "101", "102", "103"]
    assert all(a in lines[2] for a in MANY.report.ways[1].ve.addresses)
    assert "\x1b" not in table.render(MANY)


@pytest.mark.parametrize("width", [20, 40, 79, 100, 130, 1000])
def test_a_terminal_of_any_width_loses_nothing(width):
    text = table.render(MANY, width, colour=True)
    words = {w for line in table.render(MANY).split("\n") for w in line.split() if w != "-"}
    assert {w for w in words if w not in text and not w.isupper()} == set()
    plain = table.render(MANY, width)
    assert max(map(len, plain.split("\n"))) <= max(width, 45)


LONG = {"101": "a", "102": "a very long name that somebody gave to it", "0f0e0d0c-1b1a-4918-8716-252423222120": "web"}


@pytest.mark.parametrize("width", [60, 80, 100])
def test_each_ve_has_one_line_whatever_its_name(width):
    ves = [Ve(c, (f"192.168.18.{100 + n}", f"fd00:18::{n}"), "isp1") for n, c in enumerate(LONG)]
    shown = view(*ves, configs={c: VeConfig(c, (), "isp1", name=name) for c, name in LONG.items()}, ctids=tuple(LONG))
    lines = table.render(shown, width).split("\n")
    assert [line.split()[0] for line in lines[:4]] == ["VE", *LONG] and lines[4] == ""
    assert all(line.endswith("ok") or " ok " in line for line in lines[1:4])
    assert "name a very long name that somebody gave to it" in " ".join(" ".join(lines[5:]).split())
    assert max(map(len, lines)) <= width
    assert lines[2].split()[0] == "102" and (" a very" in lines[2] or width == 60)


def test_colour_marks_the_state_alone():
    text = table.render(MANY, None, colour=True)
    assert "\x1b[32mok " in text and "\x1b[31mblocked" in text and text.count("\x1b[0m") == text.count("\x1b[3")


class Tty:
    def isatty(self):
        return True


@pytest.mark.parametrize("environ, painted", [
    ({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "xterm", "NO_COLOR": ""}, True),
    ({"TERM": "dumb"}, False), ({}, False)])
def test_colour_is_for_terminals_that_have_and_want_it(environ, painted):
    assert terminal.colour(Tty(), environ) is painted
    assert terminal.colour(None, environ) is False
