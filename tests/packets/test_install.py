"""Install on a node: whatever hinders it is said in one line, a dry run changes nothing, uninstall finds all of it."""

import os
import signal
import sys

import pytest

from tests.found import differs, everything
from tests.lab import ExampleNode
from tests.packets.test_hook_scripts import AS_NOBODY, open_to_all
from tests.packets.test_uninstall import busy_life, prepared
from tests.told import one_line
from vzhooks.cli import main
from vzhooks.node import files as node_files

pytestmark = pytest.mark.generation(4)  # the same on both

COMMAND = "/usr/local/sbin/vzhooks"


@pytest.fixture
def bare():
    with ExampleNode(1) as node:
        yield prepared(node)


def test_the_first_install_says_what_it_changed_and_what_comes_next(bare):
    done = bare.vzhooks("install")
    assert f"put {COMMAND}" in done.stdout.splitlines()
    changes = [line for line in done.stdout.splitlines() if line.startswith(("put ", "kept "))]
    said = [line for line in done.stderr.splitlines() if "warning: " not in line]
    assert said[0] == f"vzhooks install: {len(changes)} changes made" and len(said) == 3
    assert "`vzhooks doctor`" in said[1] and "`vzhooks set VE --uplink NIC --save`" in said[2]
    assert bare.vzhooks("install").stderr == "vzhooks install: nothing to do\n"
    bare.hn("rm", "/etc/vz/conf/vps.postumount")
    assert bare.vzhooks("install").stderr == "vzhooks install: 1 change made\n"


def test_the_command_is_found_on_path_after_install(bare):
    assert bare.node.hn.run(["/bin/sh", "-c", "command -v vzhooks"], env={"PATH": os.path.dirname(COMMAND)}).returncode
    bare.vzhooks("install")
    said = bare.node.hn.run(["/bin/sh", "-c", "vzhooks --version"], env={"PATH": os.path.dirname(COMMAND)}, check=True)
    assert said.stdout == bare.vzhooks("--version").stdout


@pytest.mark.parametrize("options", [[], ["--vzctl-wrapper"]], ids=["plain", "wrapper"])
def test_a_dry_run_says_the_lines_of_the_real_one_and_changes_nothing(bare, options):
    bare.node.hn.write("/usr/sbin/vzctl", "#!/bin/sh\n", 0o755)
    before = everything(bare)
    dry = bare.vzhooks("install", "--dry-run", *options)
    assert differs(before, everything(bare)) == []
    assert dry.stderr.endswith("changes would be made\n")
    assert bare.vzhooks("install", *options).stdout == dry.stdout
    busy_life(bare)
    bare.end_announcers()
    before = everything(bare)
    one_line(bare.vzhooks("uninstall", "--dry-run", rc=1).stderr, "(101, 102)", "stop them, or give --force")
    dry = bare.vzhooks("uninstall", "--force", "--dry-run")
    assert differs(before, everything(bare)) == []
    assert "rules, routes, guard entries and settings" in dry.stdout
    assert bare.vzhooks("uninstall", "--force").stdout == dry.stdout


def test_code_that_others_can_change_is_not_installed(bare):
    hn = bare.node.hn
    python = "/vz/venv/bin/python3"
    bare.hn("sh", "-c", f"mkdir -p /vz/venv/bin && cp $(readlink -f {sys.executable}) {python}")
    before = everything(bare)
    for change, part in (("chmod 777 /vz/venv/bin", "/vz/venv/bin can be written by others than root (mode 0777)"),
                         (f"chown 65534 {python}", f"{python} belongs to uid 65534, not to root"),
                         (f"ln -sf /tmp/x/python3 {python} && mkdir -p /tmp/x && chmod 777 /tmp/x", "/tmp/x can be")):
        bare.hn("sh", "-c", change)
        one_line(bare.vzhooks("install", "--python", python, rc=1).stderr, part, "install vzhooks where only root")
        bare.hn("sh", "-c", f"chmod 755 /vz/venv/bin; chown -h 0 {python}")
        assert differs(before, everything(bare)) == []
    hn.run(["rm", "-r", "/tmp/x"])
    bare.vzhooks("install")


def install_killed(files):
    """Install, and die when that many files were put."""
    real = node_files.os.replace

    def replace(*args):
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left.pop()
        return real(*args)
    left = [None] * files
    node_files.os.replace = replace
    return main.main(["install"])


def test_an_install_killed_at_any_file_is_uninstalled_whole(bare):
    before = everything(bare)
    files, died = 0, True
    while died:
        try:
            died = bare.node.hn.call(install_killed, files) is None
        except ChildProcessError:
            died = True
        bare.vzhooks("uninstall")
        assert differs(before, everything(bare)) == [], files
        files += 1
    assert files > 10


def test_a_full_disk_is_told_in_one_line_and_changes_nothing(bare):
    bare.hn("sh", "-c", "mkdir /var/lib/vzhooks && mount -t tmpfs -o size=16k,mode=700 none /var/lib/vzhooks")
    bare.node.hn.run(["sh", "-c", "cat /dev/zero >/var/lib/vzhooks/fill"])
    before = everything(bare)
    one_line(bare.vzhooks("install", rc=1).stderr, "/var/lib/vzhooks/installed.json", "No space left", "mend that")
    assert differs(before, everything(bare)) == []
    bare.hn("rm", "/var/lib/vzhooks/fill")
    bare.vzhooks("install")


def test_a_read_only_etc_is_told_in_one_line_and_mended_by_the_next(bare):
    before = everything(bare)
    bare.hn("mount", "-o", "remount,bind,ro", "/etc")
    one_line(bare.vzhooks("install", rc=1).stderr, "/etc/", "Read-only file system", "mend that")
    bare.hn("mount", "-o", "remount,bind,rw", "/etc")
    bare.vzhooks("uninstall")
    assert differs(before, everything(bare)) == []
    bare.vzhooks("install")
    assert bare.node.hn.exists("/etc/vz/vzhooks.ini.sample")


def test_nobody_but_root_installs_or_changes_anything(bare):
    before = everything(bare)
    python = open_to_all(bare)
    for command in ("install", "uninstall"):
        done = bare.node.hn.run([*AS_NOBODY, python, "-I", "-m", "vzhooks", command])
        assert (done.returncode, done.stdout) == (1, "")
        one_line(done.stderr, f"vzhooks {command}: ", "root")
    assert differs(before, everything(bare)) == []


def test_a_node_without_vzctl_is_told_so(bare):
    bare.hn("rm", "-r", "/etc/vz/conf")
    one_line(bare.vzhooks("install", rc=1).stderr, "/etc/vz/conf: not there", "is vzctl installed on this node?")
