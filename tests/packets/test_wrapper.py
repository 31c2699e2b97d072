"""`vzctl set … --uplink` through the wrapper: ours around a vzctl that does all else."""

import fcntl
import os
import signal
import subprocess
import time

import pytest

from tests.site import VE101
from tests.wrapped import CONF, ENV, NEW, WAITS, WRAPPER, await_file, state

pytestmark = pytest.mark.generation(4)  # of OpenVZ 9 there is one test of its own


# -- the order of things --------------------------------------------------------------------------


def test_ours_and_all_else_are_both_done(moved):
    out, err = moved.run("--quiet", "set", "101", "--uplink", "eth4", "--ram", "1G", "--save", "--name", "web one")
    assert (out, err) == ("", "")
    assert moved.argv() == ["--quiet", "set", "101", "--ram", "1G", "--save", "--name", "web one"]
    assert 'UPLINK="eth4"' in moved.hn.read(CONF)
    moved.site.leaves_by("101", "eth4")
    moved.site.settled()


def test_without_save_ours_lasts_until_the_next_stop(moved):
    before = moved.hn.read(CONF)
    moved.run("set", "101", "--ram", "1G", "--uplink", "eth4", says="not saved; VE 101 has its old uplink again")
    assert moved.argv() == ["set", "101", "--ram", "1G"]
    moved.site.leaves_by("101", "eth4")
    assert moved.hn.read(CONF) == before


def test_with_nothing_left_but_save_the_real_one_is_not_called(moved):
    out, err = moved.run("set", "101", "--uplink", "eth4", "--save")
    assert out == "" and err.startswith("vzhooks: vzctl set: VE 101: uplink eth4, ") and err.endswith(" ms; saved\n")
    assert err.count("\n") == 1
    assert moved.argv() is None and 'UPLINK="eth4"' in moved.hn.read(CONF)
    moved.run("set", "101", "--uplink", "none")
    assert moved.argv() is None
    moved.site.leaves_by("101", "eth0")


@pytest.mark.parametrize(("words", "says"), [
    (("101", "--uplink", "isp9"), "this node has eth0, eth3, eth4"), (("101", "--uplink", "lo"), "loopback"),
    (("999", "--uplink", "eth4"), "no such VE"), (("0", "--uplink", "eth4"), "is no VE's id"),
    (("101", "--uplink"), "needs the name"), (("101", "--uplink="), "needs the name"),
    (("101", "--uplink", "--save"), "needs the name"),
])
def test_an_error_in_ours_changes_nothing_at_all(moved, words, says):
    before = state(moved)
    _, err = moved.run("set", *words[:1], "--ipadd", NEW, "--save", *words[1:], rc=21, says=says)
    assert err.startswith("vzhooks: vzctl set: ") and err.count("\n") == 1
    assert moved.argv() is None and state(moved) == before


def test_an_ini_that_cannot_be_used_is_said_before_anything_is_done(moved):
    moved.site.ini("[node]\nunassigned = \n[uplink")
    before = state(moved)
    moved.run("set", "101", "--ram", "1G", "--uplink", "eth4", rc=1, says="/etc/vz/vzhooks.ini")
    assert moved.argv() is None and state(moved) == before


@pytest.mark.parametrize("status", [1, 21, 79, 255])
def test_where_vzctl_fails_ours_is_not_done(moved, status):
    before = state(moved)
    moved.real(f"echo to stdout; echo to stderr >&2; exit {status}")
    out, err = moved.run("set", "101", "--ipadd", NEW, "--uplink", "eth4", "--save", rc=status)
    assert out == "to stdout\n" and err.splitlines() == [
        "to stderr", f"vzhooks: vzctl set: VE 101: vzctl ended with {status}, so --uplink eth4 was not done"]
    assert moved.argv() == ["set", "101", "--ipadd", NEW, "--save"]
    assert state(moved) == before


def test_a_name_and_leading_zeros_find_the_ve(moved):
    moved.hn.write(CONF, moved.hn.read(CONF) + 'NAME="web one"\n')
    moved.run("set", "web one", "--name", "two", "--save", "--uplink", "eth4")
    assert moved.argv() == ["set", "web one", "--name", "two", "--save"]
    assert 'UPLINK="eth4"' in moved.hn.read(CONF)
    moved.run("set", "0101", "--uplink", "eth3", "--save")
    assert 'UPLINK="eth3"' in moved.hn.read(CONF)


def test_a_stopped_ve_is_changed_for_good(wrapped):
    wrapped.site.node.create_ve("101", [VE101])
    wrapped.run("set", "101", "--ipadd", NEW, "--uplink", "eth4", "--save")
    assert 'UPLINK="eth4"' in wrapped.hn.read(CONF) and wrapped.argv()
    wrapped.run("set", "101", "--ram", "1G", "--uplink", "eth3", says="nothing was changed")


def test_a_ve_that_another_vzctl_has_by_then_tells_what_is_left_to_do(moved):
    moved.real(f"echo {os.getpid()} > /vz/lock/101.lck")
    _, err = moved.run("set", "101", "--ram", "1G", "--uplink", "eth4", "--save", rc=75, says="vzctl is at work on")
    assert "vzctl did its part; `vzhooks set 101 --uplink eth4 --save` does what is left" in err
    moved.hn.path("/vz/lock/101.lck").unlink()


