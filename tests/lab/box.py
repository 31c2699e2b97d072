# SPDX-License-Identifier: GPL-2.0-or-later
"""A box: a machine of the lab, that is a network namespace (and a mount namespace) held by a process."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Callable

from pyroute2 import IPRoute

from tests.lab import ns
from tests.lab.holder import await_empty, fork_holder, is_in, kill, reply


def _nothing() -> None:
    pass


class Box:
    """Hold a network namespace, and with `prepare` a mount namespace furnished by it."""

    def __init__(self, name: str, prepare: Callable[[], None] | None = None) -> None:
        self.name = name
        self.own_mounts = prepare is not None
        flags = ns.CLONE_NEWNET | (ns.CLONE_NEWNS if self.own_mounts else 0)
        self.pid, self._keep = fork_holder(flags, prepare or _nothing)
        self._net = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._mnt = os.open(f"/proc/{self.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        self._children: list[subprocess.Popen[str]] = []
        self.closed = False

    def __repr__(self) -> str:
        return f"Box({self.name!r}, pid={self.pid})"

    # -- going in ---------------------------------------------------------------------------

    def enter(self) -> None:
        """Move the calling process (a forked child) into the box for good, keeping its directory."""
        here = os.getcwd()
        if self.own_mounts:
            ns.setns(self._mnt, ns.CLONE_NEWNS)
        ns.setns(self._net, ns.CLONE_NEWNET)
        with contextlib.suppress(FileNotFoundError):
            os.chdir(here)

    @contextlib.contextmanager
    def netns(self) -> Iterator[None]:
        """Put the calling thread into the box's network namespace for a while."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            ns.setns(self._net, ns.CLONE_NEWNET)
            try:
                yield
            finally:
                ns.setns(home, ns.CLONE_NEWNET)
        finally:
            os.close(home)

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Open a socket that lives in the box."""
        with self.netns():
            return socket.socket(family, kind, protocol)

    @contextlib.contextmanager
    def ipr(self) -> Iterator[IPRoute]:
        """Open an IPRoute that lives in the box."""
        with self.netns():
            ipr = IPRoute()
        try:
            yield ipr
        finally:
            ipr.close()

    def index(self, nic: str) -> int:
        """Tell the index of an interface; OSError when there is none."""
        with self.netns():
            return socket.if_nametoindex(nic)

    def nics(self) -> list[str]:
        """Name the interfaces."""
        with self.netns():
            return [name for _, name in socket.if_nameindex()]

    # -- running ----------------------------------------------------------------------------

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Start a program inside; it is killed when the box closes."""
        options.setdefault("text", True)
        child = subprocess.Popen(list(argv), preexec_fn=self.enter, **options)
        self._children = [old for old in self._children if old.poll() is None] + [child]
        return child

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        input: str | None = None,
        timeout: float = 30,
        check: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside and return what it said."""
        return subprocess.run(
            list(argv),
            env=env,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            timeout=timeout,
            check=check,
            text=True,
            preexec_fn=self.enter,
        )

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function in a forked child inside; return its result or raise its exception."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            reply(writer, self._entered(function), arguments)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            answer = pipe.read()
        os.waitpid(pid, 0)
        if not answer:
            raise ChildProcessError(f"{self.name}: {function} died without an answer")
        failed, result = pickle.loads(answer)
        if failed:
            raise result
        return result

    def _entered(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def inside(*arguments: Any) -> Any:
            self.enter()
            return function(*arguments)

        return inside

    # -- files and sysctls ------------------------------------------------------------------

    def path(self, path: str) -> Path:
        """Tell where the box's file is seen from outside (absolute symbolic links lead outside)."""
        if not self.own_mounts:
            return Path(path)
        return Path(f"/proc/{self.pid}/root") / path.lstrip("/")

    def followed(self, path: str) -> Path:
        """Tell where the box's file is seen from outside, and if that is a symbolic link what it leads to."""
        while os.path.islink(self.path(path)):
            path = os.path.join(os.path.dirname(path), os.readlink(self.path(path)))
        return self.path(path)

    def read(self, path: str) -> str:
        """Read a text file."""
        return self.followed(path).read_text(encoding="utf-8", errors="surrogateescape")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a text file, with its directory when that is missing."""
        file = self.followed(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", errors="surrogateescape")
        file.chmod(mode)

    def exists(self, path: str) -> bool:
        """Tell whether something has this name, be it a dangling link."""
        return os.path.lexists(self.path(path))

    def sysctl(self, key: str, value: object | None = None) -> str:
        """Write (when a value is given) and read a network sysctl such as net/ipv4/ip_forward."""
        with self.netns():  # /proc/sys/net shows the namespace of whoever opens a file
            file = Path("/proc/sys") / key
            if value is not None:
                file.write_text(f"{value}\n", encoding="ascii")
            return file.read_text(encoding="ascii").strip()

    # -- the end ----------------------------------------------------------------------------

    def processes(self) -> list[int]:
        """List every process in the network namespace, the holder included."""
        mine = os.fstat(self._net)
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if is_in(pid, mine)]

    def close(self) -> None:
        """End every process inside; the namespaces go with the last one."""
        if self.closed:
            return
        self.closed = True
        os.close(self._keep)
        kill(self.processes())
        os.waitpid(self.pid, 0)
        for child in self._children:
            child.wait()
        await_empty(self.name, self.processes)
        os.close(self._net)
        os.close(self._mnt)
