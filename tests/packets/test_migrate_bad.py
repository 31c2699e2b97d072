"""A migration that cannot be is one line, and leaves all as it was."""

import pytest

from tests.lab.bystanders import sh
from tests.packets.test_bad_commands import said, unchanged
from tests.packets.test_hook_scripts import AS_NOBODY, open_to_all
from tests.packets.test_migrate import CONF, old
from tests.site import BEYONDS

pytestmark = pytest.mark.generation(4)  # what is read and said is the same on both
__all__ = ["old"]


@pytest.mark.parametrize("what", ["vzctl at work", "read-only", "full disk", "ini with an error", "a trial"])
def test_what_hinders_it_is_one_line_and_changes_nothing(old, what):
    old.install()
    hn = old.node.hn
    rc, part = 1, ""
    if what == "vzctl at work":
        hn.write("/vz/lock/101.lck", "1\n")
        rc, part = 75, "vzctl is at work on VE 101, so nothing was changed"
    elif what == "ini with an error":
        old.ini("[node]\nreserve = eth0\n")
        part = "[node] reserve: unknown key"
    elif what == "read-only":
        old.hn("sh", "-c", "mount --bind /etc/vz/conf /etc/vz/conf && mount -o remount,bind,ro /etc/vz/conf")
        part = "101.conf: cannot be written"
    elif what == "full disk":
        old.hn("sh", "-c", "cp -a /etc/vz /vz/etc && mount -t tmpfs -o size=64k,mode=755 none /etc/vz && "
               "cp -a /vz/etc/* /etc/vz")
        hn.run(["sh", "-c", "cat /dev/zero > /etc/vz/conf/fill"])
        part = "No space left"
    else:
        old.vzhooks("harden", "--confirm", "60")
        old.end_announcers()
        part = "on trial until"
    with unchanged(old):
        done = old.vzhooks("migrate", "--write", rc=rc)
        lines = [line for line in done.stderr.splitlines() if part in line]
        assert len(lines) == 1 and lines[0].isprintable(), done
        assert not hn.exists(f"{CONF}/101.conf.vzhooks")
    old.leaves_by("101", "eth3", BEYONDS)


def test_without_rules_root_or_vzctl(bare):
    bare.both("105")
    sh(bare.node.hn, "ip rule add from 10.9.9.9 lookup 77; ip rule add from 192.168.18.10 lookup 77")
    done = bare.vzhooks("migrate")
    assert (done.stdout, done.stderr) == ("", "vzhooks migrate: nothing to migrate\n")
    with unchanged(bare):
        said(bare, ["migrate", "x"], 2, "--help")
        said(bare, ["migrate"], 1, "root", command=[*AS_NOBODY, open_to_all(bare)])
        bare.hn("mv", CONF, "/etc/vz/away")
        for more in ([], ["--write"], ["--json"]):
            said(bare, ["migrate", *more], 1, f"{CONF}: not there; is vzctl installed on this node?")
        bare.hn("mv", "/etc/vz/away", CONF)
