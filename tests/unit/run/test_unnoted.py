"""What cannot be noted down is carried to the end of a run, and said there."""

import pytest

from vzhooks.errors import HostError, KernelError
from vzhooks.model import Problem
from vzhooks.node import notes
from vzhooks.node.host import Paths
from vzhooks.policy.harden import OFF, Hardening
from vzhooks.policy.trial import Trial
from vzhooks.run import trial
from vzhooks.run.request import Report
from vzhooks.run.unnoted import Unnoted


def missing(*texts):
    found = Unnoted()
    for text in texts:
        with found.carried():
            raise HostError(text)
    return found


def test_each_is_said_once_and_as_a_problem_behind_all_others():
    other = Problem("101", "other")
    told = missing("one", "two", "one").told(Report(problems=(other,), moved=(("192.168.18.101", "eth3"),)))
    assert told.unnoted == "one; two" and told.moved
    assert told.problems == (other, Problem("", "one", True), Problem("", "two", True))


def test_without_any_the_report_stays_as_it_is():
    assert missing().told(Report()) == Report()


def test_nothing_but_a_note_is_carried():
    with pytest.raises(KernelError), Unnoted().carried():
        raise KernelError("busy")


@pytest.mark.parametrize("room", [True, False])
def test_a_trial_ends_once_what_was_decided_about_hardening_is_noted(tmp_path, room):
    paths = Paths(str(tmp_path))
    held = Trial("t", 1.0, "b")
    for path, save, value in ((paths.trial, notes.save_trial, held),
                              (paths.harden, notes.save_hardening, Hardening(OFF))):
        tmp_path.joinpath(path).parent.mkdir(parents=True, exist_ok=True)
        save(path, value)
    if not room:
        tmp_path.joinpath(paths.harden).write_text("no note")
    line = trial.end(paths, held, Report(), True)
    assert "given back" in line and (paths.harden in line) == (not room)
    assert (trial.pending(paths) is None) == room
