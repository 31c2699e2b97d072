"""The hook scripts hold whatever surrounds them: vzctl's descriptors, a broken vzhooks, an own script."""

import os
import select
import sys

import pytest

from tests.site import VE101
from tests.told import hook, matters, one_line, records, running, unhurt

pytestmark = pytest.mark.generation(4)  # and of what vzctl gives and takes on both

CONF = "/etc/vz/conf"
ENV = {"VEID": "101", "VE_CONFFILE": f"{CONF}/101.conf"}


def run(site, command, **options):
    """Run a shell command in the HN with the environment of a hook and no more."""
    options = {"stdin": -3, "stdout": -1, "stderr": -1, "cwd": "/", "env": ENV, **options}
    child = site.node.hn.popen(["/bin/sh", "-c", command], **options)
    out, err = child.communicate(timeout=30)
    # dash itself complains of a directory that is gone, before it reads the script.
    said = [line for line in (err or "").splitlines(True) if "getcwd() failed" not in line]
    return child.returncode, out or "", "".join(said)


def own_script(site, name, body="", mode=0o755):
    """Put an administrator's own script that notes each of its runs."""
    text = f'#!/bin/sh\necho "${{0##*/}} $# $VEID $VE_CONFFILE" >>/vz/ran\n{body}\n'
    site.node.hn.write(f"{CONF}/{name}", text, mode)


def ran(site):
    return site.node.hn.read("/vz/ran").splitlines() if site.node.hn.exists("/vz/ran") else []


def use_python(site, text=None):
    """Give the installed scripts another interpreter: one that is gone, or a program with this text."""
    if text is not None:
        site.node.hn.write("/vz/python", text, 0o755)
    for name in ("vps.mount", "vps.umount", "vps.postumount"):
        script = site.node.hn.read(f"{CONF}/{name}")
        assert f"python='{sys.executable}'" in script
        site.node.hn.write(f"{CONF}/{name}", script.replace(sys.executable, "/vz/python"), 0o755)


# -- what vzctl, or whoever calls it, leaves us -------------------------------------------------------


SURROUNDINGS = {
    "a bare environment": "exec {}",
    "closed stdout": "exec {} >&-",
    "closed stderr": "exec {} 2>&-",
    "all closed": "exec {} <&- >&- 2>&-",
    "an unreadable stdin": "exec {} 0>/dev/null",
    "output that nobody reads": "trap '' PIPE; {} 2>&1 | true",
    "a full stdout": "exec {} >/dev/full 2>&1",
    "no working directory": "mkdir /vz/gone; cd /vz/gone; rmdir /vz/gone; exec {}",
    "a strict umask": "umask 777; exec {}",
}


@pytest.mark.parametrize("how", SURROUNDINGS.values(), ids=SURROUNDINGS)
def test_a_hook_works_with(busy, how):
    """Both where it has nothing to say and where it refuses."""
    busy.node.create_ve("101", [VE101], "eth3")
    before = busy.state()
    assert run(busy, how.format(f"{CONF}/vps.mount")) == (0, "", "")
    assert records(busy)["101"]["phase"] == "starting"
    busy.end_announcers()
    assert run(busy, how.format(f"{CONF}/vps.umount")) == (0, "", "")
    assert run(busy, how.format(f"{CONF}/vps.postumount")) == (0, "", "")
    assert "101" not in records(busy)
    busy.node.write_conf("101", [VE101], "eth9")
    status, out, err = run(busy, how.format(f"{CONF}/vps.mount"))
    assert (status, out) == (0 if "|" in how else 1, "")
    assert err == "" or one_line(err, "uplink eth9") is None
    assert busy.node.hn.read("/run/vzhooks/lock") == "" and "101" not in records(busy)
    assert busy.state() == before


@pytest.mark.generation(4, 9)
@pytest.mark.parametrize("uplink, status", [("eth3", 0), ("eth9", 1), (None, 0)])
def test_nothing_of_a_hook_keeps_a_descriptor_open(site, uplink, status):
    """vzctl reads a hook's output to its end, and leaks its log and others into it."""
    site.node.create_ve("101", [VE101], uplink)
    ours, theirs = os.pipe()
    child = site.node.hn.popen([f"{CONF}/vps.mount"], env=ENV, stdin=-3, stdout=theirs, stderr=theirs,
                               pass_fds=[theirs])
    assert child.wait(timeout=30) == status
    os.close(theirs)
    said = b""
    while select.select([ours], [], [], 0.5)[0]:
        data = os.read(ours, 4096)
        if not data:
            break
        said += data
    else:
        pytest.fail("somebody still holds a descriptor that the hook was given")
    os.close(ours)
    assert len(matters(said.decode())) == status


# -- a vzhooks that cannot run ------------------------------------------------------------------------


BROKEN = {
    "its interpreter is gone": None,
    "its interpreter has no vzhooks": f'#!/bin/sh\nexec {sys._base_executable} "$@"\n',
    "its interpreter ends with 1": "#!/bin/sh\nexit 1\n",
    "its interpreter is killed": "#!/bin/sh\nkill -9 $$\n",
    "its interpreter is no program": "\x7fELF",
}
UNASSIGNED = ["", "UPLINK=\n", 'UPLINK=""\n', 'UPLINK="none"\n', "UPLINK='none' # not any more\n", "#UPLINK=eth3\n",
              'UPLINK="eth3"\nUPLINK="none"\n', 'UPLINK=" "\r\n', 'UPLINK="eth3"\nexport Uplink = none\n']
