"""The daemon's notes on many VEs say the same to whoever reads the file, whenever the daemon dies."""

import os
import random
import resource
import signal

import pytest

from vzhooks.daemon.memory import WHOLE, Memory
from vzhooks.errors import HostError
from vzhooks.node import notes
from vzhooks.node.host import Paths
from vzhooks.policy.records import Expected, Record

MANY = 4 * WHOLE


def record(n):
    later = Expected("isp2", (f"fd00::{n}",), 3.0) if n % 3 == 0 else None
    return Record("running", float(n), "isp1", (f"10.0.0.{n % 250}",), expected=later)


def changed(memory, paths, ctid, value):
    before = memory.known(paths)
    after = {c: r for c, r in {**before, ctid: value}.items() if r}
    memory.note(paths, before, after)
    return after


@pytest.fixture
def paths(tmp_path):
    found = Paths.below(str(tmp_path))
    notes.save_ves(found.ves, {str(n): record(n) for n in range(101, 101 + MANY)})
    return found


def test_a_walk_at_random(paths):
    chance, memory, files = random.Random(1), Memory(None), set()
    for step in range(1, 6 * WHOLE):
        if chance.random() < 0.1:
            notes.save_ves(paths.ves, {**notes.load_ves(paths.ves), "9": record(step)})  # by a hook that goes alone
        memory = Memory(None) if chance.random() < 0.1 else memory
        value = None if chance.random() < 0.3 else record(step)
        after = changed(memory, paths, str(chance.randrange(95, 105 + MANY)), value)
        assert notes.load_ves(paths.ves) == Memory(None).known(paths) == memory.known(paths) == after
        files.add(os.stat(paths.ves).st_ino)
    assert len(files) < 4 * WHOLE  # it is not written anew each time


@pytest.mark.parametrize("value", [None, record(7)], ids=["gone", "new"])
def test_what_was_cut_short_anywhere_is_the_note_before_or_after(paths, value):
    memory = Memory(None)
    before = changed(memory, paths, "200", record(200))
    whole = os.path.getsize(paths.ves)
    after = changed(memory, paths, "101", value)
    with open(paths.ves, "rb") as file:
        data = file.read()
    assert before != after and data[whole:].count(b"\n") == 1
    for end in range(whole, len(data) + 1):
        with open(paths.ves, "wb") as file:
            file.write(data[:end])
        assert notes.load_ves(paths.ves) == (after if end == len(data) else before)
    with open(paths.ves, "wb") as file:
        file.write(data[:-5])
    assert changed(Memory(None), paths, "102", None) == notes.load_ves(paths.ves)  # which goes by what is left


@pytest.mark.parametrize("line", [
    "x\n", "x", "[1]\n", "{} {}\n", '{"101": 7}\n', '{"1 1": null, "..": {}}\n', '{"101":\n\n',
])
def test_what_nobody_of_us_wrote_is_an_error(paths, line):
    with open(paths.ves, "a") as file:
        file.write(line)
    with pytest.raises(HostError, match="remove it and run"):
        notes.load_ves(paths.ves)


def test_a_full_disk_leaves_the_notes_as_they_were(paths):
    memory = Memory(None)
    before = changed(memory, paths, "200", record(200))
    limit, former = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(paths.ves) + 5, limit[1]))
    try:
        with pytest.raises(HostError, match="ves.json: cannot be written"):
            changed(memory, paths, "101", None)
        assert notes.load_ves(paths.ves) == memory.known(paths) == before
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, former)
    assert changed(memory, paths, "101", None) == notes.load_ves(paths.ves)


def test_nothing_is_written_behind_a_file_that_is_gone(paths):
    memory = Memory(None)
    after = changed(memory, paths, "200", record(200))
    os.unlink(paths.ves)
    with pytest.raises(HostError):
        notes.add_records(paths.ves, {"101": None})
    assert not os.path.exists(paths.ves) and after
