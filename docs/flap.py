# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure a flap and its healing, packet by packet: `python -m docs.flap` writes docs/flap.json, as root.

VE 101 goes by eth3, whose link is taken away for a second; VE 102 goes by eth4. The daemon runs.
"""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from bench.flow import SO_TIMESTAMPNS, Flow, at
from bench.ground import daemon, settle
from tests.lab import ExampleNode
from tests.lab.links import set_link
from tests.lab.node import CLIENT, NICS
from tests.lab.tap import Tap
from tests.site import VE101, VE102, Site

DATA, SOCKET = Path(__file__).parent / "flap.json", "/run/systemd/journal/socket"
INTERVAL_MS, BEFORE_S, DOWN_S, AFTER_S = 1.0, 0.3, 1.0, 0.7
HOLE_MS = 5.0  # a sender that had to wait for a processor is no hole in a flow
FLOWS = {"VE 101 to client": ("101", VE101, True), "client to VE 101": ("101", VE101, False),
         "VE 102 to client": ("102", VE102, True)}


class Journal:
    """Stand in for systemd-journald on a node: hold when each line was sent there, in seconds since 1970."""

    def __init__(self, site: Site) -> None:
        self.lines: list[tuple[float, str]] = []
        self._path = site.node.hn.path(SOCKET)

    def __enter__(self) -> Journal:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind(str(self._path))
        return self

    def __exit__(self, *error: object) -> None:
        with self._socket, suppress(BlockingIOError):
            while True:
                data, extra, _, _ = self._socket.recvmsg(65536, 64, socket.MSG_DONTWAIT)
                line = next(line for line in data.decode().splitlines() if line.startswith("MESSAGE="))
                self.lines.append((at(extra), line.partition("=")[2]))
        self._path.unlink()


def measured() -> dict[str, Any]:
    """Return what happened, in milliseconds since the link went down."""
    with ExampleNode(rp_filter=1) as node:
        site = Site(node)
        site.install()
        with daemon(site) as pid:
            site.ve("101", uplink="eth3")
            site.ve("102", uplink="eth4")
            settle(pid)
            return _flap(site)


def _flap(site: Site) -> dict[str, Any]:
    node, flows = site.node, {}
    with Tap(node.hn, *NICS) as tap, Journal(site) as log, ExitStack() as stack:
        for name, (ctid, address, leaves) in FLOWS.items():
            ends = [(node.ve(ctid).box, address), (node.client, CLIENT)][::1 if leaves else -1]
            flows[name] = stack.enter_context(Flow(*(box for box, _ in ends), *(a for _, a in ends),
                                                   interval_s=INTERVAL_MS / 1000, port=5001 + len(flows)))
        ipr, eth3 = stack.enter_context(node.hn.ipr()), node.hn.index("eth3")
        time.sleep(BEFORE_S)
        down = time.time()
        set_link(ipr, eth3, False)
        time.sleep(DOWN_S)
        up = time.time()
        set_link(ipr, eth3, True)
        time.sleep(AFTER_S)
    astray = {nic: tap.count(nic=nic, outgoing=True, src=VE101, proto="udp") for nic in NICS if nic != "eth3"}
    return {"interval_ms": INTERVAL_MS, "start": -1000 * BEFORE_S, "up": _ms(up, down), "astray": astray,
            "end": _ms(up + AFTER_S, down),
            "flows": {name: {"sent": flow.sent, "lost": flow.lost, "arrived": _stretches(flow, down)}
                      for name, flow in flows.items()},
            "log": [[_ms(when, down), line] for when, line in log.lines]}


def _ms(when: float, zero: float) -> float:
    return round((when - zero) * 1000, 1)


def _stretches(flow: Flow, zero: float) -> list[list[float]]:
    """Return from when to when the packets of a flow that arrived were sent, a stretch for each hole between."""
    found: list[list[float]] = []
    last = -1
    for number, sent, _ in flow.arrived:
        when = _ms(sent / 1e9, zero)
        if not found or number > last + 1 and when - found[-1][1] > HOLE_MS:
            found.append([when, when])
        found[-1][1], last = when, number
    return found


def main() -> None:
    """Write the data; `python -m docs.pictures` draws it."""
    DATA.write_text(json.dumps(measured(), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
