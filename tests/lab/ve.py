# SPDX-License-Identifier: GPL-2.0-or-later
"""A container of the lab: its config file, and while it runs a box behind venet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_interface

from tests.lab.box import Box
from tests.lab.links import add_veth, change_address, change_route, furnish, host_length, up_without_arp

# One MAC on both ends: a device without ARP sends to its own address, and the other end must take it.
VENET_MAC = "00:18:51:00:00:01"

CONFIG = """\
ONBOOT="yes"

# UBC parameters (in form of barrier:limit)
PHYSPAGES="0:65536"
SWAPPAGES="0:131072"
KMEMSIZE="29360128:32299008"

# Disk quota parameters (in form of softlimit:hardlimit)
DISKSPACE="2097152:2306867"
DISKINODES="131072:144179"
QUOTATIME="0"

# CPU fair scheduler parameter
CPUUNITS="1000"
VE_ROOT="/vz/root/$VEID"
VE_PRIVATE="/vz/private/$VEID"
OSTEMPLATE="debian-12-x86_64"
ORIGIN_SAMPLE="vswap-256m"
"""


def config_text(ctid: str, addresses: Sequence[str], uplink: str | None = None, extra: str = "") -> str:
    """Write a config as vzctl 4 leaves it."""
    lines = [f'IP_ADDRESS="{" ".join(addresses)}"', f'HOSTNAME="ve{ctid}.example.org"']
    if uplink is not None:
        lines.append(f'UPLINK="{uplink}"')
    tail = extra if not extra or extra.endswith("\n") else extra + "\n"
    return CONFIG + "\n".join(lines) + "\n" + tail


def addresses_in(text: str) -> list[str]:
    """Read the addresses from a config; lines add up, masks are dropped, and what is no address is skipped."""
    values = re.findall(r'^IP_ADDRESS="?([^"\n]*)', text, re.MULTILINE)
    return [word.split("/")[0] for value in values for word in value.split() if _is_address(word)]


def _is_address(word: str) -> bool:
    try:
        return bool(ip_interface(word))
    except ValueError:
        return False


@dataclass
class VE:
    """Stand for a container; `box` is None while it is stopped."""

    ctid: str
    hn: Box
    venet: Box
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
        """Name the node's end of venet0."""
        return "venet0"

    @property
    def _nic(self) -> str:
        return f"ve{self.ctid}"[:15]

    def boot(self) -> Box:
        """Make the box, with venet0 but no address."""
        box = furnish(Box(self._nic))
        box.sysctl("net/ipv6/conf/default/addr_gen_mode", 1)
        with self.venet.ipr() as ipr:
            add_veth(ipr, self._nic, "venet0", box.pid, VENET_MAC, VENET_MAC)
            up_without_arp(ipr, self.venet.index(self._nic))
        nic = box.index("venet0")
        with box.ipr() as ipr:
            up_without_arp(ipr, nic)
            change_route(ipr, "add", "0.0.0.0/0", oif=nic)
            change_route(ipr, "add", "::/0", oif=nic)
        self.box, self.addresses = box, []
        return box

    def add_address(self, address: str) -> None:
        """Give the running VE an address; the node still knows nothing of it."""
        self._change("add", address)
        self.addresses.append(address)

    def del_address(self, address: str) -> None:
        """Take an address from the running VE."""
        self._change("del", address)
        self.addresses.remove(address)

    def _change(self, verb: str, address: str) -> None:
        assert self.box is not None, f"VE {self.ctid} does not run"
        cidr = f"{address}/{host_length(address)}"
        with self.box.ipr() as ipr:
            change_address(ipr, verb, self.box.index("venet0"), cidr)
        with self.venet.ipr() as ipr:
            change_route(ipr, verb, cidr, oif=self.venet.index(self._nic))

    def kill(self) -> None:
        """End the VE's processes and take its link away at once (the kernel would take its time)."""
        if self.box is None:
            return
        with self.venet.ipr() as ipr:
            ipr.link("del", index=self.venet.index(self._nic))
        self.box.close()
        self.box, self.addresses = None, []
