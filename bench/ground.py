# SPDX-License-Identifier: GPL-2.0-or-later
"""What the parts share: a node with many VEs, hooks that run there by the clock, and a daemon that has settled."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Box, ns
from tests.lab.ve import config_text
from tests.lab.vzctl4 import environment
from tests.resident import Resident, until
from tests.site import Site

VZHOOKS = [sys.executable, "-I", "-m", "vzhooks"]
CONF = "/etc/vz/conf"
MOUNT, UMOUNT = f"{CONF}/vps.mount", f"{CONF}/vps.umount"
UPLINK, LONGEST_S = "eth3", 900.0
IDLE_S = 0.3  # a daemon that used no processor for so long has nothing to do
ONCE = """import os, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print((time.perf_counter() - start) * 1000)
sys.exit(done.returncode)
"""
BURST = """import os, subprocess, sys, time
start = time.perf_counter()
count, *words = sys.argv[1:]
hooks = [subprocess.Popen(words[int(count):], env={**os.environ, "VEID": c, "VE_CONFFILE": f"/etc/vz/conf/{c}.conf"})
         for c in words[:int(count)]]
assert not any([hook.wait() for hook in hooks])
print((time.perf_counter() - start) * 1000)
"""


@dataclass(frozen=True)
class Given:
    """Say how much is measured: how often, and beside how many VEs at most."""

    rounds: int = 12
    many: int = 10000


def say(words: str) -> None:
    """Tell who waits what is being measured."""
    print(f"bench: {words}", file=sys.stderr, flush=True)


def beside(ves: int) -> str:
    """Return in words how many VEs are on a node."""
    return f"{ves:,} VE" if ves == 1 else f"{ves:,} VEs"


def address(n: int) -> str:
    """Return the address of a VE, by its number below 65,536."""
    return f"10.{n >> 8 & 255}.{n & 255}.7"


def ctids(first: int, count: int) -> list[str]:
    """Return the ids of so many VEs."""
    return [str(n) for n in range(first, first + count)]


def environ(ctid: str) -> dict[str, str]:
    """Return what vzctl gives a hook."""
    return dict(line.split("=", 1) for line in environment(ctid))


def write_configs(hn: Box, first: int, count: int, uplink: str | None = UPLINK, mounted: bool = True) -> None:
    """Write configs of VEs that are ready to start; one that is not `mounted` lives by its host route alone."""
    hn.call(_write_configs, first, count, uplink, mounted)


def _write_configs(first: int, count: int, uplink: str | None, mounted: bool) -> None:
    for n in range(first, first + count):
        text = config_text(str(n), [address(n)], uplink)
        Path(f"{CONF}/{n}.conf").write_text(text if mounted else text.replace("VE_ROOT", "NO_ROOT"), "ascii")


def run_ves(hn: Box, first: int, count: int, mounted: bool = True) -> None:
    """Let VEs live on a node, as if they had been started while it had no hooks: mounts, and routes in one batch."""
    hn.call(_run_ves, first, count, mounted)
    hn.run(["ip", "-batch", "/vz/routes"], check=True)


def _run_ves(first: int, count: int, mounted: bool) -> None:
    numbers = range(first, first + count)
    Path("/vz/routes").write_text("".join(f"route add {address(n)}/32 dev venet0\n" for n in numbers), "ascii")
    for n in numbers if mounted else ():
        os.makedirs(f"/vz/root/{n}", exist_ok=True)
        ns.mount("none", f"/vz/root/{n}", "tmpfs")


def populate(hn: Box, first: int, count: int) -> None:
    """Let VEs live on a node, and be known to vzhooks."""
    write_configs(hn, first, count)
    run_ves(hn, first, count)
    vzhooks(hn, "resync")


def vzhooks(hn: Box, *words: str) -> str:
    """Run a command of ours, however long it takes; return what it prints."""
    done = hn.run([*VZHOOKS, *words], timeout=LONGEST_S)
    if done.returncode:
        raise SystemExit(f"bench: vzhooks {' '.join(words)}: exit {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


def timed(hn: Box, argv: Sequence[str], env: Mapping[str, str] | None = None) -> float:
    """Run a program in the HN; return its milliseconds without those of getting in there."""
    return _milliseconds(hn, ONCE, argv, env)


def at_once(hn: Box, argv: Sequence[str], ids: Sequence[str]) -> float:
    """Return in how many milliseconds hooks of VEs that start at once are all done."""
    return _milliseconds(hn, BURST, [str(len(ids)), *ids, *argv], environ(ids[0]))


def _milliseconds(hn: Box, code: str, words: Sequence[str], env: Mapping[str, str] | None) -> float:
    done = hn.run([sys.executable, "-I", "-c", code, *words], env=env, timeout=LONGEST_S)
    if done.returncode:
        raise SystemExit(f"bench: {words[-1]}: exit {done.returncode}: {done.stderr[-500:]}")
    return float(done.stdout.split()[-1])


def in_turns(rounds: int, commands: Mapping[str, Callable[[], Mapping[str, float]]]) -> dict[str, list[float]]:
    """Let commands take turns in random order; return by name the figures that each gave."""
    taken: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name in random.sample(sorted(commands), len(commands)):
            for key, value in commands[name]().items():
                taken.setdefault(key, []).append(value)
    return taken


@contextmanager
def daemon(site: Site) -> Iterator[int]:
    """Run the daemon on a site, however long it takes to read it first; give its process id when it has settled."""
    process = Resident(site)
    try:
        until(process.answers, LONGEST_S)
        settle(process.process.pid)
        yield process.process.pid
    finally:
        process.close()


def settle(pid: int | None) -> None:
    """Wait until a process (the daemon) has nothing more to do."""
    if pid is None:
        return
    used, since = _used(pid), time.monotonic()
    while time.monotonic() - since < IDLE_S:
        time.sleep(0.05)
        if _used(pid) != used:
            used, since = _used(pid), time.monotonic()


def _used(pid: int) -> list[str]:
    """Return the ticks of processor time that a process has used (proc(5): fields 14 and 15 of stat)."""
    return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[11:13]
