# SPDX-License-Identifier: GPL-2.0-or-later
"""vzctl 4 on a kernel without OpenVZ: venet0 is a bridge, and each VE hangs on it by a veth port."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.lab.box import Box
from tests.lab.links import add_veth, change_address, change_route, furnish, host_length, set_link
from tests.lab.ve9 import HOST_GATEWAY6

BRIDGE = "venet0"
# A bridge takes the lowest MAC of its ports otherwise: each stop would change what the VEs' neighbour entries hold.
BRIDGE_MAC = "00:18:51:00:00:fe"


@dataclass
class BridgedVE:
    """Stand for a container; its NIC comes with its first address and goes with its last one."""

    ctid: str
    hn: Box
    box: Box | None = None
    addresses: list[str] = field(default_factory=list)

    @property
    def conf(self) -> str:
        """Tell the path of the config file."""
        return f"/etc/vz/conf/{self.ctid}.conf"

    @property
    def running(self) -> bool:
        """Tell whether the VE runs."""
        return self.box is not None

    @property
    def device(self) -> str:
        """Name the device of the VE's host routes."""
        return BRIDGE

    @property
    def port(self) -> str:
        """Name the node's end of the VE's NIC, as vzctl's ct_ip_ctl does."""
        return f"{BRIDGE}.{self.ctid}"[:15]

    def boot(self) -> Box:
        """Make the box, without a NIC."""
        self.box, self.addresses = furnish(Box(f"ve{self.ctid}"[:15])), []
        return self.box

    def add_address(self, address: str) -> None:
        """Give the running VE an address, and its NIC where that is missing; the node knows nothing of it yet."""
        if BRIDGE not in self._own().nics():
            self._plug()
        with self._own().ipr() as ipr:
            change_address(ipr, "add", self._own().index(BRIDGE), f"{address}/{host_length(address)}")
        self.addresses.append(address)

    def del_address(self, address: str) -> None:
        """Take an address from the running VE, and with the last one its NIC."""
        with self._own().ipr() as ipr:
            change_address(ipr, "del", self._own().index(BRIDGE), f"{address}/{host_length(address)}")
        self.addresses.remove(address)
        if not self.addresses:
            self._unplug()

    def kill(self) -> None:
        """End the VE's processes and take its port away at once (the kernel would take its time)."""
        if self.box is None:
            return
        self._unplug()
        self.box.close()
        self.box, self.addresses = None, []

    def _plug(self) -> None:
        """Do what vzctl's vps-netns_dev_add does: the port is up before it is on the bridge."""
        with self.hn.ipr() as ipr:
            # The same at each start, so that a restart does not wait for the node's neighbour entry to end.
            add_veth(ipr, self.port, BRIDGE, self._own().pid, peer_mac=f"00:18:51:00:01:{int(self.ctid) % 256:02x}")
            set_link(ipr, self.hn.index(self.port), True)
            add_bridge(self.hn)
            ipr.link("set", index=self.hn.index(self.port), master=self.hn.index(BRIDGE))
        nic = self._own().index(BRIDGE)
        with self._own().ipr() as ipr:
            set_link(ipr, nic, True)
            change_route(ipr, "add", "0.0.0.0/0", oif=nic)
            change_route(ipr, "add", "::/0", oif=nic, gateway=HOST_GATEWAY6)

    def _unplug(self) -> None:
        if self.port in self.hn.nics():
            with self.hn.ipr() as ipr:
                ipr.link("del", index=self.hn.index(self.port))

    def _own(self) -> Box:
        assert self.box is not None, f"VE {self.ctid} does not run"
        return self.box


def add_bridge(hn: Box) -> None:
    """Make venet0 where it is missing, and let the node answer there for all that it routes.

    vzctl sets neither proxy_arp nor a gateway for IPv6: an administrator must, or no VE reaches beyond the bridge.
    """
    if BRIDGE in hn.nics():
        return
    with hn.ipr() as ipr:
        ipr.link("add", ifname=BRIDGE, kind="bridge", address=BRIDGE_MAC, br_stp_state=0, br_forward_delay=0)
        hn.sysctl(f"net/ipv4/conf/{BRIDGE}/proxy_arp", 1)
        hn.sysctl(f"net/ipv4/neigh/{BRIDGE}/proxy_delay", 0)
        set_link(ipr, hn.index(BRIDGE), True)
        change_address(ipr, "add", hn.index(BRIDGE), f"{HOST_GATEWAY6}/128")


def del_idle_bridge(hn: Box) -> None:
    """Take venet0 away when no VE hangs on it any more, with every route by it."""
    if BRIDGE not in hn.nics():
        return
    with hn.ipr() as ipr:
        bridge = hn.index(BRIDGE)
        if not any(link.get("IFLA_MASTER") == bridge for link in ipr.get_links()):
            ipr.link("del", index=bridge)
