# SPDX-License-Identifier: GPL-2.0-or-later
"""Who holds a lock, as the kernel has it."""

import fcntl
import os
import signal
import subprocess
import sys

import pytest

from vzhooks.errors import LockBusy
from vzhooks.node import holder, host

KEEPER = """
import fcntl, os, signal, sys
handle = os.open(sys.argv[1], os.O_RDWR)
fcntl.flock(handle, fcntl.LOCK_EX)
print(flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "lock").touch()
    return os.fspath(tmp_path / "lock")


def test_nobody_holds_a_free_lock_or_one_that_is_not_there(path):
    assert holder.of(path) is holder.of(path + "x") is None
    with open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert holder.of(path).pid == os.getpid() and not holder.of(path).is_stopped
    assert holder.of(path) is None


def test_one_who_is_stopped_is_named_and_not_waited_for(path):
    with subprocess.Popen([sys.executable, "-c", KEEPER, path], stdout=subprocess.PIPE) as keeper:
        keeper.stdout.readline()
        os.waitid(os.P_PID, keeper.pid, os.WSTOPPED | os.WNOWAIT)
        found = holder.of(path)
        assert found.is_stopped and found.pid == keeper.pid
        with pytest.raises(LockBusy) as error, host.lock(path, 600):
            pass
        assert str(error.value) == (f"{path}: held by {found.name} (pid {found.pid}, stopped); let it go on by "
                                    f"`kill -CONT {found.pid}`, or end it")
        keeper.send_signal(signal.SIGCONT)
    with host.lock(path, 10):
        pass


@pytest.mark.parametrize("argv, name", [
    ("python3 -I -m vzhooks resync 101", "vzhooks resync 101"), ("/opt/bin/vzhooks -v status", "vzhooks -v status"),
    ("python3 -c text", ""), ("", "")])
def test_a_command_of_ours_is_named_as_it_was_given(argv, name):
    assert holder.named(argv.split()) == name
