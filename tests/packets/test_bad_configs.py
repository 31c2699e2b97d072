"""A VE's config that cannot be used is told in one line; nothing in it is executed."""

import threading

import pytest

from tests.site import VE101
from tests.told import (
    CONF,
    assert_nothing_executed,
    hook,
    matters,
    one_line,
    refused,
    unhurt,
    use,
)

pytestmark = pytest.mark.generation(4)  # what is read and said is the same on both

SHELL = ("$(touch /x)", "`touch /x`", "eth3; touch /x", "'; touch /x; '", '"; touch /x; "', "../../eth3", "\x1b[31mred")


# -- values that a shell would execute --------------------------------------------------------------


@pytest.mark.parametrize("value", SHELL)
def test_a_shell_s_characters_in_an_uplink_make_no_name(busy, value):
    busy.node.create_ve("101", [VE101], value)
    with unhurt(busy):
        refused(busy, "101", "UPLINK=", "is no uplink's name", "eth0, eth3, eth4")
    assert_nothing_executed(busy)


def test_a_shell_s_characters_in_other_values_are_mere_text(site):
    texts = "\n".join(f'HOSTNAME="{value}"\nDESCRIPTION={value}\nVE_ROOT="/vz/root/{value}"' for value in SHELL)
    site.node.create_ve("101", [VE101, *SHELL], "eth3", texts)
    result = site.vzctl.start("101")
    assert result.rc == 0
    lines = matters(result.stderr)
    assert lines
    for line in lines:
        one_line(line, "101.conf: IP_ADDRESS", "is no address a VE can have", "correct it")
    site.leaves_by("101", "eth3")
    assert site.vzctl.stop("101").rc == 0
    assert_nothing_executed(site)


# -- a VE's config ----------------------------------------------------------------------------------

UNREADABLE = {"empty": ("", ["empty or caught in mid-save", "try again"]),
              "huge": ('UPLINK="eth3"\n' + "#" * (2 << 20), ["larger than 1048576 bytes", "look at the file"]),
              "binary": ('ONBOOT="yes"\nUPLINK="eth3"\n\0\1\2\n', ["holds binary data", "look at the file"])}


@pytest.mark.parametrize("text, parts", UNREADABLE.values(), ids=UNREADABLE)
def test_a_config_that_cannot_be_read_refuses_the_start(busy, text, parts):
    busy.node.create_ve("101", [VE101])
    busy.node.hn.write(CONF, text)
    with unhurt(busy):
        refused(busy, "101", f"{CONF}: ", *parts)
        one_line(busy.vzhooks("status", "101", rc=None).stderr, "101.conf", *parts)


def test_on_error_warn_starts_nothing_that_may_not_be_cut_off(busy):
    """Which addresses a config holds that cannot be read is not known."""
    use(busy, "[node]\non_error = warn\n")
    busy.node.create_ve("101", [VE101], "eth3")
    busy.node.hn.write(CONF, UNREADABLE["huge"][0])
    with unhurt(busy):
        refused(busy, "101", "start refused", "larger than")


@pytest.mark.parametrize("text, parts", UNREADABLE.values(), ids=UNREADABLE)
def test_a_config_that_cannot_be_read_changes_nothing_for_its_running_ve(busy, text, parts):
    conf = "/etc/vz/conf/102.conf"
    whole = busy.node.hn.read(conf)
    busy.node.hn.write(conf, text)
    with unhurt(busy):
        assert parts[0] in busy.vzhooks("resync", rc=1).stderr
    busy.node.hn.write(conf, whole)


def test_a_config_that_is_not_there_hinders_nobody(busy):
    """vzctl mounts a VE that it creates before the config has its name."""
    busy.node.hn.path(CONF).symlink_to("/vz/nowhere/ve.conf")
    with unhurt(busy):
        said = hook(busy, "mount")
        assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
        busy.vzhooks("resync")
        one_line(busy.vzhooks("resync", "101", rc=1).stderr, "101: no such VE", "vzlist -a")


def test_a_config_caught_in_mid_save_is_read_again(site):
    site.node.create_ve("101", [VE101], "eth3")
    whole = site.node.hn.read(CONF)
    site.node.hn.write(CONF, "")
    saved = threading.Timer(0.25, site.node.hn.write, (CONF, whole))
    saved.start()
    result = site.vzctl.start("101")
    saved.join()
    assert (result.rc, matters(result.stderr)) == (0, [])
    site.leaves_by("101", "eth3")


# -- the environment --------------------------------------------------------------------------------


@pytest.mark.parametrize("veid", ["../../x", "", None, "0", "101;touch /x", "101\nUPLINK=x", "a" * 200])
def test_what_is_no_ve_s_id_is_refused(busy, veid):
    busy.node.create_ve("101", [VE101])
    with unhurt(busy):
        for event, status in (("mount", 1), ("umount", 0)):
            said = hook(busy, event, VEID=veid)
            assert said.returncode == status
            one_line(said.stderr, f"vzhooks: {event}: ", "is no VE's id", "vzlist")
    assert_nothing_executed(busy)


def test_without_its_config_s_name_a_ve_s_usual_config_is_read(busy):
    busy.node.create_ve("101", [VE101], "eth9")
    with unhurt(busy):
        said = hook(busy, "mount", VE_CONFFILE=None)
        assert said.returncode == 1
        one_line(said.stderr, "uplink eth9")
