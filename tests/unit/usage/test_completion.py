"""Completion offers what the parser takes, this node's VEs and its uplinks; bash is asked for real."""

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import time

import pytest

from vzhooks.usage import completion
from vzhooks.usage.outline import outline

TEXTS = {"bash": completion.bash, "zsh": completion.zsh, "fish": completion.fish}
COMMANDS = [c.name for c in outline().commands]


def text(shell, root="/"):
    """Return what is installed, but for a node whose files are below root."""
    return TEXTS[shell](outline()).replace("/etc/vz", f"{root}/etc/vz").replace("/sys/class/net", f"{root}/nics")


@pytest.fixture
def node(tmp_path):
    """Two VEs, one with a name, and files that are no VE's."""
    conf = tmp_path / "etc/vz/conf"
    conf.mkdir(parents=True)
    (conf / "101.conf").write_text('NAME="web one"\nUPLINK="isp1"\n')
    (conf / "1e2f-77.conf").write_text("NAME=$(touch x)\n")
    for name in ("0.conf", "ve-basic.conf-sample", "vps.mount", "101.conf.bak"):
        (conf / name).write_text("NAME=\n")
    for nic in ("lo", "venet0", "veth101.0", "eth0", "eth3"):
        (tmp_path / "nics" / nic).mkdir(parents=True)
    return tmp_path


ASK = """
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }
_vzhooks
printf '%s\\n' "${COMPREPLY[@]}"
"""


def asked(node, *words):
    """Return what bash offers for the last word."""
    done = subprocess.run(["bash", "-c", text("bash", node) + ASK, "bash", *words], capture_output=True, text=True,
                          cwd=node)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\n")[:-1] if done.stdout != "\n" else []


@pytest.mark.parametrize(("words", "offered"), [
    (["vzhooks", ""], COMMANDS),
    (["vzhooks", "u"], ["uninstall"]),
    (["vzhooks", "--v"], ["--version", "--verbose"]),
    (["vzhooks", "set", "--s"], ["--save"]),
    (["vzhooks", "set", "101", "--save", "--u"], ["--uplink"]),
    (["vzhooks", "set", ""], ["101", "1e2f-77", "web\\ one", "\\$\\(touch\\ x\\)"]),
    (["vzhooks", "set", "web\\ "], ["web\\ one"]),
    (["vzhooks", "set", "--save", "1"], ["101", "1e2f-77"]),
    (["vzhooks", "set", "--uplink", "eth3", "1"], ["101", "1e2f-77"]),
    (["vzhooks", "set", "101", ""],
     ["-h", "--help", "--uplink", "--save", "--force", "--forget-flows", "--diff", "-v", "--verbose"]),
    (["vzhooks", "set", "101", "eth"], []),
    (["vzhooks", "resync", "--f"], ["--force"]),
    (["vzhooks", "install", "--d"], ["--dry-run", "--destdir"]),
    (["vzhooks", "uninstall", "--dr"], ["--dry-run"]),
    (["vzhooks", "status", "web"], ["web\\ one"]),
    (["vzhooks", "route", "101", ""], []),
    (["vzhooks", "resync", "101", ""], ["101", "1e2f-77", "web\\ one", "\\$\\(touch\\ x\\)"]),
    (["vzhooks", "set", "101", "--uplink", ""], ["eth0", "eth3", "none"]),
    (["vzhooks", "set", "101", "--uplink", "=", "e"], ["eth0", "eth3"]),
    (["vzhooks", "set", "101", "--uplink", "="], ["eth0", "eth3", "none"]),
    (["vzhooks", "set", "101", "--uplink", "eth3,e"], ["eth3,eth0", "eth3,eth3"]),
    (["vzhooks", "set", "101", "--uplink", "eth3,"], ["eth3,eth0", "eth3,eth3", "eth3,none"]),
    (["vzhooks", "install", "--destdir", "et"], ["etc"]),
    (["vzhooks", "check", "et"], ["etc"]),
    (["vzhooks", "resync", "--ini", "et"], ["etc"]),
    (["vzhooks", "resync", "--confirm", ""], []),
    (["vzhooks", "resync", "--confirm", "60", "1"], ["101", "1e2f-77"]),
    (["vzhooks", "report", "-o", "ni"], ["nics"]),
    (["vzhooks", "migrate", "--w"], ["--write"]),
    (["vzhooks", "hook", "p"], ["postumount"]),
    (["vzhooks", "nonsense", ""], []),
])
def test_bash_offers(node, words, offered):
    assert asked(node, *words) == offered


