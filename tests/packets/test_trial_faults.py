"""What is on trial is given back also where processes die, files cannot be written, or a daemon runs."""

import subprocess
import sys

import pytest

from tests.packets.test_trial import AFTER, BEFORE, TRIED, edited, end_time, is_over, kept_by, settled, wait_for
from tests.resident import resident, until
from tests.told import INI

pytestmark = pytest.mark.generation(4)
__all__ = ["edited", "settled"]


def test_an_ini_that_cannot_be_put_back_counts_for_nothing_all_the_same(edited):
    edited.vzhooks("resync", "--confirm", "2")
    edited.hn("sh", "-c", "mount --bind /etc/vz /etc/vz && mount -o remount,bind,ro /etc/vz")
    wait_for(lambda: not kept_by(edited))
    edited.leaves_by("101", "eth3")
    assert edited.node.hn.read(INI) == edited.worded(AFTER)
    edited.settled()
    edited.hn("umount", "/etc/vz")
    edited.vzhooks("resync")
    assert (edited.node.hn.read(INI), edited.node.hn.read(TRIED)) == tuple(map(edited.worded, (BEFORE, AFTER)))
    assert is_over(edited)
    edited.settled()


def test_what_dies_in_the_midst_of_a_trial_s_changes_is_given_back(edited):
    """Killed with no chance to say goodbye; the process that gives back was there before the first change."""
    child = edited.node.hn.popen([sys.executable, "-I", "-m", "vzhooks", "-v", "resync", "--confirm", "3"],
                                 stderr=subprocess.PIPE)
    child.stderr.readline()
    child.kill()
    child.wait()
    child.stderr.close()
    wait_for(lambda: is_over(edited))
    edited.leaves_by("101", "eth3")
    edited.settled()


def test_the_daemon_goes_by_what_is_tried_and_gives_it_back_too(settled):
    """With the process that gives back killed."""
    settled.node.hn.write("/vz/new.ini", AFTER)
    with resident(settled):
        settled.vzhooks("resync", "--confirm", "60", "--ini", "/vz/new.ini")
        settled.flush("rules")
        until(lambda: settled.vzhooks("resync", "--dry-run", rc=None).stdout == "")
        settled.leaves_by("101", "eth4")
        end_time(settled)
        settled.node.link("eth0", False)  # an event is all it needs
        settled.up("eth0")
        until(lambda: is_over(settled))
        until(lambda: settled.vzhooks("resync", "--dry-run", rc=None).stdout == "")
        settled.leaves_by("101", "eth3")
    assert settled.node.hn.read(INI) == settled.worded(BEFORE)
