"""Parts work when they are due, and one that fails is left alone for a while."""

import os
import time

import pytest

from vzhooks.daemon.loop import Loop
from vzhooks.daemon.part import Part
from vzhooks.errors import HostError


class Noting(Part):
    """Note each work; due by a pipe, or at a time."""

    def __init__(self, at=None, error=None):
        self.reader, self.writer = os.pipe()
        self.at, self.error, self.works = at, error, []

    def fds(self):
        return (self.reader,)

    def due(self):
        return None if self.at is None else self.at - time.monotonic()

    def run(self, ready):
        self.works.append(bool(ready))
        if ready:
            os.read(self.reader, 99)
        if self.error:
            raise self.error
        self.at = None


def test_each_works_when_it_is_due_and_only_then():
    timed, asked, idle = Noting(time.monotonic() + 0.02), Noting(), Noting()
    loop = Loop([timed, asked, idle])
    os.write(asked.writer, b"x")
    loop.once()
    loop.once()
    assert (timed.works, asked.works, idle.works) == ([False], [True], [])


@pytest.mark.parametrize("error", [HostError("no room; make some"), ZeroDivisionError()])
def test_one_that_fails_rests_and_harms_no_other(error, capfd):
    failing, other = Noting(0.0, error), Noting(0.0)
    loop = Loop([failing, other])
    for _ in range(3):
        loop.once(0.01)
    assert (failing.works, other.works) == ([False], [False])
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1 and said[0].endswith("tried again in 1 s")
    failing.error = None
    loop._resting[failing] = (0.0, 1.0)
    loop.once(0.01)
    assert failing.works == [False, False] and not loop._resting


def test_it_ends_when_told_to():
    class Ending(Noting):
        def run(self, ready):
            loop.stop()
    loop = Loop([Ending(0.0), other := Noting(0.0)])
    loop.run()
    assert other.works == []
