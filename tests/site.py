# SPDX-License-Identifier: GPL-2.0-or-later
"""The example node with vzhooks installed on it, for tests with real packets."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import contextmanager, suppress
from typing import Union

from tests import warm
from tests.lab import VE9, Box, BridgedVE, ExampleNode, Vzctl4, Vzctl4Bridged, Vzctl9
from tests.lab.links import family_of
from tests.lab.node import BEYOND, BEYOND6, CLIENT, CLIENT6, MACS
from tests.lab.node import NICS as NODE
from tests.lab.tap import Frame, Tap
from tests.lab.ve9 import new_netif
from tests.lab.wire import age_neighbour, flush_neighbours, ping, send_udp, who_have

NICS = ("eth0", "eth3", "eth4")
BYSTANDER = "198"
VE101, VE102, VE105 = "192.168.18.101", "192.168.18.102", "192.168.18.105"
SIX101, SIX102, SIX105 = "fd00:18::101", "fd00:18::102", "fd00:18::105"
# One of each family: what a test does to one VE's addresses is shown for both.
Addresses = Union[str, "tuple[str, ...]"]
CLIENTS, BEYONDS = (CLIENT, CLIENT6), (BEYOND, BEYOND6)
OWN = {cidr.split("/")[0]: nic for nic, (_, *cidrs) in NODE.items() for cidr in cidrs}
OWN6 = {nic: cidr for nic, (_, _, cidr) in NODE.items()}


def pair(ctid: str) -> tuple[str, str]:
    """Return a VE's usual addresses, one of each family."""
    return f"192.168.18.{ctid}", f"fd00:18::{ctid}"


def fits(src: str, dst: str) -> bool:
    """Tell whether two addresses are of one family."""
    return family_of(src) == family_of(dst)


def is_carried(frame: Frame) -> bool:
    """Tell whether a frame is traffic: ARP and advertisements are the node's own word on an address."""
    return frame.proto != "arp" and not frame.info.startswith("advert")


def unordered(state: dict[str, str]) -> dict[str, list[str]]:
    """Return a state as lists: rules of one priority stand in the order of their making, which means nothing."""
    return {part: sorted(text.splitlines()) for part, text in state.items()}


