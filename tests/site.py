# SPDX-License-Identifier: GPL-2.0-or-later
"""The example node with vzhooks installed on it, for tests with real packets."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress

from tests.lab import ExampleNode, Vzctl4
from tests.lab.node import BEYOND, CLIENT
from tests.lab.tap import Frame, Tap
from tests.lab.wire import flush_neighbours, ping, send_udp

NICS = ("eth0", "eth3", "eth4")
VE101, VE102, VE105 = "192.168.18.101", "192.168.18.102", "192.168.18.105"


def is_carried(frame: Frame) -> bool:
    """Tell whether a frame is traffic: ARP and advertisements are the node's own word on an address."""
    return frame.proto != "arp" and not frame.info.startswith("advert")


def unordered(state: dict[str, str]) -> dict[str, list[str]]:
    """Return a state as lists: rules of one priority stand in the order of their making, which means nothing."""
    return {part: sorted(text.splitlines()) for part, text in state.items()}


class Site:
    """Hold the node, its vzctl, and what an administrator does there."""

    def __init__(self, node: ExampleNode) -> None:
        self.node, self.vzctl = node, Vzctl4(node)

    def vzhooks(self, *args: str, rc: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a vzhooks command in the HN; fail the test unless it ends with `rc` (None: any)."""
        done = self.node.hn.run([sys.executable, "-I", "-m", "vzhooks", *args])
        assert rc is None or done.returncode == rc, done
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def install(self) -> None:
        self.vzhooks("install")

    def ini(self, text: str) -> None:
        self.node.hn.write("/etc/vz/vzhooks.ini", text)

    def ve(self, ctid: str, *addresses: str, uplink: str | None = None, extra: str = "") -> None:
        """Create a VE with its usual address, and start it."""
        self.vzctl.add_ve(ctid, *(addresses or (f"192.168.18.{ctid}",)), uplink=uplink, extra=extra)

    def hn(self, *argv: str) -> str:
        """Run a program in the HN and return what it prints."""
        return self.node.hn.run(list(argv), check=True).stdout

    def status(self, ctid: str) -> str:
        """Return the state of one VE as `vzhooks status` has it."""
        ves = json.loads(self.vzhooks("status", "--json", rc=None).stdout)["ves"]
        return next((ve["state"] for ve in ves if ve["ve"] == ctid), "stopped")

    def settled(self) -> None:
        """Assert that nothing is left to change."""
        done = self.vzhooks("resync", "--dry-run", rc=None)
        assert done.stdout == "", done.stdout

    def state(self) -> dict[str, str]:
        """Return all rules, routes, proxy neighbours and nft tables, counters apart, whoever made them."""
        with self.node.hn.ipr() as ipr:
            rules = [repr(sorted(map(repr, m["attrs"]))) for f in (2, 10) for m in ipr.get_rules(family=f)]
            routes = [repr([m[k] for k in ("family", "dst_len", "src_len", "table", "type", "proto", "scope")]) + repr(
                sorted(repr(a) for a in m["attrs"] if a[0] not in ("RTA_CACHEINFO",))) for m in ipr.get_routes()]
            proxies = [repr(m["attrs"]) for m in ipr.neigh("dump", dump_filter=lambda m: True, family=0, flags=8)]
        return {"rules": "\n".join(rules), "routes": "\n".join(sorted(routes)), "proxies": "\n".join(sorted(proxies)),
                "nft": self.hn("nft", "-s", "list", "ruleset")}

    def ping(self, ctid: str, dst: str = CLIENT, count: int = 3, **more: object) -> int:
        """Ping from a VE; return the number of answers."""
        return ping(self.node.ve(ctid).box, dst, count=count, timeout=0.5, **more)

    @contextmanager
    def only_by(self, *allowed: str, src: str = VE101):
        """Fail the test if one frame from `src` leaves the HN by another NIC than those allowed."""
        with Tap(self.node.hn, *NICS) as tap:
            yield tap
            wrong = [f for f in tap.find(outgoing=True, src=src) if f.nic not in allowed and is_carried(f)]
        assert wrong == [], "\n".join(map(str, wrong))

    def leaves_by(self, ctid: str, nic: str | None, dst: str = CLIENT, src: str | None = None, count: int = 5) -> None:
        """Assert that all of a VE's packets leave by this NIC, and that there are some; None: by none at all."""
        source = src or self.node.ve(ctid).addresses[0]
        with self.only_by(*([nic] if nic else []), src=source) as tap:
            send_udp(self.node.ve(ctid).box, source, dst, count=count)
        sent = tap.count(outgoing=True, src=source, nic=nic, proto="udp") if nic else 0
        assert sent == (count if nic else 0), tap.frames

    def flush(self, layer: str) -> None:
        """Lose one of the two layers whole, as systemd-networkd or `nft flush ruleset` would."""
        if layer == "nft":
            self.hn("nft", "flush", "ruleset")
            return
        with self.node.hn.ipr() as ipr:
            for family in (2, 10):
                for m in ipr.get_rules(family=family):
                    if 0 < (m.get("FRA_PRIORITY") or 0) < 32766:
                        ipr.rule("del", family=family, priority=m.get("FRA_PRIORITY"))

    def end_announcers(self) -> None:
        """End what the mount hooks left running for some seconds, where it would mend what a test breaks.

        Under the lock, so that none is killed in the midst of a change.
        """
        with self.node.hn.path("/run/vzhooks/lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for pid in set(self.node.hn.processes()) - {self.node.hn.pid}:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def forget(self) -> None:
        """Empty the client's neighbour cache."""
        flush_neighbours(self.node.client)


__all__ = ["BEYOND", "CLIENT", "NICS", "Site", "VE101", "VE102", "VE105"]
