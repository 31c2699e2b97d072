"""Whatever is wrong with a command or its node: one line, its exit status, the next step, and nothing changed."""

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.lab import ns
from tests.packets.test_hook_scripts import AS_NOBODY, open_to_all
from tests.site import VE101
from tests.told import one_line, running

pytestmark = pytest.mark.generation(4)  # what is read and said is the same on both

TREES = ("/etc/vz", "/etc/sysctl.d", "/etc/iproute2", "/etc/systemd/system", "/var/lib/vzhooks", "/run/vzhooks",
         "/vz/lock", "/vz/private")
LOOKS = [["status"], ["status", "--json"], ["status", "102"], ["resync", "--dry-run"], ["harden", "--check"],
         ["route", "102", "192.168.18.1"]]
CHANGES = [["resync"], ["resync", "102"], ["set", "102", "--uplink", "eth3"],
           ["set", "102", "--uplink", "eth3", "--save"], ["harden"], ["harden", "--undo"], ["uninstall", "--force"]]
EVERY = [*LOOKS, *CHANGES]


def everything(site, trees):
    """Return the kernel's state and all files, but for our lock, which is made anew."""
    found = site.hn("sh", "-c", f"find {' '.join(trees)} -type f ! -name lock -print0 | sort -z | xargs -0 -r cksum; "
                    f"find {' '.join(trees)} ! -type f | sort")
    return site.state(), found


@contextmanager
def unchanged(site, trees=TREES):
    before = everything(site, trees)
    yield
    assert everything(site, trees) == before


def said(site, argv, rc, *parts, command=()):
    """Run a command that must say one line and nothing on stdout."""
    done = site.node.hn.run([*command, *(() if command else (sys.executable,)), "-I", "-m", "vzhooks", *argv])
    assert (done.returncode, done.stdout) == (rc, ""), (argv, done)
    one_line(done.stderr, *parts)


WITH_VE = {"resync": ["resync", "{}"], "status": ["status", "{}"], "status --json": ["status", "--json", "{}"],
           "set": ["set", "{}", "--uplink", "eth3"], "set --save": ["set", "{}", "--uplink", "eth3", "--save"],
           "route": ["route", "{}", "192.168.18.1"], "two of them": ["resync", "102", "{}"]}


@pytest.mark.parametrize("argv", WITH_VE.values(), ids=WITH_VE)
def test_a_ve_that_is_none(busy, argv):
    with unchanged(busy):
        for given in ("999", "nobody", "web one", "6d1b2c3d-0000-4000-8000-000000000001"):
            said(busy, [a.format(given) for a in argv], 1, f"{given}: no such VE on this node", "vzlist -a")
        for given in ("", "0", "../../x", "$(touch /x)", "\x1b[31m", "a" * 65, " "):
            said(busy, [a.format(given) for a in argv], 2, "is no VE's id or name", "`vzlist`")


@pytest.mark.parametrize("argv", WITH_VE.values(), ids=WITH_VE)
def test_a_name_that_two_ves_have(busy, argv):
    for ctid in ("103", "104"):
        busy.node.create_ve(ctid, [f"192.168.18.{ctid}"], extra='NAME="twice"')
    with unchanged(busy):
        said(busy, [a.format("twice") for a in argv], 1, "twice: the name of more than one VE (103, 104)",
             "give the id")
    for ctid in ("103", "104"):
        busy.node.hn.path(f"/etc/vz/conf/{ctid}.conf").unlink()


USAGE = [
    [], ["uplink"], ["--verbos3"], ["status", "--force"], ["resync", "--uplink", "eth3"], ["status", "--json=yes"],
    ["set"], ["set", "102"], ["set", "--uplink", "eth3"], ["set", "102", "--uplink"], ["set", "102", "--uplink", ""],
    ["set", "102", "103", "--uplink", "eth3"], ["route"], ["route", "102"], ["route", "102", "nowhere"],
    ["route", "102", "10.0.0.0/8"], ["route", "102", "10.0.0.1", "x"], ["harden", "now"],
    ["harden", "--check", "--undo"], ["doctor", "102"], ["install", "x"], ["install", "--destdir"],
    ["check", "a", "b"], ["uninstall", "x"], ["hook"], ["hook", "start"], ["hook", "mount", "102"],
]


