"""A trial is over with its time or its boot, and gives back what nobody has changed since."""

import pytest

from vzhooks.node import notes
from vzhooks.policy.harden import FORCED, OFF, ON, Hardening
from vzhooks.policy.records import RUNNING, Record
from vzhooks.policy.trial import Trial, back, forced, moved, order


def records(**uplinks):
    return {ctid[1:]: Record(RUNNING, 0.0, uplink) for ctid, uplink in uplinks.items()}


def trial(**more):
    return Trial("t", 100.0, "this", **more)


def test_time_and_boot_end_it():
    assert trial().left(40.0, "this") == 60.0
    assert trial().left(100.0, "this") == 0.0 and trial().left(130.0, "this") < 0
    assert trial().left(0.0, "another") == 0.0


def test_only_the_node_s_own_ini_is_put_back():
    assert trial(tried="").own
    assert not trial(tried="", file="new.ini").own and not trial().own


def test_what_moved_is_noted_with_what_was():
    before = records(_101="isp1", _102="isp2", _104="isp1")
    found = moved(before, records(_101="isp2", _102="isp2", _103="isp1", _105=""))
    assert found == {"101": ("isp1", "isp2"), "103": ("", "isp1")}


def test_who_has_moved_since_or_is_gone_is_left_alone():
    held = trial(uplinks={"101": ("isp1", "isp2"), "102": ("isp1", "isp2"), "103": ("", "isp1")})
    assert back(held, records(_101="isp2", _102="isp3")) == {"101": "isp1"}


@pytest.mark.parametrize("was, now, said", [
    ("", ON, OFF), (OFF, ON, OFF), (ON, OFF, ON), (FORCED, OFF, ON), (ON, ON, ""), ("", OFF, ""), ("", "", "")])
def test_hardening_is_ordered_as_it_was(was, now, said):
    assert order(trial(hardening=Hardening(was)), Hardening(now)) == said


def test_a_note_holds_all_of_it(tmp_path):
    held = Trial("t", 7.5, "b", "[node]\n", "new.ini", None, {"101": ("isp1", "")},
                 Hardening(ON, {"net/ipv4/conf/eth3/arp_ignore": "0"}), True)
    notes.save_trial(str(tmp_path / "trial"), held)
    assert notes.load_trial(str(tmp_path / "trial")) == held
    assert notes.load_trial(str(tmp_path / "none")) is None


def test_force_is_remembered():
    assert [forced(trial(hardening=Hardening(mode))) for mode in (FORCED, ON, OFF)] == [True, False, False]