def test_an_option_s_value_that_reads_like_ours_is_vzctl_s(moved):
    moved.real("exit 5")
    assert moved.run("set", "101", "--description", "--uplink", rc=5) == ("", "")
    assert moved.argv() == ["set", "101", "--description", "--uplink"]


# -- streams and signals --------------------------------------------------------------------------


def test_streams_are_the_real_one_s(moved):
    moved.real("read -r line; echo \"out $line\"; echo err >&2")
    child = moved.popen("--quiet", "set", "101", "--ram", "1G", "--uplink", "eth4", "--save", stdin=subprocess.PIPE)
    assert child.communicate("word\n", timeout=30) == ("out word\n", "err\n")


@pytest.mark.parametrize("redirect", [">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_closed_streams_hinder_nothing(moved, redirect):
    moved.hn.run(["sh", "-c", f"exec vzctl set 101 --ram 1G --uplink eth4 {redirect}"], env=ENV, check=True)
    assert moved.argv() == ["set", "101", "--ram", "1G"]
    moved.site.leaves_by("101", "eth4")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 15), (signal.SIGINT, 2)])
def test_a_signal_sent_to_us_reaches_the_real_one_once(moved, number, status):
    before = state(moved)
    with moved.at_work("set", "101", "--ipadd", NEW, "--uplink", "eth4", rc=status) as child:
        child.send_signal(number)
    assert moved.hn.read("/run/vz/signals").split() == [number.name[3:]]
    assert "was not done" in child.said and state(moved) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGSEGV])
def test_a_death_by_signal_is_one_of_ours_too(moved, number):
    before = state(moved)
    moved.real(f"ulimit -c 0; kill -{int(number)} $$; sleep 5")
    moved.run("set", "101", "--ipadd", NEW, "--uplink", "eth4", rc=-number, says="was ended by")
    assert state(moved) == before


def test_ctrl_c_reaches_the_real_one_once(moved):
    before = state(moved)
    moved.real(WAITS)
    master, slave = os.openpty()
    child = moved.hn.popen(["setsid", "-c", "vzctl", "set", "101", "--ipadd", NEW, "--uplink", "eth4"], env=ENV,
                           stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    await_file(moved.hn, "/run/vz/started", child)
    os.write(master, b"\x03")
    assert child.wait(20) == 2
    assert moved.hn.read("/run/vz/signals").split() == ["INT"] and state(moved) == before
    os.close(master)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_called_off_before_vzctl_has_begun_changes_nothing(moved, number):
    before = state(moved)
    with moved.hn.path("/run/vzhooks/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        child = moved.popen("set", "101", "--ipadd", NEW, "--uplink", "eth4")
        time.sleep(1)
        child.send_signal(number)
        time.sleep(0.2)
        assert child.poll() is None
    assert child.wait(20) == -number
    assert moved.argv() is None and state(moved) == before


def test_the_environment_is_the_caller_s(moved):
    moved.real("/usr/bin/env > /run/vz/env")
    for words in ("list", "set 101 --ram 1G --uplink eth4", "set 101 --description --uplink"):
        moved.run(*words.split())
        names = {line.split("=")[0] for line in moved.hn.read("/run/vz/env").splitlines()}
        assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH"}


def test_words_that_are_no_text_arrive_as_they_were(moved):
    words = [b"set", b"101", b"--description", b"\xff\xe9 * $x\n", b"--uplink", b"eth4", b"", b"\\"]
    moved.run(*words)
    assert moved.hn.path("/run/vz/argv").read_bytes().split(b"\0")[:-1] == words[:4] + words[6:]


def test_a_vzctl_that_cannot_be_started_gives_all_back(moved):
    before = state(moved)
    moved.hn.write("/usr/sbin/vzctl", "#!/nowhere\n", 0o755)
    moved.run("set", "101", "--ipadd", NEW, "--uplink", "eth4", rc=1, says="/usr/sbin/vzctl: cannot be run")
    assert state(moved) == before


# -- the node -------------------------------------------------------------------------------------


def test_install_and_uninstall_of_the_wrapper(site):
    before = site.hn("ls", "/usr/local/sbin").replace("vzhooks\n", "")  # the command, which install has put
    done = site.vzhooks("install", "--vzctl-wrapper", rc=1)
    assert done.stderr.startswith("vzhooks install: vzctl: none on PATH") and done.stdout == ""
    site.node.hn.write("/usr/sbin/vzctl", "#!/bin/sh\nexit 3\n", 0o755)
    assert f"put {WRAPPER}" in site.vzhooks("install", "--vzctl-wrapper").stdout
    assert "real='/usr/sbin/vzctl'\n" in site.node.hn.read(WRAPPER)
    assert site.vzhooks("install").stdout == ""
    assert site.node.hn.run(["vzctl", "list"], env=ENV).returncode == 3
    site.vzhooks("uninstall")
    assert site.hn("ls", "/usr/local/sbin") == before
    assert site.node.hn.run(["vzctl", "list"], env=ENV).returncode == 3


def test_what_is_uninstalled_while_vzctl_is_at_work_does_not_come_back(moved):
    with moved.at_work("set", "101", "--uplink", "eth4", "--save", "--ipadd", NEW, rc=1) as child:
        moved.site.vzhooks("uninstall", "--force")
        moved.end()
    assert "vzhooks is not installed any more" in child.said
    assert "vzhooks" not in moved.site.hn("nft", "list", "tables")
    assert "vzhooks" not in moved.site.hn("ip", "rule") + moved.site.hn("ip", "route", "show", "table", "all")