def test_a_usage_error(busy):
    with unchanged(busy):
        for argv in USAGE:
            said(busy, argv, 2, "vzhooks", "address" if argv[:2] == ["route", "102"] and len(argv) == 3 else "--help")


@pytest.mark.parametrize("save", [[], ["--save"]])
@pytest.mark.parametrize("ini, uplink, parts", [
    ("", "isp9", ["uplink isp9", "this node has eth0, eth3, eth4"]),
    ("[uplink:isp1]\ndevice = eth3\n[uplink:eth4]\n", "isp9", ["not in this node's ini", "it has isp1, eth4"]),
    ("[uplink:eth4]\n[uplink:isp1]\ndevise = eth3\n", "isp1", ["[uplink:isp1] devise: unknown key", "allowed:"]),
    ("[node]\nreserved = eth3\n", "eth3", ["eth3 is reserved", "eth0, eth4"]),
    ("", "lo", ["loopback", "eth0, eth3, eth4"]), ("", "$(x)", ["no uplink's name", "eth0, eth3, eth4"]),
    ("", "block", ["uplink block", "eth0, eth3, eth4"]), ("", "eth9", ["no LAN NIC of that name"]),
])
def test_an_uplink_that_is_none(busy, ini, uplink, parts, save):
    if ini:
        busy.ini(ini)
        busy.vzhooks("resync", rc=None)
    with unchanged(busy):
        said(busy, ["set", "102", "--uplink", uplink, *save], 1, *parts)


@pytest.mark.parametrize("argv", [*EVERY, ["doctor"], ["confirm"], ["migrate"], ["report"], ["install"], ["uninstall"],
                                  ["hook", "boot"]], ids=" ".join)
def test_without_root(busy, argv):
    for path in ("/var/lib/vzhooks", "/run/vzhooks"):
        busy.node.hn.path(path).chmod(0o700)
    with unchanged(busy):
        said(busy, argv, 1, "root", command=[*AS_NOBODY, open_to_all(busy)])


@pytest.mark.parametrize("argv", [*EVERY, ["hook", "boot"]], ids=" ".join)
def test_without_the_right_to_change_the_network(busy, argv):
    limited = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", sys.executable]
    with unchanged(busy):
        said(busy, argv, 1, "Operation not permitted", "run as root with CAP_NET_ADMIN", command=limited)


def test_without_vzctl(site):
    running(site)
    site.hn("mv", "/etc/vz/conf", "/etc/vz/away")
    with unchanged(site):
        for argv in (a for a in [*EVERY, ["install"], ["hook", "boot"]] if a[0] != "uninstall"):
            said(site, argv, 1, "/etc/vz/conf: not there; is vzctl installed on this node?")


@pytest.mark.parametrize("runs", [True, False])
def test_a_config_that_cannot_be_written(site, runs):
    """On a read-only file system, or a full one: a VE that runs does not move either."""
    running(site)
    site.node.create_ve("101", [VE101], "eth3")
    ctid = "102" if runs else "101"
    site.hn("sh", "-c", "mount --bind /etc/vz/conf /etc/vz/conf && mount -o remount,bind,ro /etc/vz/conf")
    said_so = (f"{ctid}.conf: cannot be written", "UPLINK was not saved", "mend that and give the command again")
    with unchanged(site):
        said(site, ["set", ctid, "--uplink", "eth3" if runs else "eth4", "--save"], 1, "Read-only", *said_so)
    site.hn("umount", "/etc/vz/conf")
    site.hn("sh", "-c", "cp /etc/vz/conf/10?.conf /vz && mount -t tmpfs -o size=16k,mode=755 none /etc/vz/conf && "
            "cp /vz/10?.conf /etc/vz/conf")
    site.node.hn.run(["sh", "-c", "cat /dev/zero > /etc/vz/conf/fill"])
    with unchanged(site):
        said(site, ["set", ctid, "--uplink", "eth3" if runs else "eth4", "--save"], 1, "No space left", *said_so)


