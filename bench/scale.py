# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure what the size of a node costs: resync, status and a hook beside thousands of VEs, by the daemon and without.

The node's VEs are as vzctl leaves them: a config, a host route and, on each NIC, a published address. Medians count.
Limits: resync of 10,000 VEs from nothing within 3 s and in sync within 1 s, status within 2 s, each with at most
200 MB; a hook beside them takes at most twice what it takes beside 10.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from bench.ground import environ, timed
from tests.lab import Box, ExampleNode
from tests.lab.ve import config_text
from tests.resident import resident, until
from tests.site import Site

FEW, MANY = 10, 10000
FRESH_S, SYNC_S, STATUS_S, MEMORY_MB, HOOK_RATIO = 3.0, 1.0, 2.0, 200.0, 2.0
CONF, FIRST, NEW = "/etc/vz/conf", 10000, "9000"
NICS = ("eth0", "eth3", "eth4")
VZHOOKS = (sys.executable, "-I", "-m", "vzhooks")
MEASURE = """import os, sys, time
start = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[
    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0), (os.POSIX_SPAWN_OPEN, 2, "/run/said", 577, 420)])
_, status, used = os.wait4(child, 0)
took = time.perf_counter() - start
print(took, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime, os.waitstatus_to_exitcode(status))
"""


class Took(NamedTuple):
    """Hold the seconds, the megabytes at their most, and the seconds of a processor that a command took.

    The last are its own and its children's, and not the daemon's.
    """

    seconds: float
    megabytes: float = 0.0
    busy: float = 0.0


def address(n: int) -> str:
    """Return the address of one of the VEs."""
    return f"10.{100 + n // 65536}.{n // 256 % 256}.{n % 256}"


def fill(count: int) -> None:
    """Write the configs of VEs from inside the node, and the ip(8) batch that lets them live."""
    with open("/vz/batch", "w", encoding="ascii") as batch:
        for n in range(count):
            with open(f"{CONF}/{FIRST + n}.conf", "w", encoding="ascii") as config:
                # Without VE_ROOT a host route is a VE's life.
                config.write(config_text(str(FIRST + n), [address(n)], "eth3").replace("VE_ROOT", "NO_ROOT"))
            batch.write(f"route add {address(n)}/32 dev venet0\n")
            batch.writelines(f"neigh add proxy {address(n)} dev {nic}\n" for nic in NICS)


@contextmanager
def node(count: int, datapath: str) -> Iterator[Site]:
    """Build the example node with so many live VEs, and vzhooks installed."""
    with ExampleNode(rp_filter=1) as lab:
        site = Site(lab)
        lab.hn.write("/etc/vz/vz.conf", "")
        lab.hn.write("/etc/vz/vzhooks.ini", f"[node]\ndatapath = {datapath}\n" if datapath else "")
        lab.hn.call(fill, count)
        lab.hn.run(["ip", "-batch", "/vz/batch"], timeout=300, check=True)
        lab.create_ve(NEW, ["192.168.18.90"], "eth3")
        lab.hn.run([*VZHOOKS, "install"], check=True)
        yield site


def took(hn: Box, argv: Sequence[str], status: int = 0) -> Took:
    """Run a program in the HN; return what it took."""
    done = hn.run([sys.executable, "-I", "-c", MEASURE, *argv], timeout=900)
    seconds, megabytes, busy, code = done.stdout.split()
    assert int(code) == status, (argv, code, hn.read("/run/said")[-500:])
    return Took(float(seconds), float(megabytes), float(busy))


def fresh(site: Site) -> Took:
    """Return what a resync from nothing takes."""
    hn = site.node.hn
    hn.run([*VZHOOKS, "uninstall", "--force"], timeout=300, check=True)
    hn.run([*VZHOOKS, "install"], check=True)
    return took(hn, [*VZHOOKS, "resync"])


def commands(site: Site, rounds: int) -> dict[str, list[Took]]:
    """Return what the commands take, in turns."""
    hn, found = site.node.hn, dict[str, "list[Took]"]()
    for _ in range(rounds):
        for name in ("resync, in sync", "status"):
            found.setdefault(name, []).append(took(hn, [*VZHOOKS, name.split(",")[0]]))
    return found


