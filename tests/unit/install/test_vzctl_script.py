"""The wrapper's sh half: all but a `set` with --uplink goes to the real vzctl as it was typed."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vzhooks.install import shim

SHELLS = [[s] for s in map(shutil.which, ("dash", "bash")) if s]
SHELLS += [[s, "sh"] for s in [shutil.which("busybox")] if s]
TEMPLATE = Path(__file__).parents[3] / "scripts/vzctl"
RECORD = 'printf "%s\\0" "$0" "$@" > "${0%/*}/record"\n'


class Node:
    """Hold a directory with the wrapper, and others that may hold a vzctl; PATH has them in that order."""

    def __init__(self, root, shell):
        self.root, self.shell = root, shell
        self.wrapper = self.put("local", "")
        self.real = self.put("usual", RECORD)
        self.python = self.put("py", RECORD)
        self.wrap()

    def wrap(self, path=None):
        (path or self.wrapper).write_bytes(shim.text(TEMPLATE.read_bytes(), str(self.python), str(self.real)))

    def put(self, folder, text, mode=0o755):
        path = self.root / folder / "vzctl"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(mode)
        return path

    def run(self, *args, called=None, path=("local", "usual", "other"), **options):
        # No program but these is to be found.
        env = {"PATH": ":".join(str(self.root / p) if p else "" for p in path), "IFS": "a", "X": "1"}
        return subprocess.run([*self.shell, str(called or self.wrapper), *args], env=env, capture_output=True,
                              timeout=10, **options)

    def record(self, folder="usual"):
        path = self.root / folder / "record"
        words = path.read_bytes().split(b"\0")[:-1] if path.exists() else None
        path.unlink(missing_ok=True)
        return words and [words[0].decode(), *words[1:]]


@pytest.fixture(params=SHELLS, ids=lambda s: Path(s[0]).name)
def node(request, tmp_path):
    return Node(tmp_path / "it's a $dir", request.param) if (tmp_path / "it's a $dir").mkdir() is None else None


@pytest.mark.parametrize("args", [
    [], ["list"], ["start", "101"], ["exec", "101", "vzctl", "set", "101", "--uplink", "eth3"], ["set"],
    ["set", "101", "--save", "--ram", "1G"], ["set", "--uplink"], ["set", "--uplink", "eth3"],
    ["--uplink", "set", "101"], ["--version", "set", "101", "--uplink", "eth3"],
    ["--bogus", "set", "101", "--uplink", "eth3"],
    ["set", "101", "--upl", "eth3"], ["setrate", "101", "--uplink", "eth3"],
    ["--configure-timeout", "set", "101", "--uplink", "x"],
    [b"set", b"1\xff", b"--description", b" * $x \"'\\\n\t\xe9 ", b"", b"-n", b"-e"],
    [b"exec", b"101", b"\\c", b"%s", b"*"],
])
def test_all_else_is_handed_over_byte_for_byte(node, args):
    done = node.run(*args)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert node.record() == [str(node.real), *map(os.fsencode, args)]
    assert node.record("py") is None


@pytest.mark.parametrize("args", [
    ["set", "101", "--uplink", "eth3"], ["set", "101", "--uplink=eth3"], ["set", "101", "--ram", "1G", "--uplink"],
    ["--quiet", "--verbose", "--verbose", "--skiplock", "--skipowner", "set", "x y", "--save", "--uplink", "eth3"],
    ["--ignore-ha-cluster", "--configure-timeout", "5", "set", "101", "--uplink", "e"],
    ["set", "101", "--", "--uplink"], [b"set", b"101", b"--name", b"\xff * ", b"--uplink=\xfe"],
])
def test_a_set_with_our_option_goes_to_python(node, args):
    node.run(*args)
    record = node.record("py")
    assert record[1:3] == [b"-I", b"-c"] and record[4:] == list(map(os.fsencode, [node.real, *args]))
    assert node.record() is None


@pytest.mark.parametrize("status", [0, 1, 21, 127, 255])
def test_streams_and_exit_status_are_the_real_one_s(node, status):
    node.put("usual", f"read -r line; echo \"out $line\"; echo err >&2; exit {status}")
    done = node.run("list", input=b"in\n")
    assert (done.returncode, done.stdout, done.stderr) == (status, b"out in\n", b"err\n")


def test_a_death_by_signal_is_one(node):
    node.put("usual", "kill -TERM $$")
    assert node.run("list").returncode == -signal.SIGTERM


def test_the_environment_is_the_caller_s(node):
    node.put("usual", "/usr/bin/env")
    assert set(node.run("list").stdout.decode().splitlines()) >= {"X=1"}
    assert b"vzhooks" not in node.run("list").stdout.lower().replace(str(node.root).lower().encode(), b"")


@pytest.mark.parametrize("gone", ["missing", "not executable", "a directory", "a dangling link"])
def test_a_real_one_that_is_gone_is_looked_for_along_path(node, gone):
    node.real.unlink()
    if gone == "not executable":
        node.put("usual", "exit 9", 0o644)
    elif gone == "a directory":
        node.real.mkdir()
    elif gone == "a dangling link":
        node.real.symlink_to("nowhere")
    other = node.put("other", RECORD)
    assert node.run("start", "1 0 1").returncode == 0
    assert node.record("other") == [str(other), b"start", b"1 0 1"]
    node.run("set", "101", "--uplink", "eth3")
    assert node.record("py")[4:] == [os.fsencode(other), b"set", b"101", b"--uplink", b"eth3"]


def test_no_vzctl_at_all_is_one_line_and_the_shell_s_127(node):
    node.real.unlink()
    for args in (["list"], ["set", "101", "--uplink", "eth3"], ["--help"]):
        done = node.run(*args)
        assert (done.returncode, done.stdout) == (127, b"")
        assert done.stderr.startswith(b"vzhooks: vzctl: none on PATH but this wrapper")
        assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("how", ["copy", "link", "link to link", "hard link"])
@pytest.mark.parametrize("more", [False, True])
def test_the_wrapper_never_takes_itself_for_the_real_one(node, how, more):
    node.real.unlink()
    if how == "copy":
        shutil.copy(node.wrapper, node.real)
    elif how == "hard link":
        os.link(node.wrapper, node.real)
    else:
        (node.root / "between").symlink_to(node.wrapper)
        node.real.symlink_to(node.wrapper if how == "link" else node.root / "between")
    if more:
        node.put("other", RECORD)
    for called in (node.wrapper, node.real):
        done = node.run("list", called=called)
        assert done.returncode == (0 if more else 127), done
        assert (node.record("other") is not None) is more


def test_a_copy_of_an_older_wrapper_on_path_is_passed_by(node):
    node.real.unlink()
    node.wrap(node.put("usual", ""))
    node.real = node.root / "elsewhere/vzctl"
    node.wrap()
    node.put("other", RECORD)
    assert node.run("list").returncode == 0 and node.record("other")


def test_another_name_for_the_wrapper_does_the_same(node):
    link = node.root / "vz"
    link.symlink_to(node.wrapper)
    node.run("list", called=link)
    assert node.record() == [str(node.real), b"list"]


def test_empty_and_odd_folders_of_path_are_no_trap(node):
    node.real.unlink()
    node.put("*", "exit 8")
    node.put("other", RECORD)
    assert node.run("list", path=("", "missing", "?", "other"), cwd=node.root / "*").returncode == 0
    assert node.record("other")


def test_a_relative_folder_of_path_is_passed_by(node):
    node.real.unlink()
    node.put("mine", "exit 8")
    env = {"PATH": f"mine:./mine:{node.root}/other"}
    done = subprocess.run([*node.shell, str(node.wrapper), "list"], env=env, cwd=node.root, capture_output=True)
    assert done.returncode == 127
    node.put("other", RECORD)
    done = subprocess.run([*node.shell, str(node.wrapper), "list"], env=env, cwd=node.root, capture_output=True)
    assert done.returncode == 0 and node.record("other")


def test_a_python_that_is_gone_changes_nothing_and_says_so(node):
    node.python.unlink()
    done = node.run("set", "101", "--ipadd", "10.0.0.1", "--uplink", "eth3")
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (1, b"", 1)
    assert b"nothing was changed" in done.stderr and node.record() is None
    node.run("start", "101")
    assert node.record()


@pytest.mark.parametrize("args", [["--help"], ["--quiet", "--help"], ["help"], ["set", "--help"]])
@pytest.mark.parametrize("status", [0, 20])
def test_help_names_our_option_after_the_real_output(node, args, status):
    node.put("usual", f"{RECORD}echo usage; echo error >&2; exit {status}")
    done = node.run(*args)
    line = b"vzctl set <ctid> --uplink <name>|none [--save] ...   (by vzhooks: the way out of the node)\n"
    assert done.stdout == b"usage\n" + line * (status == 0)
    assert done.stderr == b"error\n" + line * (status != 0)
    assert done.returncode == status and node.record() == [str(node.real), *map(os.fsencode, args)]


def test_help_into_a_closed_stdout_keeps_the_status(node):
    node.put("usual", "exit 0")
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *node.shell, str(node.wrapper), "--help"],
                          stderr=subprocess.PIPE, env={"PATH": "/usr/bin:/bin"})
    assert (done.returncode, done.stderr) == (0, b"")


def test_ctrl_c_while_our_python_is_still_loading_is_no_traceback(node):
    strikes = ("import os, signal, sys\nclass Strikes:\n    def find_spec(self, name, path, target=None):\n"
               "        if name == 'vzhooks': os.kill(os.getpid(), signal.SIGINT)\n"
               "sys.meta_path.insert(0, Strikes())\nsys.argv.pop(1)\nexec(sys.argv.pop(1))\n")
    (node.root / "strikes").write_text(strikes)
    node.put("py", f'shift; exec {sys.executable} "${{0%/*}}/../strikes" "$@"')
    done = node.run("set", "101", "--uplink", "eth3")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")
    assert node.record() is None