@pytest.mark.parametrize("how, why", [("read-only", "Read-only file system"), ("full", "No space left")])
@pytest.mark.parametrize("path", ["/var/lib/vzhooks", "/run/vzhooks"])
def test_notes_that_cannot_be_written(site, path, how, why):
    """A table number may be given before: that says nothing of any VE."""
    if how == "full":
        site.node.hn.call(ns.mount, "tiny", path, "tmpfs", 0, "size=16k,mode=700")
    running(site)
    if how == "full":
        site.node.hn.run(["sh", "-c", f"cat /dev/zero > {path}/fill"])
    else:
        site.hn("sh", "-c", f"mount --bind {path} {path} && mount -o remount,bind,ro {path}")
    trees = ("/etc/vz", "/run/vzhooks", "/vz/lock", "/vz/private")
    with unchanged(site, trees):
        for save in ([], ["--save"]):
            said(site, ["set", "102", "--uplink", "eth3", *save], 1, f"{path}/", why, "mend that and try again")


def test_a_ve_that_vzctl_works_on(busy):
    for text, path in ((f"{os.getpid()}\n", "/vz/lock/102.lck"), ("", "/vz/lock/102.lck")):
        busy.node.hn.write(path, text)
        with unchanged(busy):
            said(busy, ["set", "102", "--uplink", "eth3", "--save"], 75, "vzctl is at work on VE 102",
                 "nothing was changed", "try again")
        busy.node.hn.path(path).unlink()


def test_a_vzhooks_that_is_at_work(busy):
    """All commands at once, since each waits its ten seconds."""
    locks = busy.node.hn.path("/run/vzhooks/lock")
    with unchanged(busy):
        keeper = busy.node.hn.popen(["flock", "/run/vzhooks/lock", "sleep", "60"])
        subprocess.run(["sh", "-c", f"until ! flock -n {locks} true; do sleep 0.05; done"], check=True)
        runs = [(argv, busy.node.hn.popen([sys.executable, "-I", "-m", "vzhooks", *argv], stdout=subprocess.PIPE,
                                          stderr=subprocess.PIPE)) for argv in EVERY]
        for argv, run in runs:
            out, err = run.communicate(timeout=60)
            assert (run.returncode, out) == (75, ""), argv
            one_line(err, "another vzhooks is at work", "try again")
        for pid in set(busy.node.hn.processes()) - {busy.node.hn.pid}:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if file.read().startswith(b"sleep"):
                    os.kill(pid, 9)
        keeper.wait()


OUTPUTS = {"closed stdout": ">&-", "closed stderr": "2>&-", "all closed": "<&- >&- 2>&-",
           "a reader that went away": "2>&1 | true", "a full disk": ">/dev/full", "both full": ">/dev/full 2>&1"}


@pytest.mark.parametrize("how", OUTPUTS.values(), ids=OUTPUTS)
def test_output_that_goes_nowhere(busy, how):
    for argv in (["status"], ["resync"], ["resync", "-v"], ["status", "999"], ["nonsense"]):
        if argv[0] == "resync":
            busy.flush("rules")
        done = busy.node.hn.run(["sh", "-c", f"exec {sys.executable} -I -m vzhooks {' '.join(argv)} {how}"])
        assert "Traceback" not in done.stderr + done.stdout
        assert len([x for x in done.stderr.splitlines() if "stdout" in x]) == (how == ">/dev/full" and argv in (
            ["status"], ["resync"])), (argv, done.stderr)
        assert busy.node.hn.read("/run/vzhooks/lock") == ""
        busy.settled()
