"""Whatever becomes of the daemon or is sent to it, hooks do their work, nobody leaks, and it is right again."""

import os
import signal
import socket
import sys
import time

import pytest

from tests.datapaths import is_ruled
from tests.resident import SOCKET, Resident, resident, until
from tests.site import VE101, pair
from tests.told import hook, one_line, records

pytestmark = pytest.mark.generation(4)  # what the daemon is to both generations

SEVERAL = [str(n) for n in range(103, 111)]


@pytest.fixture
def busy(site):
    """VE 101 runs by eth3, and a daemon is there."""
    with resident(site) as daemon:
        site.both("101", uplink="eth3")
        yield daemon


def holds(site, ctid="101", nic="eth3"):
    """Assert that a VE has its way, soon, and that nothing is due."""
    until(lambda: site.vzhooks("resync", "--dry-run", rc=None).stdout == "")
    site.leaves_by(ctid, nic)


def ask(site, *packets):
    """Return a line to the daemon on which these packets were sent."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line.connect(os.fspath(site.node.hn.path(SOCKET)))
    for packet in packets:
        line.send(packet)
    return line


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.08, 0.2])
def test_a_daemon_killed_among_hooks_leaves_each_its_work(site, busy, delay):
    """Who was in the midst of it is done again by its hook itself."""
    for ctid in SEVERAL:
        site.node.create_ve(ctid, pair(ctid), "eth3")
    hooks = [site.node.hn.popen(["/etc/vz/conf/vps.mount"], env=site.vzctl.environment(ctid), stdin=-3, stdout=-3,
                                stderr=-3) for ctid in SEVERAL]
    time.sleep(delay)
    busy.kill()
    assert [child.wait(timeout=60) for child in hooks] == [0] * len(hooks)
    assert set(SEVERAL) <= set(records(site))
    site.end_announcers()
    with resident(site):
        holds(site)
    for ctid in SEVERAL:
        assert hook(site, "postumount", ctid).returncode == 0


BAD = {
    "garbage": lambda s: ask(s, os.urandom(3000)),
    "nothing": lambda s: ask(s),
    "a request cut short": lambda s: ask(s, b"0.1.0\0mount\0004\0a"),
    "too much": lambda s: ask(s, b"0.1.0\0mount\0000\0" + b"A=" * 32000),
    "another version": lambda s: ask(s, b"0.0.0\0mount\0000"),
    "an unknown verb": lambda s: ask(s, b"0.1.0\0frob\0000"),
    "who never reads": lambda s: ask(s, b"0.1.0\0hello\0000"),
    "who goes away": lambda s: ask(s, b"0.1.0\0mount\0000\0VEID=101").close(),
}


def test_what_others_send_hinders_nobody(site, busy):
    lines = [how(site) for _ in range(20) for how in BAD.values()]
    site.both("102", uplink="eth4")
    site.leaves_by("102", "eth4")
    for line in filter(None, lines):
        line.settimeout(10)
        assert line.recv(99) in (b"", b"alone", b"took")  # all are sent away, within a second
        line.close()
    assert busy.answers() and len(os.listdir(f"/proc/{busy.process.pid}/fd")) < 40


def test_who_is_not_root_is_sent_away(site, busy):
    site.node.hn.path(SOCKET).chmod(0o666)
    site.node.hn.path("/run/vzhooks").chmod(0o755)
    code = (f"import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect('{SOCKET}');"
            "s.send(b'0.1.0\\0hello\\x000'); print(s.recv(99))")
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3"]
    done = site.node.hn.run([*nobody, "-c", code])
    assert "took" not in done.stdout
    assert done.stdout == "b''\n" or "reset" in done.stderr or "pipe" in done.stderr, done


def test_a_dead_socket_file_or_another_version_costs_nothing(site, busy):
    busy.kill()
    assert site.node.hn.exists(SOCKET)
    site.both("102", uplink="eth4")
    site.leaves_by("102", "eth4")
    site.end_announcers()
    with resident(site):
        script = site.node.hn.read("/etc/vz/conf/vps.mount")
        site.node.hn.write("/etc/vz/conf/vps.mount", script.replace('instead("', 'instead("1'), 0o755)
        site.both("103", uplink="eth4")
        site.leaves_by("103", "eth4")
        site.end_announcers()


def test_a_stopped_daemon_is_passed_by_and_catches_up(site, busy):
    holds(site)  # or it may be stopped in the midst of a mending, with the lock that others wait for
    busy.signal(signal.SIGSTOP)
    site.both("102", uplink="eth4")
    site.leaves_by("102", "eth4")
    site.end_announcers()
    site.flush("rules")
    site.leaves_by("101", None)
    busy.signal(signal.SIGCONT)
    holds(site)
    holds(site, "102", "eth4")


def test_a_second_daemon_says_so_and_ends(site, busy):
    one_line(site.vzhooks("daemon", rc=75).stderr, "another daemon of vzhooks runs already")
    assert busy.answers()


def test_a_daemon_that_is_restarted_moves_no_ve(site, busy):
    holds(site)
    before = site.state()
    with site.only_by("eth3"):
        busy.close()
        assert site.state() == before
        assert site.ping("101") == 3
        with resident(site):
            holds(site)
            assert site.ping("101") == 3
            assert site.state() == before


def test_a_burst_of_events_overruns_nothing_but_the_buffer(site, busy):
    site.node.hn.write("/vz/burst", "".join(f"route add 10.{n >> 8}.{n & 255}.0/24 dev lo table 7777\n"
                                           for n in range(20000)))
    site.hn("ip", "-batch", "/vz/burst")
    site.flush("rules")
    site.hn("ip", "route", "flush", "table", "7777")
    holds(site)


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return sum(map(int, stat.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def test_a_rival_neither_wins_nor_makes_it_spin(site, busy):
    holds(site)
    used = cpu_s(busy.process.pid)
    rival = site.node.hn.popen(["sh", "-c", "while :; do ip rule flush protocol 118; sleep 0.01; done"], stderr=-3)
    start = time.monotonic()
    with site.only_by("eth3"):
        while time.monotonic() < start + 2:
            site.ping("101", count=1)
    rival.kill()
    rival.wait()
    assert cpu_s(busy.process.pid) - used < 0.6 * (time.monotonic() - start)
    until(lambda: is_ruled(site, VE101), 5.0)
    holds(site)


def test_a_full_run_is_said_and_over_when_there_is_room(site, busy):
    site.node.hn.call(_mount_full, os.fspath("/run/vzhooks"))
    site.flush("rules")
    until(lambda: "No space left" in busy.said() or is_ruled(site, VE101))
    site.node.hn.run(["rm", "-f", "/run/vzhooks/full"], check=True)
    holds(site)


def _mount_full(path):
    """Fill the file system that the notes are on."""
    size = os.statvfs(path)
    with open(f"{path}/full", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, size.f_bavail * size.f_frsize - 4096)


NO_INOTIFY = f"""
import ctypes, os, struct, sys
# Answer inotify_init1(2) as a kernel whose limit is reached: EMFILE.
code = [(0x20, 0, 0, 0), (0x15, 0, 1, {294 if os.uname().machine == 'x86_64' else 26}), (0x06, 0, 0, 0x50000 | 24),
        (0x06, 0, 0, 0x7fff0000)]
text = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in code))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, struct.pack("=HxxxxxxQ", len(code), ctypes.addressof(text))) == 0
os.execv(sys.executable, [sys.executable, "-I", "-m", "vzhooks", "daemon"])
"""


def test_without_inotify_files_are_looked_at(site):
    daemon = Resident(site, command=[sys.executable, "-I", "-c", NO_INOTIFY])
    try:
        daemon.ready()
        site.both("101", uplink="eth3")
        site.node.write_conf("101", pair("101"), "eth4")
        until(lambda: "eth4" in site.hn("nft", "list", "set", "inet", "vzhooks", "exits4"))
        assert daemon.said().count("files cannot be watched") == 1
    finally:
        daemon.close()