def test_with_uplinks_in_the_ini_only_their_names_are_offered(node):
    (node / "etc/vz/vzhooks.ini").write_text("[node]\n[uplink:isp1]\n;[uplink:no]\n[uplink: isp2 ] ; x\n")
    assert asked(node, "vzhooks", "set", "101", "--uplink", "") == ["isp1", "isp2", "none"]


def test_a_node_without_vzctl_is_offered_nothing_and_told_nothing(tmp_path):
    assert asked(tmp_path, "vzhooks", "set", "") == []


def test_bash_completes_on_the_key(node):
    """In a terminal, by readline itself."""
    (node / "rc").write_text(text("bash", node) + "PS1='> '\n")
    child, terminal = pty.fork()
    if not child:
        os.execvpe("bash", ["bash", "--noprofile", "--rcfile", str(node / "rc"), "-i"], {**os.environ, "TERM": "dumb"})
    try:
        typed(terminal, "> ", "")
        typed(terminal, "vzhooks set ", "vzhooks se\t")
        typed(terminal, "web\\ one ", "we\t")
        typed(terminal, "--uplink ", "--upl\t")
        typed(terminal, "eth3 ", "eth3\t")
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


def typed(terminal, end, keys):
    """Type, and wait until the terminal shows `end` last."""
    os.write(terminal, keys.encode())
    said, until = "", time.monotonic() + 20
    while not said.endswith(end):
        assert select.select([terminal], [], [], max(0, until - time.monotonic()))[0], said
        said += os.read(terminal, 4096).decode()


@pytest.mark.parametrize("shell", TEXTS)
def test_every_shell_can_read_it(node, shell):
    """With the shell itself; one that is not on this machine is stood in for by its rules of quoting."""
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=text(shell), capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return
    plain = TEXTS[shell](outline())
    for lines in completion.LISTS.values():
        assert f"sh -c '{lines}'" in plain
        plain = plain.replace(f"sh -c '{lines}'", "sh")
    assert shlex.split(plain, comments=True)


@pytest.mark.parametrize("shell", TEXTS)
def test_every_command_and_option_is_offered(shell):
    words = set(re.findall(r"[\w-]+", text(shell)))
    for command in outline().commands:
        flags = {f for a in command.arguments for f in a.flags}
        wanted = {command.name} | (flags if shell != "fish" else {f.lstrip("-") for f in flags})
        assert wanted <= words


def test_every_argument_is_known_by_what_completes_it():
    values = [a for c in outline().commands for a in c.arguments if a.metavar and not a.choices]
    assert {a.dest for a in values} == set(completion.KINDS)
    assert [lines for lines in completion.LISTS.values() if "'" in lines] == []


@pytest.mark.parametrize(("line", "offered"), [
    ("vzhooks un", "uninstall"), ("vzhooks set we", "web one"), ("vzhooks set 101 --uplink e", "eth3"),
    ("vzhooks set 101 --upl", "--uplink"), ("vzhooks set 101 --uplink eth0,e", "eth0,eth3"),
])
@pytest.mark.skipif(not shutil.which("fish"), reason="no fish here; test_every_shell_can_read_it stands in")
def test_fish_offers(node, line, offered):
    asked = f"{text('fish', node)}\ncomplete -C '{line}'"
    done = subprocess.run(["fish", "--no-config", "-c", asked], capture_output=True, text=True)
    assert offered in re.split(r"[\t\n]", done.stdout), done