class Site:
    """Hold the node, its vzctl, and what an administrator does there.

    datapath: what each ini says of it that does not say otherwise, "" for nothing.
    """

    def __init__(self, node: ExampleNode, datapath: str = "") -> None:
        self.node, self.datapath = node, datapath
        self.daemons: set[int] = set()
        self.vzctl = Vzctl9(node) if node.generation == 9 else (Vzctl4Bridged if node.bridged else Vzctl4)(node)

    def vzhooks(self, *args: str, rc: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a vzhooks command in the HN; fail the test unless it ends with `rc` (None: any)."""
        done = warm.vzhooks(self.node.hn, *args)
        assert rc is None or done.returncode == rc, done
        assert "Traceback" not in done.stderr, done.stderr
        return done

    @property
    def marks(self) -> bool:
        """Tell whether packets go by marks."""
        return self.datapath == "map"

    def install(self) -> None:
        self.vzhooks("install")
        if self.datapath:
            self.ini("")

    def ini(self, text: str) -> None:
        self.node.hn.write("/etc/vz/vzhooks.ini", self.worded(text))

    def worded(self, text: str) -> str:
        """Return an ini with its line for the datapath."""
        if not self.datapath:
            return text
        line = f"[node]\ndatapath = {self.datapath}\n"
        return text.replace("[node]\n", line, 1) if "[node]\n" in text else text + line

    def ve(self, ctid: str, *addresses: str, uplink: str | None = None, extra: str = "") -> None:
        """Create a VE with its usual address, and start it."""
        self.vzctl.add_ve(ctid, *(addresses or (f"192.168.18.{ctid}",)), uplink=uplink, extra=extra)

    def both(self, *ctids: str, uplink: str | None = None) -> None:
        """Create VEs with an address of each family, and start them."""
        for ctid in ctids:
            self.ve(ctid, *pair(ctid), uplink=uplink)

    def stop(self, *ctids: str) -> None:
        """Stop VEs, and take away what vzctl itself leaves of them where venet0 is a bridge."""
        for ctid in ctids:
            assert self.vzctl.stop(ctid).rc == 0
        if isinstance(self.vzctl, Vzctl4Bridged):
            self.vzctl.tidy(*ctids)

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
            names = {link["index"]: link.get("IFLA_IFNAME") for link in ipr.get_links()}  # a new veth has another index
            routes = [repr([m[k] for k in ("family", "dst_len", "src_len", "table", "type", "proto", "scope")]) + repr(
                sorted(repr((key, names.get(value, value) if key == "RTA_OIF" else value))
                       for key, value in m["attrs"] if key != "RTA_CACHEINFO")) for m in ipr.get_routes()]
            proxies = [repr(m["attrs"]) for m in ipr.neigh("dump", dump_filter=lambda m: True, family=0, flags=8)]
        return {"rules": "\n".join(rules), "routes": "\n".join(sorted(routes)), "proxies": "\n".join(sorted(proxies)),
                "nft": self.hn("nft", "-s", "list", "ruleset")}

    def side(self) -> Box:
        """Return a box on the VEs' side that may send from any address, of a VE that runs or not."""
        own = self.node.generation == 9 or self.node.bridged
        return self.node.ve(BYSTANDER).box if own else self.node.venet

    def take_any_source(self) -> None:
        """Let an address send before it has its route; behind veths another VE, new each time, does so for it."""
        device = self._bystander().device if self.node.generation == 9 or self.node.bridged else "venet0"
        for where in ("all", device):
            self.node.hn.sysctl(f"net/ipv4/conf/{where}/rp_filter", 0)

    def _bystander(self) -> VE9 | BridgedVE:
        """Start a VE with a NIC and no address that the node knows of."""
        if self.node.bridged:
            ve = self.node.create_ve(BYSTANDER, [])
            ve.kill()
            ve.boot()
            ve.add_address("10.98.0.1")
            return ve
        ve = self.node.create_ve(BYSTANDER, [], extra=f'NETIF="{new_netif(BYSTANDER, "venet0")}"')
        self.vzctl.stop(BYSTANDER, skip_hooks=True)
        assert self.vzctl.start(BYSTANDER, skip_hooks=True).rc == 0
        ve.add_address("10.98.0.1")  # to ask by ARP, which nobody may do without any
        return ve

    def ways(self, ctid: str, dst: Addresses, src: str | None = None) -> list[tuple[str, str]]:
        """Pair a VE's source, or its first of each family, with each destination of the same family."""
        addresses = [src] if src else self.node.ve(ctid).addresses
        firsts = {family_of(a): a for a in reversed(addresses)}.values()
        found = [(a, d) for a in firsts for d in ((dst,) if isinstance(dst, str) else dst) if fits(a, d)]
        assert found, f"VE {ctid} has no address to reach {dst} from"
        return found

    def pings(self, ctid: str, dst: Addresses = CLIENTS, count: int = 3, src: str | None = None) -> set[int]:
        """Ping from a VE, by each family that it has; return the different numbers of answers."""
        box = self.node.ve(ctid).box
        return {ping(box, to, src=src, count=count, timeout=0.5) for _, to in self.ways(ctid, dst, src)}

    def ping(self, ctid: str, dst: Addresses = CLIENTS, count: int = 3, src: str | None = None) -> int:
        """Ping from a VE, by each family that it has; return the smallest number of answers."""
        return min(self.pings(ctid, dst, count, src))

    def comes_by(self, nic: str, *addresses: str, within: float = 5.0) -> None:
        """Assert that the client, whose neighbour entries are its own affair, soon reaches VEs by this NIC alone."""
        deadline = time.monotonic() + within
        while (found := {address: self.reached_by(address) for address in addresses}) != dict.fromkeys(addresses, nic):
            assert time.monotonic() < deadline, found
            time.sleep(0.05)

    def reached_by(self, address: str) -> str:
        """Ping a VE from the client; tell by which NIC the requests reach the node, and whether all are answered."""
        with Tap(self.node.hn, *NICS) as tap:
            answered = ping(self.node.client, address, count=3, timeout=0.3)
            into = {f.nic for f in tap.find(dst=address, outgoing=False) if f.dst_mac == MACS[f.nic] and is_carried(f)}
        return " ".join(sorted(into)) + ("" if answered == 3 else f", {answered}/3 answered")

    def acquaint(self, *addresses: str, stale: bool = False) -> None:
        """Let the client have a neighbour entry of each address, a fresh one or one due to be looked at again."""
        for address in addresses:
            assert ping(self.node.client, address, count=1) == 1, address
            if stale:
                age_neighbour(self.node.client, address)

    def answerers(self, addresses: Iterable[str], wait: float = 0.1) -> dict[str, list[str]]:
        """Return the NICs that answer the client's who-has or solicitation, once for each answer."""
        names = {mac: nic for nic, mac in MACS.items()}
        asked = {a: next(c for c in CLIENTS if fits(a, c)) for a in addresses}
        answers = who_have(self.node.client, "eth0", asked, wait)
        return {address: [names[mac] for mac in macs] for address, macs in answers.items()}

    def answers(self, *addresses: str, wait: float = 0.1) -> list[str]:
        """Return the NICs that answer for any of these addresses, once for each answer."""
        return sum(self.answerers(addresses, wait).values(), [])

    @contextmanager
    def only_by(self, *allowed: str, src: Addresses = (VE101, SIX101)):
        """Fail the test if one frame from `src` leaves the HN by another NIC than those allowed."""
        sources = (src,) if isinstance(src, str) else src
        with Tap(self.node.hn, *NICS) as tap:
            yield tap
            left = [f for f in tap.find(outgoing=True) if f.src in sources and f.nic not in allowed]
        wrong = [f for f in left if is_carried(f)]
        assert wrong == [], "\n".join(map(str, wrong))

    def leaves_by(self, ctid: str, nic: str | None, dst: Addresses = CLIENTS, src: str | None = None,
                  count: int = 5) -> None:
        """Assert that all of a VE's packets, of each family, leave by this NIC, and that there are some; None: none."""
        ways = self.ways(ctid, dst, src)
        with self.only_by(*([nic] if nic else []), src=tuple(a for a, _ in ways)) as tap:
            for source, to in ways:
                send_udp(self.node.ve(ctid).box, source, to, count=count)
        sent = [(f.src, f.dst) for f in tap.find(outgoing=True, proto="udp", nic=nic) if nic]
        assert sorted(w for w in sent if w in ways) == sorted(ways * count if nic else []), tap.frames

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

    def up(self, nic: str) -> None:
        """Bring a NIC up again and give it back the IPv6 address that the kernel dropped when it went down."""
        self.node.link(nic, up=True)
        self.node.add_address(nic, OWN6[nic])

    def end_announcers(self) -> None:
        """End what the mount hooks left running for some seconds, where it would mend what a test breaks.

        Under the lock, so that none is killed in the midst of a change. A daemon goes on.
        """
        with self.node.hn.path("/run/vzhooks/lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for pid in set(self.node.hn.processes()) - {self.node.hn.pid, *self.daemons}:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def forget(self, *ctids: str) -> None:
        """Empty the neighbour cache of the client, and of VEs: on OpenVZ 9 they too ask a second long in vain."""
        for box in (self.node.client, *(self.node.ve(ctid).box for ctid in ctids)):
            flush_neighbours(box)


__all__ = ["BEYOND", "BEYONDS", "CLIENT", "CLIENTS", "NICS", "OWN", "SIX101", "SIX102", "SIX105", "Site", "VE101",
           "VE102", "VE105", "pair"]
