# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure the hooks and resync on the example node, against a bash hook that does the same with ip(8).

Figures of one run only are compared, as ratios: the commands take turns in random order, and the
median counts. Limits: a mount hook takes at most 30 times the bash hook's time, an in-sync resync of
100 VEs no longer than a mount hook.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence

from tests.lab import Box, ExampleNode
from tests.lab.actions import mount_fs
from tests.lab.vzctl4 import environment

MOUNT_LIMIT, RESYNC_LIMIT = 30.0, 1.05  # the second: no slower, within the noise of a run
VES = 100

# What a mount hook has to do for one VE once the node's tables stand: look, then add what is missing.
BASH = """#!/bin/bash
set -e
. /etc/vz/conf/$VEID.conf
ip rule show | grep -q "from $IP_ADDRESS lookup 1003" || {
    ip rule add to "$IP_ADDRESS" lookup main suppress_prefixlength 31 priority 1000
    ip rule add from "$IP_ADDRESS" lookup 1003 priority 1010
}
ip route replace 192.168.18.0/24 dev eth3 table 1003
ip route replace default via 192.168.18.1 dev eth3 table 1003
nft add element inet bench exits "{ $IP_ADDRESS . eth3 }"
"""
BASH_UNDO = """#!/bin/bash
. /etc/vz/conf/$VEID.conf
ip rule del to "$IP_ADDRESS" priority 1000
ip rule del from "$IP_ADDRESS" priority 1010
nft delete element inet bench exits "{ $IP_ADDRESS . eth3 }"
"""


def timed(hn: Box, argv: Sequence[str], env: dict[str, str]) -> float:
    """Run a program in the HN; return its milliseconds without those of getting in there."""
    script = ("import os,sys,time,subprocess as s;b=time.perf_counter();r=s.run(sys.argv[1:],env=dict(os.environ));"
              "print((time.perf_counter()-b)*1000);sys.exit(r.returncode)")
    done = hn.run([sys.executable, "-I", "-c", script, *argv], env=env)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)}: exit {done.returncode}: {done.stderr}")
    return float(done.stdout.split()[-1])


def env_of(ctid: str) -> dict[str, str]:
    """Return what vzctl gives a hook."""
    return dict(line.split("=", 1) for line in environment(ctid))


def prepare(node: ExampleNode) -> None:
    """Let 100 VEs live on the node, and one more be ready to start."""
    node.hn.run([sys.executable, "-I", "-m", "vzhooks", "install"], check=True)
    for n in range(VES + 1):
        node.create_ve(str(1000 + n), [f"192.168.18.{20 + n}"], "eth3")
        if n < VES:
            mount_fs(node.hn, str(1000 + n))
            node.add_route(f"192.168.18.{20 + n}/32", oif="venet0")
    node.hn.run([sys.executable, "-I", "-m", "vzhooks", "resync"], check=True)
    node.hn.write("/etc/bench.add", BASH, 0o755)
    node.hn.write("/etc/bench.del", BASH_UNDO, 0o755)
    node.hn.run(["nft", "add table inet bench; add set inet bench exits { type ipv4_addr . ifname; }"], check=True)


def measure(node: ExampleNode, rounds: int) -> dict[str, list[float]]:
    """Return milliseconds by command, taking turns in random order."""
    env, conf = env_of(str(1000 + VES)), "/etc/vz/conf"
    vzhooks = [sys.executable, "-I", "-m", "vzhooks"]

    def pair(name: str, add: Sequence[str], delete: Sequence[str]) -> Callable[[], None]:
        def run() -> None:
            taken[name].append(timed(node.hn, add, env))
            taken[f"{name}, stop"].append(timed(node.hn, delete, env))
        return run

    taken: dict[str, list[float]] = {n: [] for n in (
        "bash hook", "bash hook, stop", "mount hook", "mount hook, stop", f"resync of {VES} VEs in sync",
        "import pyroute2", "ip rule")}
    commands = {
        "bash hook": pair("bash hook", ["/etc/bench.add"], ["/etc/bench.del"]),
        "mount hook": pair("mount hook", [f"{conf}/vps.mount"], [f"{conf}/vps.umount"]),
    }
    single = {f"resync of {VES} VEs in sync": [*vzhooks, "resync"], "ip rule": ["ip", "rule"],
              "import pyroute2": [sys.executable, "-I", "-c", "import pyroute2"]}
    for name, argv in single.items():
        commands[name] = lambda name=name, argv=argv: taken[name].append(timed(node.hn, argv, env))
    for _ in range(rounds):
        for name in random.sample(sorted(commands), len(commands)):
            commands[name]()
            time.sleep(0.05)
    return taken


def report(taken: dict[str, list[float]]) -> bool:
    """Print the figures; return whether the limits hold."""
    unit = statistics.median(taken["bash hook"])
    print(f"{'':34}{'median ms':>10}{'min':>8}{'max':>8}{'x bash hook':>13}")
    for name, times in taken.items():
        middle = statistics.median(times)
        print(f"{name:34}{middle:10.1f}{min(times):8.1f}{max(times):8.1f}{middle / unit:13.1f}")
    mount = statistics.median(taken["mount hook"])
    resync = statistics.median(taken[f"resync of {VES} VEs in sync"])
    held = [mount / unit <= MOUNT_LIMIT, resync / mount <= RESYNC_LIMIT]
    words = ["held" if h else "BROKEN" for h in held]
    print(f"\nmount hook: {mount / unit:.1f} x the bash hook (limit {MOUNT_LIMIT:g}): {words[0]}")
    print(f"resync: {resync / mount:.2f} x a mount hook (limit {RESYNC_LIMIT:g}): {words[1]}")
    return all(held)


def main() -> int:
    """Measure; exit 1 where a limit is broken."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=20)
    rounds = options.parse_args().rounds
    for tool in ("ip", "bash", "nft"):
        if not shutil.which(tool):
            raise SystemExit(f"bench: {tool} is needed for the comparison; install it")
    with ExampleNode(rp_filter=1) as node:
        prepare(node)
        return 0 if report(measure(node, rounds)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
