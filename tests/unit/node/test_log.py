"""Each event is one line of key=value, for syslog and, with fields of their own, for the journal."""

import os
import socket
import syslog

import pytest

from vzhooks.errors import KernelError
from vzhooks.kernel.apply import Watch, apply
from vzhooks.model import Rule, Sysctl, Uplink, Ve
from vzhooks.node import log
from vzhooks.policy.plan import ADD, REPLACE, Op
from vzhooks.policy.uplinks import Way
from vzhooks.run import events
from vzhooks.run.events import Event
from vzhooks.run.reconcile import Report


@pytest.fixture
def lines(monkeypatch):
    """The lines that syslog(3) is given, on a node without a journal."""
    found = []
    monkeypatch.setattr(log, "JOURNAL", "/nowhere")
    monkeypatch.setattr(syslog, "syslog", lambda level, line: found.append((level, line)))
    return found


@pytest.fixture
def journal(monkeypatch, tmp_path):
    """The entries that systemd-journald is sent."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "socket"))
        server.settimeout(2)
        monkeypatch.setattr(log, "JOURNAL", str(tmp_path / "socket"))
        yield lambda: dict(line.split("=", 1) for line in server.recv(65536).decode().splitlines())


def test_an_event_says_what_which_by_what_and_how_long(lines):
    way = Way(Ve("101", (), "isp1"), "ok", name="isp1")
    Event("mount", "101").done(Report((Op(ADD, Rule(4, 1010)),), (way,)))
    Event("umount", "101").done(Report(), "gone")
    Event("set", "web one").failed('no such VE "\x1b[31m\nred"')
    assert [(level, line.rpartition(" ms=")[0]) for level, line in lines] == [
        (syslog.LOG_NOTICE, "event=mount ve=101 uplink=isp1 state=ok changes=1"),
        (syslog.LOG_INFO, "event=umount ve=101 state=gone changes=0"),
        (syslog.LOG_ERR, 'event=set ve="web one" state=failed error="no such VE \\"\\\\x1b[31m\\\\x0ared\\""')]


def test_a_ve_that_starts_cut_off_is_a_warning_with_its_reason(lines):
    way = Way(Ve("101", (), "isp1"), "blocked", Uplink("isp1", "eth3"), "eth3 is down")
    report = Report((Op(ADD, Rule(4, 1010)),), (way,))
    Event("mount", "101").done(report)
    level, line = lines[0]
    assert level == syslog.LOG_WARNING and 'state=blocked why="eth3 is down" changes=1' in line
    assert events.cut_off(report, "101").startswith("VE 101 starts cut off: eth3 is down; ")
    assert events.cut_off(report, "102") == ""
    assert events.cut_off(Report(ways=(Way(Ve("101", (), "isp1"), "ok"),)), "101") == ""


def test_hardening_is_one_line_and_one_event(lines):
    keys = [f"net/ipv4/conf/{nic}/{name}" for nic in ("eth0", "eth3.18") for name in ("arp_ignore", "arp_announce")]
    ops = [Op(REPLACE, Sysctl(key, "1" if "ignore" in key else "2")) for key in keys]
    said = events.hardened(Report((*ops, Op(ADD, Rule(4, 1010)))))
    assert said.startswith("ARP of eth0, eth3.18 is hardened") and "`vzhooks harden --undo`" in said
    assert lines == [(syslog.LOG_NOTICE, "event=hardened nics=eth0,eth3.18 changes=4")]


def test_what_is_given_back_is_no_hardening(lines):
    undone = Report((Op(REPLACE, Sysctl("net/ipv4/conf/eth0/arp_ignore", "0")),))
    assert events.hardened(undone) == events.hardened(Report()) == "" and lines == []


def test_a_line_about_a_ve_has_its_field_in_the_journal(journal):
    log.say("mount: VE 101: eth3 is down", quiet=True, ve="101")
    assert journal()["VZHOOKS_VE"] == "101"


def test_text_is_one_line_whatever_is_in_it(lines, capfd):
    log.say("mount:\n \x1b[31mred\udc80")
    assert lines == [(syslog.LOG_WARNING, "mount: \\x1b[31mred\\udc80".replace("\\udc80", "\\xdc80"))]
    assert capfd.readouterr().err == "vzhooks: mount: \\x1b[31mred\\xdc80\n"


def test_the_journal_gets_fields(journal, monkeypatch):
    monkeypatch.setattr(syslog, "syslog", lambda *_: pytest.fail("told twice"))
    Event("mount", "101").failed("down and\nout", uplink="isp1")
    entry = journal()
    assert entry["MESSAGE"].startswith('event=mount ve=101 uplink=isp1 state=failed error="down and\\\\x0aout"')
    assert (entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"], entry["SYSLOG_PID"]) == ("3", "vzhooks", str(os.getpid()))
    assert (entry["VZHOOKS_VE"], entry["VZHOOKS_EVENT"], entry["VZHOOKS_ERROR"]) == (
        "101", "mount", "down and\\x0aout")


def test_a_journal_that_hangs_is_left_after_half_a_second(monkeypatch, tmp_path, lines):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server, \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        server.bind(str(tmp_path / "socket"))
        monkeypatch.setattr(log, "JOURNAL", str(tmp_path / "socket"))
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                other.sendto(b"x", log.JOURNAL)
        log.say("still here", quiet=True)
    assert [line for _, line in lines] == ["still here"]


def test_closed_standard_descriptors_are_opened_on_dev_null():
    """In a child, or ours would be gone."""
    child = os.fork()
    if not child:
        os.close(2)
        log.open_standard()
        os._exit(0 if os.readlink("/proc/self/fd/2") == "/dev/null" else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_what_the_kernel_refuses_is_told_as_the_command_it_equals():
    class Refusing:
        def apply(self, op):
            raise KernelError("Operation not permitted")

    told = []

    class Told(Watch):
        def made(self, op, error=""):
            told.append(error)

    failures = apply((Op(ADD, Rule(4, 1010, 1003, src="10.0.0.1/32")),), Refusing(), Told())
    assert [f.text for f in failures] == [
        "ip rule add from 10.0.0.1/32 lookup 1003 priority 1010 protocol 118: Operation not permitted"]
    assert told == ["Operation not permitted"]