ASSIGNED = ['UPLINK="eth3"\n', "UPLINK=eth3\n", "  UPLINK='eth3' # none\n", 'UPLINK="none"\nUPLINK="eth3"\n',
            'UPLINK="$(touch /x)"\n', 'DESCRIPTION="\xff\xfe"\nUPLINK="eth3"\n', 'UPLINK="none such"\n',
            'UPLINK = "eth3"\n', "export Uplink=eth3\n", '\ufeffUPLINK="eth3"\n', 'HOSTNAME="a"\rUPLINK="eth3"\r']


@pytest.mark.parametrize("python", BROKEN.values(), ids=BROKEN)
def test_only_ves_with_an_uplink_are_hindered_when(site, python):
    use_python(site, python)
    for event, uplink, status in (("mount", "eth3", 1), ("mount", None, 0), ("umount", "eth3", 0),
                                  ("postumount", "eth3", 0)):
        site.node.create_ve("101", [VE101], uplink)
        said = hook(site, event)
        assert said.returncode == status
        ours = [line for line in said.stderr.splitlines() if line.startswith("vzhooks: ")]
        one_line("\n".join(ours), f"{event}: VE 101", "/vz/python cannot run vzhooks", "repair")
        assert python == BROKEN["its interpreter is killed"] or len(said.stderr.splitlines()) == 1 or "ELF" in python


def test_a_broken_vzhooks_reads_an_uplink_as_a_whole_one_does(site):
    """The last UPLINK line counts; nothing is executed."""
    use_python(site)
    for lines, status in [(text, 0) for text in UNASSIGNED] + [(text, 1) for text in ASSIGNED]:
        site.node.create_ve("101", [VE101], None, lines)
        assert hook(site, "mount").returncode == status, lines
    assert hook(site, "mount", VE_CONFFILE="/vz/nowhere").returncode == 0
    assert not site.node.hn.exists("/x")


def test_a_broken_vzhooks_leaves_running_ves_alone(site):
    running(site)
    use_python(site)
    site.node.create_ve("101", [VE101], "eth3")
    with unhurt(site):
        assert site.vzctl.start("101").rc == 79
    site.ve("105")
    site.leaves_by("105", "eth0")
    assert site.vzctl.stop("102").rc == 0


# -- an administrator's own scripts -------------------------------------------------------------------


# -- the command line ---------------------------------------------------------------------------------


COMMANDS = ("install", "resync", "resync 101 --dry-run", "status", "set 101 --uplink eth4", "route 101 192.168.18.129",
            "harden", "doctor", "hook boot", "uninstall --force")


def test_each_command_serves_in_an_interpreter_of_its_own(site):
    """Other tests run them in one that has all of vzhooks imported; what they say is the same."""
    site.ve("101", uplink="eth3")
    site.end_announcers()
    for command in COMMANDS:
        done = site.node.hn.run([sys.executable, "-I", "-m", "vzhooks", *command.split()])
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done
        if command == "status":
            assert site.vzhooks("status").stdout == done.stdout


AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def open_to_all(site):
    """Return our interpreter by a way that others than root can go: tox keeps its folder to itself."""
    site.hn("sh", "-c", f"mkdir -p /vz/venv && mount --bind {sys.prefix} /vz/venv && chmod 755 /vz")
    return f"/vz/venv/bin/{os.path.basename(sys.executable)}"


@pytest.mark.parametrize("command", [["resync"], ["resync", "101"], ["status"], ["install"], ["uninstall"],
                                     ["harden"], ["harden", "--undo"]], ids=" ".join)
def test_nobody_but_root_is_told_so_in_one_line(busy, command):
    for path in ("/var/lib/vzhooks", "/run/vzhooks"):
        busy.node.hn.path(path).chmod(0o700)  # as vzhooks makes them; the lab's own are open
    with unhurt(busy):
        done = busy.node.hn.run([*AS_NOBODY, open_to_all(busy), "-I", "-m", "vzhooks", *command])
        assert (done.returncode, done.stdout) == (1, "")
        one_line(done.stderr, f"vzhooks {command[0]}: ", "root")


@pytest.mark.parametrize("command", ["resync", "status"])
def test_a_command_names_what_is_wrong_with_a_ve_s_name(site, command):
    one_line(site.vzhooks(command, "999", rc=1).stderr, f"vzhooks {command}: 999: no such VE", "vzlist -a")
    for ctid in ("../../x", "", "$(touch /x)", "\x1b[31m", "0"):
        one_line(site.vzhooks(command, ctid, rc=2).stderr, f"vzhooks {command}: ", "is no VE's id", "vzlist")


def test_a_reader_of_status_that_goes_away_is_no_error_to_trace(site):
    site.ve("101", uplink="eth3")
    status, _, err = run(site, f"{sys.executable} -I -m vzhooks status | true", env={})
    assert (status, err) == (0, "")
