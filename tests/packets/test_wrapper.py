"""`vzctl set … --uplink` through the wrapper: ours around a vzctl that does all else."""

import fcntl
import os
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest

from tests.lab import ExampleNode
from tests.lab.node import MACS
from tests.lab.wire import neighbour, send_udp, who_has
from tests.site import CLIENT, VE101, Site

pytestmark = pytest.mark.generation(4)  # of OpenVZ 9 there is one test of its own

CONF = "/etc/vz/conf/101.conf"
WRAPPER = "/usr/local/sbin/vzctl"
NEW = "192.168.18.150"
ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
# Notes its words and what happens to it; waits until it is told how to end.
WAITS = """\
trap 'echo TERM >> /run/vz/signals; exit 15' TERM
trap 'echo INT >> /run/vz/signals; exit 2' INT
: > /run/vz/started
until [ -e /run/vz/end ]; do sleep 0.01; done
. /run/vz/end
"""


class Wrapped:
    """Hold the site with a vzctl of its own and the wrapper in front of it."""

    def __init__(self, site):
        self.site, self.hn = site, site.node.hn
        self.real("exit 0")
        self.hn.write("/run/vz/none", "")
        site.vzhooks("install", "--vzctl-wrapper")

    def real(self, acts):
        self.hn.write("/usr/sbin/vzctl", f"#!/bin/sh\nprintf '%s\\0' \"$@\" > /run/vz/argv\n{acts}\n", 0o755)

    def argv(self):
        """Return what the real vzctl was called with since the last look, None where it was not."""
        try:
            return self.hn.path("/run/vz/argv").read_bytes().decode().split("\0")[:-1]
        except FileNotFoundError:
            return None
        finally:
            self.hn.path("/run/vz/argv").unlink(missing_ok=True)

    def popen(self, *words, **options):
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return self.hn.popen(["vzctl", *words], env=ENV, **{**streams, **options})

    def run(self, *words, rc=0, says="", **options):
        """Run vzctl as an operator does; assert its exit status and that one line at most says so."""
        child = self.popen(*words, **options)
        out, err = child.communicate(timeout=30)
        assert child.returncode == rc, (child.returncode, out, err)
        assert says in (err or "") and "Traceback" not in (err or ""), err
        return out, err

    @contextmanager
    def at_work(self, *words, rc=0):
        """Run vzctl; the block is while the real one is at work, and ends it by `self.end`."""
        self.real(WAITS)
        child = self.popen(*words)
        try:
            await_file(self.hn, "/run/vz/started", child)
            yield child
            out, err = child.communicate(timeout=30)
            assert child.returncode == rc and "Traceback" not in err, (child.returncode, out, err)
            child.said = err
        finally:
            self.end()
            child.kill()

    def end(self, how="exit 0"):
        if not self.hn.exists("/run/vz/end"):
            self.hn.write("/run/vz/end.new", how)
            self.hn.path("/run/vz/end.new").rename(self.hn.path("/run/vz/end"))


def await_file(hn, path, child):
    deadline = time.monotonic() + 20
    while not hn.exists(path):
        assert time.monotonic() < deadline and child.poll() is None, child.communicate()
        time.sleep(0.01)


@pytest.fixture
def wrapped(site):
    return Wrapped(site)


@pytest.fixture
def moved(wrapped):
    """VE 101 runs by eth3, and nothing of its start is under way any more."""
    wrapped.site.ve("101", uplink="eth3")
    wrapped.site.end_announcers()
    wrapped.site.vzhooks("resync")
    wrapped.site.end_announcers()
    return wrapped


def state(wrapped):
    return wrapped.site.state(), wrapped.hn.read(CONF)


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
    moved.run("set", "101", "--uplink", "eth4", "--save")
    assert moved.argv() is None and 'UPLINK="eth4"' in moved.hn.read(CONF)
    moved.run("set", "101", "--uplink", "none")
    assert moved.argv() is None
    moved.site.leaves_by("101", "eth0")


