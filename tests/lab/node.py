# SPDX-License-Identifier: GPL-2.0-or-later
"""The example node: three NICs on one LAN, a client that is also the gateway, VEs behind venet0."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Union

from pyroute2 import IPRoute

from tests.lab import hostfs, ns
from tests.lab.box import Box
from tests.lab.bridged import BridgedVE
from tests.lab.links import MAIN, add_veth, change_address, change_route, furnish, set_link, up_without_arp
from tests.lab.ve import VE, VENET_MAC, config_text
from tests.lab.ve9 import VE9, write_config

# NIC: (MAC, IPv4, IPv6)
NICS = {
    "eth0": ("00:0c:29:b3:a2:54", "192.168.18.10/24", "fd00:18::10/64"),
    "eth3": ("00:0c:29:b3:a2:68", "192.168.18.11/24", "fd00:18::11/64"),
    "eth4": ("00:0c:29:b3:a2:5e", "192.168.18.12/24", "fd00:18::12/64"),
}
MACS = {nic: mac for nic, (mac, _, _) in NICS.items()}
# A second node on the same LAN.
NICS2 = {
    "eth0": ("00:0c:29:c4:00:20", "192.168.18.20/24", "fd00:18::20/64"),
    "eth3": ("00:0c:29:c4:00:21", "192.168.18.21/24", "fd00:18::21/64"),
    "eth4": ("00:0c:29:c4:00:22", "192.168.18.22/24", "fd00:18::22/64"),
}
CLIENT_MAC = "00:0c:29:d2:c7:aa"
CLIENT = "192.168.18.129"
CLIENT6 = "fd00:18::129"
GATEWAY = "192.168.18.1"
GATEWAY6 = "fd00:18::1"
BEYOND = "203.0.113.9"  # a host behind the gateway
BEYOND6 = "2001:db8:113::9"
# The network of another provider, once it is made: its host, its gateway, and eth4's addresses there.
CLIENT_B, CLIENT_B6 = "192.168.20.129", "fd00:20::129"
GATEWAY_B, GATEWAY_B6 = "192.168.20.1", "fd00:20::1"
ETH4_B = ("192.168.20.12/24", "fd00:20::12/64")
VENET_TABLE = 100
AnyVE = Union[VE, VE9, BridgedVE]


class ExampleNode:
    """Build the lab on entering and leave nothing of it on exit.

    generation: 4 (vzctl 4, all VEs behind venet0) or 9 (libvzctl, a veth of the HN for each VE);
    beside: a node whose LAN and client this one shares;
    bridged: vzctl 4 makes venet0 a bridge, as it does on a kernel without OpenVZ.
    """

    def __init__(self, rp_filter: int = 1, generation: int = 4, beside: ExampleNode | None = None,
                 bridged: bool = False) -> None:
        self.rp_filter, self.generation, self._beside, self.bridged = rp_filter, generation, beside, bridged
        self.nics = NICS2 if beside else NICS
        self.boxes: list[Box] = []
        self._ves: dict[str, AnyVE] = {}

    def __enter__(self) -> ExampleNode:
        ns.become_root()
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all boxes, the VEs first."""
        for ve in self._ves.values():
            if ve.box is not None:
                ve.box.close()
                ve.box = None
        for box in reversed(self.boxes):
            box.close()

    # -- VEs --------------------------------------------------------------------------------

    def create_ve(self, ctid: str, addresses: Sequence[str], uplink: str | None = None, extra: str = "") -> AnyVE:
        """Write the VE's config and private area, as `vzctl create` and `set --save` do; it does not run yet."""
        self.write_conf(ctid, addresses, uplink, extra)
        for tree in ("private", "root"):
            self.hn.path(f"/vz/{tree}/{ctid}").mkdir(exist_ok=True)
        if ctid not in self._ves:
            self._ves[ctid] = self._new_ve(ctid)
        return self._ves[ctid]

    def _new_ve(self, ctid: str) -> AnyVE:
        if self.generation == 9:
            return VE9(ctid, self.hn)
        return BridgedVE(ctid, self.hn) if self.bridged else VE(ctid, self.hn, self.venet)

    def write_conf(self, ctid: str, addresses: Sequence[str], uplink: str | None = None, extra: str = "") -> None:
        """Write the VE's config anew."""
        if self.generation == 9:
            write_config(self.hn, ctid, addresses, uplink, extra)
        else:
            self.hn.write(f"/etc/vz/conf/{ctid}.conf", config_text(ctid, addresses, uplink, extra))

    def ve(self, ctid: str) -> AnyVE:
        """Find a VE made by create_ve."""
        return self._ves[ctid]

    # -- the HN's links, addresses and routes -----------------------------------------------

    def link(self, nic: str, up: bool) -> None:
        """Bring an HN interface administratively up or down."""
        with self.hn.ipr() as ipr:
            set_link(ipr, self.hn.index(nic), up)

    def carrier(self, nic: str, on: bool) -> None:
        """Plug the cable of an HN NIC in or out, at the switch."""
        with self.lan.ipr() as ipr:
            set_link(ipr, self.lan.index(f"{self.hn.name}-{nic}"), on)

    def add_address(self, nic: str, cidr: str) -> None:
        """Give an HN interface an address."""
        with self.hn.ipr() as ipr:
            change_address(ipr, "add", self.hn.index(nic), cidr)

    def del_address(self, nic: str, cidr: str) -> None:
        """Take an address from an HN interface."""
        with self.hn.ipr() as ipr:
            change_address(ipr, "del", self.hn.index(nic), cidr)

    def add_route(self, dst: str, oif: str | None = None, gateway: str | None = None, table: int = MAIN) -> None:
        """Add a route in the HN as an administrator would with ip(8)."""
        self._route("add", dst, oif, gateway, table)

    def del_route(self, dst: str, oif: str | None = None, gateway: str | None = None, table: int = MAIN) -> None:
        """Delete a route in the HN."""
        self._route("del", dst, oif, gateway, table)

    def _route(self, verb: str, dst: str, oif: str | None, gateway: str | None, table: int) -> None:
        index = self.hn.index(oif) if oif is not None else None
        with self.hn.ipr() as ipr:
            change_route(ipr, verb, dst, oif=index, gateway=gateway, table=table)

    def add_nic(self, nic: str, mac: str) -> None:
        """Give the HN one more NIC on the LAN, up and without an address."""
        with self.lan.ipr() as ipr:
            self._plug(ipr, self.lan.index("lan0"), self.hn, nic, mac)
        self._answer_at_once(nic)
        self.link(nic, up=True)

    def second_network(self) -> None:
        """Plug eth4 into a network of its own, with another gateway to the same world: the box `second`."""
        self.second = gateway = furnish(self.box("client-b"), forwarding=True)
        with self.lan.ipr() as ipr:
            _bridge(ipr, "lan1")
            bridge = self.lan.index("lan1")
            set_link(ipr, bridge, True)
            self._plug(ipr, bridge, gateway, "eth0", CLIENT_MAC)
            ipr.link("set", index=self.lan.index(f"{self.hn.name}-eth4"), master=bridge)
        _configure_gateway(gateway, (CLIENT_B, GATEWAY_B), (CLIENT_B6, GATEWAY_B6))
        for before, now in zip(self.nics["eth4"][1:], ETH4_B):
            self.del_address("eth4", before)
            self.add_address("eth4", now)

    # -- building ---------------------------------------------------------------------------

    def _build(self) -> None:
        if self._beside:
            self.lan, self.client = self._beside.lan, self._beside.client
        else:
            self._build_lan()
        name = "hn2" if self._beside else "hn"
        self.hn = furnish(self._keep(Box(name, partial(hostfs.build, self.generation))), forwarding=True)
        self._hn_sysctls()
        self._wire()
        self._configure_hn()
        if self.generation == 4 and not self.bridged:
            self._configure_venet()

    def _build_lan(self) -> None:
        self.lan = self.box("lan")
        self.client = furnish(self.box("client"), forwarding=True)
        for where in ("all", "default"):
            self.lan.sysctl(f"net/ipv6/conf/{where}/disable_ipv6", 1)
        with self.lan.ipr() as ipr:
            _bridge(ipr, "lan0")
            bridge = self.lan.index("lan0")
            set_link(ipr, bridge, True)
            self._plug(ipr, bridge, self.client, "eth0", CLIENT_MAC)
        _configure_gateway(self.client, (CLIENT, GATEWAY), (CLIENT6, GATEWAY6))

    def _keep(self, box: Box) -> Box:
        self.boxes.append(box)
        return box

    def box(self, name: str) -> Box:
        """Make one more machine, which ends with the lab."""
        return self._keep(Box(name))

    def _hn_sysctls(self) -> None:
        for where in ("all", "default"):
            self.hn.sysctl(f"net/ipv4/conf/{where}/rp_filter", self.rp_filter)
            self.hn.sysctl(f"net/ipv6/conf/{where}/proxy_ndp", 1)  # as vzctl's own sysctl file

    def _wire(self) -> None:
        with self.lan.ipr() as ipr:
            for nic, (mac, _, _) in self.nics.items():
                self._plug(ipr, self.lan.index("lan0"), self.hn, nic, mac)

    def _plug(self, ipr: IPRoute, bridge: int, box: Box, nic: str, mac: str) -> None:
        port = f"{box.name}-{nic}"
        add_veth(ipr, port, nic, box.pid, None, mac)
        index = self.lan.index(port)
        ipr.link("set", index=index, master=bridge)
        set_link(ipr, index, True)

    def _configure_hn(self) -> None:
        for nic in self.nics:
            self._answer_at_once(nic)
        with self.hn.ipr() as ipr:
            for nic, (_, address, address6) in self.nics.items():
                index = self.hn.index(nic)
                set_link(ipr, index, True)
                change_address(ipr, "add", index, address)
                change_address(ipr, "add", index, address6)
            eth0 = self.hn.index("eth0")
            change_route(ipr, "add", "0.0.0.0/0", oif=eth0, gateway=GATEWAY)
            change_route(ipr, "add", "::/0", oif=eth0, gateway=GATEWAY6)

    def _answer_at_once(self, nic: str) -> None:
        """Have proxies answer without delay, of 0.8 s at most; new namespaces have no "default" of it."""
        for family in ("ipv4", "ipv6"):
            self.hn.sysctl(f"net/{family}/neigh/{nic}/proxy_delay", 0)

    def _configure_venet(self) -> None:
        """Send what comes from VEs to the HN, always, and what comes from the HN to a VE, or nowhere."""
        self.venet = furnish(self.box("venet"), forwarding=True)
        self.venet.sysctl("net/ipv6/conf/default/addr_gen_mode", 1)
        with self.hn.ipr() as ipr:
            add_veth(ipr, "venet0", "hn", self.venet.pid, VENET_MAC, VENET_MAC)
            self.hn.sysctl("net/ipv6/conf/venet0/addr_gen_mode", 1)
            up_without_arp(ipr, self.hn.index("venet0"))
        hn = self.venet.index("hn")
        with self.venet.ipr() as ipr:
            up_without_arp(ipr, hn)
            for family, everything in ((2, "0.0.0.0/0"), (10, "::/0")):
                ipr.rule("add", family=family, priority=100, iifname="hn", table=MAIN)
                ipr.rule("add", family=family, priority=200, table=VENET_TABLE)
                change_route(ipr, "add", everything, oif=hn, table=VENET_TABLE)
                change_route(ipr, "add", everything, type="blackhole", family=family)


def _bridge(ipr: IPRoute, name: str) -> None:
    ipr.link("add", ifname=name, kind="bridge", br_stp_state=0, br_mcast_snooping=0, br_forward_delay=0)


def _configure_gateway(box: Box, addresses: Sequence[str], addresses6: Sequence[str]) -> None:
    """Give a box its addresses on a LAN, and those of a host that is beyond it."""
    eth0 = box.index("eth0")
    with box.ipr() as ipr:
        set_link(ipr, eth0, True)
        for cidr in (*(f"{a}/24" for a in addresses), *(f"{a}/64" for a in addresses6)):
            change_address(ipr, "add", eth0, cidr)
        for cidr in (f"{BEYOND}/32", f"{BEYOND6}/128"):
            change_address(ipr, "add", 1, cidr)
