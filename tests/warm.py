# SPDX-License-Identifier: GPL-2.0-or-later
"""Run `python -I -m vzhooks` in a process forked from a Python that has vzhooks imported already.

To start Python and import pyroute2 is nine tenths of a command's time. What runs is what the
interpreter given has installed, by its `__main__`, in a process of its own; the test run's modules
have no part in it. Only that all of vzhooks can be imported by each command alone is not shown so.
"""

from __future__ import annotations

import functools
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping

from tests.lab import Box

LONGEST_S = 60.0
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000

SERVER = f"""
import ctypes, gc, importlib, json, os, pkgutil, runpy, socket, sys
import vzhooks

for module in pkgutil.walk_packages(vzhooks.__path__, "vzhooks."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
libc = ctypes.CDLL(None, use_errno=True)
line = socket.socket(fileno=int(sys.argv[1]))
gc.collect()
gc.freeze()

def enter(pid, directory):
    for name, kind in (("mnt", {CLONE_NEWNS}), ("net", {CLONE_NEWNET})):
        namespace = os.open(f"/proc/{{pid}}/ns/{{name}}", os.O_RDONLY)
        if libc.setns(namespace, kind):
            raise OSError(ctypes.get_errno(), "setns")
        os.close(namespace)
    os.chdir(directory)

while True:
    data, descriptors, _, _ = socket.recv_fds(line, 1 << 20, 2)
    if not data:
        sys.exit()
    child = os.fork()
    if child == 0:
        break
    for descriptor in descriptors:
        os.close(descriptor)
    status = os.waitpid(child, 0)[1]
    line.send(b"%d" % os.waitstatus_to_exitcode(status))

line.close()
task = json.loads(data)
for number, descriptor in enumerate(descriptors, 1):
    os.dup2(descriptor, number)
    os.close(descriptor)
enter(task["pid"], task["directory"])
os.environ.clear()
os.environ.update(task["environment"])
sys.argv[1:] = task["arguments"]
runpy.run_module("vzhooks", run_name="__main__", alter_sys=True)
"""


@functools.cache
def _server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Start the server, which ends when nobody has the returned socket any more."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen([sys.executable, "-I", "-c", SERVER, str(theirs.fileno())], start_new_session=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
    ours.settimeout(LONGEST_S)
    return ours, process


_one_at_a_time = threading.Lock()


def vzhooks(box: Box, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a vzhooks command in a box, as `box.run` would run it."""
    task = {"pid": box.pid, "directory": os.getcwd(), "environment": dict(os.environ if env is None else env),
            "arguments": arguments}
    with os.fdopen(os.memfd_create("stdout"), "rb") as out, os.fdopen(os.memfd_create("stderr"), "rb") as err:
        with _one_at_a_time:
            status = _ask(json.dumps(task).encode(), [out.fileno(), err.fileno()])
        texts = [os.pread(stream.fileno(), os.fstat(stream.fileno()).st_size, 0).decode() for stream in (out, err)]
    return subprocess.CompletedProcess(["vzhooks", *arguments], status, *texts)


def _ask(task: bytes, outputs: list[int]) -> int:
    line, process = _server()
    try:
        socket.send_fds(line, [task], outputs)
        answer = line.recv(99)
        if not answer:
            raise ChildProcessError(f"the warm Python ended with {process.wait()}")
        return int(answer)
    except BaseException:  # a late answer must not be taken for the next command's
        line.close()
        _server.cache_clear()
        raise