@pytest.mark.parametrize(("words", "says"), [
    (("101", "--uplink", "isp9"), "this node has eth0, eth3, eth4"), (("101", "--uplink", "lo"), "loopback"),
    (("999", "--uplink", "eth4"), "no such VE"), (("0", "--uplink", "eth4"), "no such VE"),
    (("101", "--uplink"), "needs the name"), (("101", "--uplink="), "needs the name"),
    (("101", "--uplink", "--save"), "is no uplink's name"),
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
    child = moved.popen("set", "101", "--ram", "1G", "--uplink", "eth4", "--save", stdin=subprocess.PIPE)
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


# -- --ipadd together with --uplink ---------------------------------------------------------------


def answers(site, address):
    names = {mac: nic for nic, mac in MACS.items()}
    return [names[mac] for mac in who_has(site.node.client, "eth0", address, CLIENT, wait=0.1)]


def probe(site, src=NEW):
    """Send from the VE's new address as it would; who-has for it is answered by its uplink alone."""
    site.forget()
    send_udp(site.node.ve("101").box, src, CLIENT, count=5)
    assert set(answers(site, src)) <= {"eth4"}


def test_a_new_address_never_leaves_by_another_nic(every):
    wrapped = Wrapped(every)
    every.ve("101", uplink="eth3")
    with every.only_by("eth4", src=NEW) as tap, every.only_by("eth3", "eth4", src=VE101):
        with wrapped.at_work("set", "101", "--ipadd", NEW, "--save", "--uplink", "eth4"):
            every.node.ve("101").add_address(NEW)
            probe(every)
            every.vzhooks("resync")  # somebody's, in the midst of it
            every.vzctl.ipadd("101", NEW, before_route=lambda: probe(every))
            probe(every)
            every.vzhooks("resync")
            every.ve("102", uplink="eth4")  # and another VE's hooks
            probe(every)
            every.leaves_by("101", "eth3")  # what it had stays until vzctl is done
            every.vzctl._save(every.node.ve("101"), [VE101, NEW])
            wrapped.end()
        probe(every)
        assert tap.count(outgoing=True, src=NEW, nic="eth4", proto="udp") >= 15  # rp_filter lets none before the route
    every.leaves_by("101", "eth4")
    every.leaves_by("101", "eth4", src=NEW)
    assert answers(every, NEW) == ["eth4"]
    every.settled()


def test_a_new_address_on_openvz_9_never_leaves_by_another_nic():
    with ExampleNode(0, generation=9) as node:
        site = Site(node)
        site.ve("101", uplink="eth3")
        wrapped = Wrapped(site)
        site.vzhooks("resync")
        with site.only_by("eth4", src=NEW), site.only_by("eth3", "eth4", src=VE101):
            with wrapped.at_work("set", "101", "--ipadd", NEW, "--uplink", "eth4", "--save"):
                probe(site)
                assert site.vzctl.ipadd("101", NEW, save=True).rc == 0
                probe(site)
                wrapped.end()
            probe(site)
        site.leaves_by("101", "eth4", src=NEW)
        site.settled()


def test_neighbours_are_told_of_a_new_address(moved):
    with moved.at_work("set", "101", "--ipadd", NEW, "--uplink", "eth4"):
        moved.site.forget()
        moved.site.vzctl.ipadd("101", NEW)
        moved.site.leaves_by("101", "eth4", src=NEW)
        moved.end()
    deadline = time.monotonic() + 8
    while neighbour(moved.site.node.client, NEW) != MACS["eth4"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert neighbour(moved.site.node.client, NEW) == MACS["eth4"]


def test_without_save_a_new_address_stays_by_its_uplink(moved):
    with moved.at_work("set", "101", "--ipadd", f"{NEW}/24", "--uplink", "eth4"):
        moved.site.vzctl.ipadd("101", NEW)
        moved.end()
    moved.site.vzhooks("resync")
    moved.site.leaves_by("101", "eth4", src=NEW)
    moved.site.leaves_by("101", "eth4")


def test_the_first_uplink_of_all_closes_the_new_address_too_and_is_given_back(wrapped):
    site = wrapped.site
    site.ve("101")
    before = state(wrapped)
    with wrapped.at_work("set", "101", "--ipadd", NEW, "--uplink", "eth4", rc=7):
        site.vzctl.ipadd("101", NEW)
        site.leaves_by("101", "eth4", src=NEW)
        site.leaves_by("101", "eth0")
        site.vzctl.ipdel("101", NEW)
        wrapped.end("exit 7")
    assert state(wrapped) == before


def test_what_vzctl_had_published_before_it_failed_stays_with_the_ve(moved):
    with moved.at_work("set", "101", "--ipadd", NEW, "--uplink", "eth4", rc=7):
        moved.site.vzctl.ipadd("101", NEW)
        moved.site.leaves_by("101", "eth4", src=NEW)
        moved.end("exit 7")
    moved.site.leaves_by("101", "eth3", src=NEW)
    moved.site.settled()


def test_an_address_of_another_ve_is_not_taken(moved):
    moved.site.ve("102", uplink="eth3")
    with moved.at_work("set", "101", "--ipadd", "192.168.18.102", "--uplink", "eth4", rc=7):
        moved.site.leaves_by("102", "eth3")
        moved.end("exit 7")
    moved.site.leaves_by("102", "eth3")
    moved.site.settled()


def test_a_restart_by_setmode_keeps_the_new_address_closed(moved):
    site = moved.site
    with site.only_by("eth4", src=NEW), site.only_by("eth3", "eth4"):
        with moved.at_work("set", "101", "--ipadd", NEW, "--setmode", "restart", "--save", "--uplink", "eth4"):
            assert site.vzctl.restart("101").rc == 0
            site.vzctl.ipadd("101", NEW, before_route=lambda: probe(site))
            probe(site)
            site.leaves_by("101", "eth3")
            site.vzctl._save(site.node.ve("101"), [VE101, NEW])
            moved.end()
        probe(site)
    site.leaves_by("101", "eth4", src=NEW)
    site.end_announcers()
    assert site.vzctl.stop("101").rc == 0
    site.vzhooks("resync")
    assert NEW not in str(site.state())


def test_an_address_that_cannot_be_closed_is_not_published(moved):
    before = state(moved)
    moved.site.hn("mv", "/usr/sbin/nft", "/usr/sbin/nft.good")
    broken = '#!/bin/sh\ncase "$*" in *-f*) exit 1;; esac\nexec /usr/sbin/nft.good "$@"\n'
    moved.hn.write("/usr/sbin/nft", broken, 0o755)
    moved.run("set", "101", "--ipadd", NEW, "--uplink", "eth4", rc=1, says="so vzctl was not called")
    moved.site.hn("mv", "/usr/sbin/nft.good", "/usr/sbin/nft")
    assert moved.argv() is None
    moved.site.vzhooks("resync")
    assert state(moved) == before


def test_a_wrapper_that_was_killed_leaves_the_new_address_closed(moved):
    with moved.at_work("set", "101", "--ipadd", NEW, "--uplink", "eth4", rc=-9) as child:
        child.kill()
        child.wait()
        moved.site.vzhooks("resync")
        moved.site.vzctl.ipadd("101", NEW)
        moved.site.vzhooks("resync")
        moved.site.leaves_by("101", "eth4", src=NEW)
        moved.end()


# -- the node -------------------------------------------------------------------------------------


def test_install_and_uninstall_of_the_wrapper(site):
    before = site.hn("ls", "/usr/local/sbin")
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
