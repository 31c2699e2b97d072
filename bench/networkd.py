# SPDX-License-Identifier: GPL-2.0-or-later
"""systemd-networkd as a rival: it knows the rules and routes of VEs from its files, puts them and mends them.

It runs without udev and D-Bus here. It takes links as they are where /sys cannot be written, as in a container.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.lab import Box
from tests.resident import until

PROGRAM, TABLE = "/lib/systemd/systemd-networkd", 1003
LINK = f"""[Match]
Name=eth3
[Network]
LinkLocalAddressing=no
KeepConfiguration=yes
[Route]
Destination=192.168.18.0/24
Table={TABLE}
[Route]
Gateway=192.168.18.1
Table={TABLE}
"""
RULES = """[RoutingPolicyRule]
To={0}
Table=main
SuppressPrefixLength=31
Priority=1000
[RoutingPolicyRule]
From={0}
Table=1003
Priority=1010
"""


def is_here() -> bool:
    """Tell whether this machine has it."""
    return os.access(PROGRAM, os.X_OK)


def prepare(hn: Box, addresses: Sequence[str]) -> None:
    """Write its file for eth3 and the VEs that go by it."""
    hn.write("/etc/systemd/network/eth3.network", LINK + "".join(map(RULES.format, addresses)))
    hn.run(["sh", "-c", "mount --bind /sys /sys && mount -o remount,ro,bind /sys && "
                        "mkdir -p /run/systemd/netif && chown -R systemd-network: /run/systemd/netif"], check=True)


@contextmanager
def running(hn: Box, rules: int) -> Iterator[float]:
    """Run it; give the milliseconds until so many of its rules, and its routes, are in the kernel."""
    with hn.ipr() as ipr:
        start = time.perf_counter()
        process = hn.popen([PROGRAM], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: sum(1 for r in ipr.get_rules(family=2) if r.get("FRA_PRIORITY") in (1000, 1010)) >= rules
                  and len(list(ipr.get_routes(family=2, table=TABLE))) > 1)
            yield (time.perf_counter() - start) * 1000
        finally:
            process.terminate()
            process.wait()