def hooks(site: Site, rounds: int) -> tuple[float, float]:
    """Return the median milliseconds of a mount hook and of an unmount hook, what they leave behind ended each time."""
    found: list[tuple[float, float]] = []
    for _ in range(rounds + 1):
        mount = timed(site.node.hn, [f"{CONF}/vps.mount"], environ(NEW))
        site.end_announcers()
        found.append((mount, timed(site.node.hn, [f"{CONF}/vps.umount"], environ(NEW))))
        site.end_announcers()
    mounts, umounts = zip(*found[1:])  # the first one warms the caches
    return statistics.median(mounts), statistics.median(umounts)


def peak_mb(pid: int) -> float:
    """Return how many megabytes a process had at its most."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def measure(count: int, rounds: int, datapath: str) -> dict[str, list[Took]]:
    """Return what each thing takes on a node with so many VEs, without the daemon and with it."""
    with node(count, datapath) as site:
        found = {"resync, from nothing": [fresh(site) for _ in range(rounds)], **commands(site, rounds)}
        found["mount hook"], found["umount hook"] = ([Took(ms / 1000)] for ms in hooks(site, rounds))
        site.node.hn.run([*VZHOOKS, "uninstall", "--force"], timeout=300, check=True)
        site.node.hn.run([*VZHOOKS, "install"], check=True)
        start = time.perf_counter()
        with resident(site) as daemon:
            until(lambda: address(count - 1) in site.node.hn.run(  # none while there is no table
                ["nft", "list", "set", "inet", "vzhooks", "exits4"]).stdout)
            found["resync, from nothing, by the daemon"] = [Took(time.perf_counter() - start)]
            time.sleep(3)
            more = commands(site, rounds)
            more["mount hook"], more["umount hook"] = ([Took(ms / 1000)] for ms in hooks(site, rounds))
            found.update({f"{name}, with the daemon": times for name, times in more.items()})
            found["daemon"] = [Took(0, peak_mb(daemon.process.pid))]
    return found


def report(many: int, few: dict[str, list[Took]], much: dict[str, list[Took]]) -> bool:
    """Print the figures; return whether the limits hold."""
    middle = {name: (statistics.median(t.seconds for t in small), statistics.median(t.seconds for t in much[name]),
                     max(t.megabytes for t in much[name]), statistics.median(t.busy for t in much[name]))
              for name, small in few.items()}
    print(f"{'':44}{f'{FEW} VEs, s':>14}{f'{many} VEs, s':>14}{'x':>8}{'busy, s':>10}{'MB':>8}")
    for name, (small, big, megabytes, busy) in middle.items():
        ratio = big / small if small else 0.0
        print(f"{name:44}{small:14.3f}{big:14.3f}{ratio:8.2f}{busy:10.2f}{megabytes:8.0f}")
    limits = [(f"{name}, s", middle[name][1], limit) for start, limit in (
        ("resync, from nothing", FRESH_S), ("resync, in sync", SYNC_S), ("status", STATUS_S))
        for name in middle if name.startswith(start)]
    limits += [(f"{name}, x beside {FEW}", middle[name][1] / middle[name][0], HOOK_RATIO)
               for name in middle if "hook" in name]
    limits.append(("memory, MB", max(megabytes for _, _, megabytes, _ in middle.values()), MEMORY_MB))
    print()
    for name, value, limit in limits:
        print(f"{name:48}{value:9.2f} (limit {limit:g}): {'held' if value <= limit else 'BROKEN'}")
    return all(value <= limit for _, value, limit in limits)


def main() -> int:
    """Measure; exit 1 where a limit is broken."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--many", type=int, default=MANY, help="VEs on the second node")
    options.add_argument("--datapath", default="", help="as in the ini; by default what vzhooks chooses")
    given = options.parse_args()
    few, many = (measure(count, given.rounds, given.datapath) for count in (FEW, given.many))
    return 0 if report(given.many, few, many) else 1


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C")
    raise SystemExit(main())
