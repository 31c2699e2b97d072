# SPDX-License-Identifier: GPL-2.0-or-later
"""One node that is used for many steps: what a step does to it, and how it is made as it was."""

from __future__ import annotations

import copy
import json
import os
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

from pyroute2 import NetlinkError

from tests.lab import Box, ExampleNode
from tests.lab.holder import kill
from tests.lab.node import BEYOND, BEYOND6, CLIENT, CLIENT6, GATEWAY, GATEWAY6
from tests.lab.node import NICS as NODE
from tests.proof import breaking
from tests.proof.configs import CTIDS, FOREIGN_NFT, FOREIGN_RULE, INIS, LINES
from tests.proof.model import Model
from tests.proof.mortal import expect_no_more
from tests.proof.probe import Probe
from tests.proof.quick import Quick4, Quick9
from tests.proof.values import Nic, Ve
from tests.resident import Resident, until
from tests.site import Site, pair, unordered

VES = "/run/vzhooks/ves.json"
NOTES, ROOM = ("/run/vzhooks", "/var/lib/vzhooks"), 1 << 26
"""What vzhooks writes to while it runs, and how much there may be."""


class World:
    """Hold the node, its model and the probe.

    datapath: what the ini says of it, "" for nothing; resident: whether a daemon runs.
    """

    def __init__(self, generation: int = 4, datapath: str = "", resident: bool = False) -> None:
        self.generation, self.datapath, self.resident = generation, datapath, resident
        self.node = ExampleNode(1, generation).__enter__()
        self.site = Site(self.node)
        self.vzctl = self.site.vzctl = Quick9(self.node) if generation == 9 else Quick4(self.node)
        self.node.hn.sysctl("net/ipv6/conf/all/keep_addr_on_down", 1)
        self.site.take_any_source() if generation == 4 else None
        self.probe, self.replaced = Probe(self.node), frozenset[str]()
        self.moments: dict[int, tuple[float, list[Model]]] = {}
        self.over = frozenset[int]()  # moments of the walk before, of which the kernel may still hold frames
        for ctid in CTIDS:
            self.node.create_ve(ctid, pair(ctid))
        self.model = self._new_model()
        self.put_foreign()
        self.bare = self.state()
        self.site.install()
        self._start_daemon()
        self.write_ini(0)
        self.site.vzhooks("harden")
        self.baseline = self.state()

    def _start_daemon(self) -> None:
        if self.resident:
            self.daemon = Resident(self.site).ready()

    def again(self) -> World:
        """Build the same anew."""
        return World(self.generation, self.datapath, self.resident)

    def close(self) -> None:
        """Take it all down."""
        if self.resident:
            self.daemon.kill()
        self.probe.close()
        self.node.close()

    def _new_model(self) -> Model:
        nics = {name: Nic(frozenset(a.split("/")[0] for a in (four, six))) for name, (_, four, six) in NODE.items()}
        return Model(nics, self.generation == 9, (CLIENT, CLIENT6), (BEYOND, BEYOND6),
                     ves={ctid: Ve(pair(ctid)) for ctid in CTIDS})

    def running(self) -> dict[str, tuple[Box, list[str]]]:
        """Return the box and the addresses of each VE that runs."""
        ves = {ctid: self.node.ve(ctid) for ctid in CTIDS}
        return {ctid: (ve.box, list(ve.addresses)) for ctid, ve in ves.items() if ve.box is not None}

    def own(self) -> list[str]:
        """Return the node's own addresses on NICs that work."""
        return sorted(a for nic in self.model.nics.values() if nic.works for a in nic.addresses)

    def state(self) -> dict[str, list[str]]:
        """Return all that is in the kernel: rules, routes, published addresses, nft, and ARP's sysctls of the NICs."""
        names = ("arp_ignore", "arp_announce", "rp_filter", "arp_filter", "accept_local", "src_valid_mark")
        conf = [f"net/ipv4/conf/{nic}/{name}" for nic in (*self.model.nics, "all", "default") for name in names]
        return {**self.kernel(), "sysctls": sorted(f"{k} = {self.node.hn.sysctl(k)}" for k in conf)}

    def kernel(self) -> dict[str, list[str]]:
        """Return rules, routes, nft, and what we published: vzctl 4 leaves its own on a NIC without address."""
        state = unordered(self.site.state())
        return {**state, "proxies": [p for p in state["proxies"] if "NDA_PROTOCOL" in p]}

    # -- files ------------------------------------------------------------------------------

    def write_ini(self, number: int) -> None:
        """Put one of the inis into place, or none."""
        text, self.model.ini = INIS[number]
        more = f"[node]\ndatapath = {self.datapath}\n" if self.datapath else ""
        if more:
            self.model.ini = replace(self.model.ini, there=True)
        if text is None and not more:
            with suppress(FileNotFoundError):
                self.node.hn.path("/etc/vz/vzhooks.ini").unlink()
            return
        text = text or ""
        self.site.ini(text.replace("[node]\n", more) if more and "[node]" in text else more + text)

    def write_conf(self, ctid: str, uplink: str, line: int = 0) -> None:
        """Write a VE's config anew, with this UPLINK line or none."""
        addresses = self.model.ves[ctid].addresses
        self.node.write_conf(ctid, addresses, extra=LINES[line].format(uplink) if uplink or line else "")

    def fill(self, full: bool) -> None:
        """Let the file systems with our notes have no room, or room again."""
        for path in NOTES:
            filler = self.node.hn.path(path) / "filler"
            if full:
                filler.write_bytes(b"x")  # a file system of no blocks would have no limit
                until(lambda path=path: self._limit(path, used(self.node.hn.path(path))))  # the daemon writes meanwhile
            else:
                filler.unlink(missing_ok=True)
                assert self._limit(path, ROOM)

    def _limit(self, path: str, size: int) -> bool:
        return self.node.hn.run(["mount", "-o", f"remount,size={size}", path]).returncode == 0

    def make_room(self) -> None:
        """End a full disk."""
        if self.model.full:
            self.model.full = False
            self.fill(False)

    def moment(self, change: Callable[[Model], None]) -> None:
        """Let a state that is over by now be right for what was sent in this moment: that of now, so changed."""
        state = copy.deepcopy(self.model)
        change(state)
        self.moments[self.probe.now][1].append(state)

    # -- the node's own network ---------------------------------------------------------------

    def put_foreign(self) -> None:
        """Give the node a rule and a table of somebody else's, where they are missing."""
        with self.node.hn.ipr() as ipr, suppress(NetlinkError):
            ipr.rule("add", family=socket.AF_INET, **FOREIGN_RULE)
        if "theirs" not in self.site.hn("nft", "list", "tables"):
            self.node.hn.run(["nft", "-f", "-"], input=FOREIGN_NFT, check=True)

    def bring_up(self, nic: str) -> None:
        """Bring a NIC up with all that a manager of networks gives it then."""
        self.node.link(nic, up=True)
        self.give_addresses(nic)

    def give_addresses(self, nic: str) -> None:
        """Give a NIC its addresses, and eth0 the default routes, where they are missing."""
        origin = nic if nic in NODE else "eth3"
        for cidr in NODE[origin][1:]:
            with suppress(NetlinkError):
                self.node.add_address(nic, cidr)
        for dst, gateway in (("0.0.0.0/0", GATEWAY), ("::/0", GATEWAY6)) if nic == "eth0" else ():
            with suppress(NetlinkError):
                self.node.add_route(dst, nic, gateway)

    def rename(self, nic: str, name: str) -> None:
        """Give a NIC another name, and then what it lost by that."""
        with self.node.hn.ipr() as ipr:
            index = self.node.hn.index(nic)
            ipr.link("set", index=index, state="down")
            ipr.link("set", index=index, ifname=name, state="up")
        self.give_addresses(name)

    def replace(self, nic: str, mac: str) -> None:
        """Take a NIC out, and plug another one in under the same name."""
        with self.node.hn.ipr() as ipr:
            ipr.link("del", index=self.node.hn.index(nic))
        self.node.add_nic(nic, mac)
        for family in ("ipv4", "ipv6"):
            self.node.hn.sysctl(f"net/{family}/neigh/{nic}/proxy_delay", 0)
        self.give_addresses(nic)
        self.replaced = (self.replaced | {nic}) - ({nic} if mac == NODE[nic][0] else set())

    # -- the end of a walk --------------------------------------------------------------------

    def reset(self) -> list[str]:
        """Make the node as it was: all VEs stopped, all NICs up, no ini. Return what differs from the beginning."""
        self.make_room()
        if "eth5" in self.model.nics:
            self.rename("eth5", "eth3")
        for nic in NODE:
            self.node.carrier(nic, True)
            self.bring_up(nic)
        for nic in self.replaced:
            self.replace(nic, NODE[nic][0])
        if not self.model.installed:
            self.site.install()
        for ctid in CTIDS:
            self._end(ctid)
        self.model = self._new_model()
        breaking.proxies(self, 0)
        for ctid in CTIDS:
            self.write_conf(ctid, "")
        self.write_ini(0)
        self.put_foreign()
        self._settle()
        self.probe.frames()
        self.over = frozenset(self.moments)
        self.moments.clear()
        return differences(self.baseline, self.state())

    def _end(self, ctid: str) -> None:
        if self.node.ve(ctid).running:
            assert self.vzctl.stop(ctid).rc == 0
        if self.model.ves[ctid].phase == "mounted":
            self.vzctl.umount(ctid)

    def _settle(self) -> None:
        if not self.resident:
            self.end_announcers()
        for ctid in CTIDS if self.generation == 9 else ():
            self.node.hn.run(["nft", "delete", "table", "netdev", f"ve_{ctid}"])
        self.let_time_pass()
        self.site.vzhooks("harden")
        self.site.vzhooks("resync", "--force", rc=None)

    def end_announcers(self) -> None:
        """End what hooks left behind, which would act in the midst of a later step; do at once what it waits for."""
        left = set(self.node.hn.processes()) - {self.node.hn.pid}
        if left and self.node.hn.exists("/run/vzhooks/lock"):
            self.site.end_announcers()
        elif left:
            kill(sorted(left))
        notes = self.notes() if left else {}
        for ctid, record in notes.items():
            if record.get("expected") and not self.model.full:
                self.node.hn.call(expect_no_more, ctid, record["expected"]["addresses"])

    def notes(self) -> dict[str, Any]:
        """Return what vzhooks notes of VEs."""
        return dict(json.loads(self.node.hn.read(VES))) if self.node.hn.exists(VES) else {}

    def let_time_pass(self) -> None:
        """Make all notes old: what was killed in the midst of a start is waited for some seconds."""
        notes = {ctid: {**record, "since": max(0.0, record["since"] - 999)} for ctid, record in self.notes().items()}
        if notes:
            self.node.hn.write(VES, json.dumps(notes), 0o600)


def used(place: Path) -> int:
    """Return how many bytes of a file system are taken."""
    found = os.statvfs(place)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def differences(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """Return what is there no more, and what was left."""
    found = []
    for part in before:
        found += [f"{part}: gone: {line}" for line in before[part] if line not in after[part]]
        found += [f"{part}: left: {line}" for line in after[part] if line not in before[part]]
    return found
