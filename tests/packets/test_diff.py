"""`--diff` shows by VE what a command changes, before it is done and when it is done, and is plain text in a pipe."""

import os
import pty
import sys

import pytest

from tests.told import ETH4, ISP1

pytestmark = pytest.mark.generation(4)


def heads(text):
    return [line for line in text.splitlines() if not line.startswith("  ")]


def test_a_dry_run_shows_what_the_run_does_and_then_there_is_nothing_left(site):
    site.both("101", uplink="eth3")
    site.both("105")
    site.end_announcers()
    site.vzhooks("resync")
    site.ini(ETH4 + ISP1)
    for ctid in ("101", "105"):
        site.node.hn.write(f"/etc/vz/conf/{ctid}.conf", site.node.hn.read(f"/etc/vz/conf/{ctid}.conf").replace(
            'UPLINK="eth3"\n', "") + 'UPLINK="eth4"\n')
    before = site.state()
    shown = site.vzhooks("resync", "--dry-run", "--diff", rc=3).stdout
    assert site.state() == before
    assert heads(shown) == ["the node", "VE 101: eth3 -> eth4", "VE 105: main -> eth4"]
    assert {line[2] for line in shown.splitlines() if line.startswith("  ")} == {"+", "-", "~"}
    assert "\x1b" not in shown
    assert site.vzhooks("resync", "--diff", "-v").stdout == shown
    assert site.vzhooks("resync", "--diff").stdout == ""
    site.leaves_by("105", "eth4")
    assert heads(site.vzhooks("set", "101", "--uplink", "isp1", "--diff").stdout)[-1] == "VE 101: eth4 -> eth3"


def test_hardening_shows_the_values_found_and_set(site):
    shown = site.vzhooks("harden", "--check", "--diff", rc=3).stdout
    assert "  ~ sysctl net/ipv4/conf/eth3/arp_ignore=1 (was 0)" in shown.splitlines()
    assert site.vzhooks("harden", "--diff").stdout == shown
    assert "(was 1)" in site.vzhooks("harden", "--undo", "--diff").stdout


def test_a_terminal_gets_colours_unless_it_wants_none(busy):
    busy.flush("rules")
    for env, coloured in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
        ours, theirs = pty.openpty()
        child = busy.node.hn.popen([sys.executable, "-I", "-m", "vzhooks", "resync", "--dry-run", "--diff"],
                                   env={**os.environ, **env}, stdout=theirs, stderr=theirs)
        os.close(theirs)
        said = b""
        while more := _read(ours):
            said += more
        os.close(ours)
        assert child.wait(30) == 3
        assert (b"\x1b[32m+ ip rule" in said) is coloured, said


def _read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # EIO: nobody has the other end any more
        return b""
