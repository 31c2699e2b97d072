"""Scripts of an administrator that stood where ours go: each runs on, once, by its own name."""

import os

import pytest

from tests.packets.test_hook_scripts import CONF, own_script, ran
from tests.site import VE101
from tests.told import hook, records

pytestmark = pytest.mark.generation(4)  # and of what vzctl gives and takes on both


@pytest.mark.generation(4, 9)
def test_an_own_script_runs_once_by_its_own_name_with_what_vzctl_gives(bare):
    own_script(bare, "vps.mount")
    own_script(bare, "vps.umount")
    bare.install()
    bare.ve("101", uplink="eth3")
    assert ran(bare) == [f"vps.mount 0 101 {CONF}/101.conf"]
    bare.leaves_by("101", "eth3")
    assert bare.vzctl.stop("101").rc == 0
    assert ran(bare)[1:] == [f"vps.umount 0 101 {CONF}/101.conf"]


@pytest.mark.generation(4, 9)
def test_an_own_script_s_veto_is_kept_and_ours_does_nothing(bare):
    own_script(bare, "vps.mount", "echo no >&2; exit 5")
    before = bare.state()
    bare.install()
    bare.node.create_ve("101", [VE101], "eth3")
    said = hook(bare, "mount")
    assert (said.returncode, said.stderr) == (5, "no\n")
    assert bare.vzctl.start("101").rc == 79
    assert (bare.state(), records(bare), len(ran(bare))) == (before, {}, 2)


@pytest.mark.generation(4, 9)
def test_a_failing_own_unmount_script_keeps_its_status_and_ours_still_removes(bare):
    own_script(bare, "vps.postumount", "exit 3")
    bare.install()
    bare.ve("101", uplink="eth3")
    bare.end_announcers()
    assert bare.vzctl.stop("101").rc == 79
    assert "101" not in records(bare)
    assert VE101 not in bare.hn("ip", "rule") + bare.hn("nft", "list", "ruleset")
    assert hook(bare, "postumount").returncode == 3


def test_a_ve_that_a_failing_own_script_left_mounted_keeps_its_way(bare):
    """vzctl runs no mount hook at its next start."""
    own_script(bare, "vps.umount", "exit 3")
    bare.install()
    bare.ve("101", uplink="eth3")
    bare.end_announcers()
    assert bare.vzctl.stop("101").rc == 79
    assert hook(bare, "umount").returncode == 3
    assert bare.vzctl.start("101", skip_remount=True).rc == 0
    bare.leaves_by("101", "eth3")
    own_script(bare, "before-vzhooks/vps.umount")
    assert bare.vzctl.stop("101").rc == 0
    assert VE101 not in bare.hn("ip", "rule") + bare.hn("nft", "list", "ruleset")


def test_an_own_script_that_is_a_link_runs_and_comes_back(bare):
    own_script(bare, "mine.sh")
    bare.node.hn.path(f"{CONF}/vps.mount").symlink_to("mine.sh")
    bare.install()
    bare.ve("101", uplink="eth3")
    assert len(ran(bare)) == 1
    assert bare.vzctl.stop("101").rc == 0
    bare.vzhooks("uninstall")
    assert os.readlink(bare.node.hn.path(f"{CONF}/vps.mount")) == "mine.sh"


def test_an_own_script_that_is_not_executable_is_a_veto_as_before(bare):
    own_script(bare, "vps.mount", mode=0o644)
    bare.node.create_ve("101", [VE101])
    assert bare.vzctl.start("101").rc == 79
    bare.install()
    assert bare.vzctl.start("101").rc == 79


def test_an_own_script_that_is_a_dangling_link_is_skipped_as_before(bare):
    bare.node.hn.path(f"{CONF}/vps.mount").symlink_to("/vz/nowhere.sh")
    bare.install()
    bare.ve("101", uplink="eth3")
    bare.leaves_by("101", "eth3")
