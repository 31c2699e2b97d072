# SPDX-License-Identifier: GPL-2.0-or-later
"""A container of OpenVZ 9 in the lab: a config in its private area, and while it runs a box behind veth pairs."""

from __future__ import annotations

import os
import re
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_interface

from tests.lab import ns
from tests.lab.box import Box
from tests.lab.links import change_address, change_route, furnish, host_length, set_link

CONF_DIR, NAMES_DIR, PRIVATE_DIR, NETNS_DIR = "/etc/vz/conf", "/etc/vz/names", "/vz/private", "/run/netns"
HOST_GATEWAY6 = "fe80::ffff:1:1"

CONFIG = """\
ONBOOT="yes"
PHYSPAGES="131072:131072"
DISKSPACE="10485760:10485760"
CPUUNITS="1000"
VE_ROOT="/vz/root/$VEID"
VE_PRIVATE="/vz/private/$VEID"
VE_LAYOUT="5"
OSTEMPLATE=".debian-12-x86_64"
ORIGIN_SAMPLE="vz.ct2"
"""


@dataclass(frozen=True)
class Netif:
    """Hold one NIC of a config's NETIF, routed or bridged; venet0's own addresses stand in IP_ADDRESS."""

    name: str
    mac: str
    host_mac: str
    host_name: str
    addresses: tuple[str, ...] = ()
    routed: bool = True

    def __str__(self) -> str:
        """Write it as libvzctl does: `ip=` with colons and dotted masks, `ip6=` last and with commas."""
        text = f"ifname={self.name},mac={self.mac},host_mac={self.host_mac},host_ifname={self.host_name}"
        text += ",type=routed" if self.routed else ",type=bridge,network=Bridged"
        four = ":".join(with_mask(a) for a in self.addresses if ":" not in a)
        six = ",".join(with_mask(a) for a in self.addresses if ":" in a)
        return text + (f",ip={four}" if four else "") + (f",ip6={six}" if six else "")


def new_netif(ctid: str, name: str, addresses: Sequence[str] = ()) -> Netif:
    """Invent a NIC; its host end is named after the last four bytes of its MAC."""
    mac = f"00:18:51:{zlib.crc32(f'{ctid} {name}'.encode()) & 0xFFFFFF:06x}"
    mac = f"{mac[:-4]}:{mac[-4:-2]}:{mac[-2:]}"
    return Netif(name, mac, f"fe{mac[2:]}", "veth" + mac.replace(":", "")[4:], tuple(addresses))


def netifs_in(text: str) -> list[Netif]:
    """Read the NICs from a config."""
    lines = re.findall(r'^NETIF="?([^"\n]*)', text, re.MULTILINE)
    return [_netif(entry) for entry in (lines[-1] if lines else "").split(";") if entry]


def _netif(entry: str) -> Netif:
    rest, _, six = entry.partition(",ip6=")
    values = dict(word.split("=", 1) for word in rest.split(","))
    words = [*filter(None, values.get("ip", "").split(":")), *filter(None, six.split(","))]
    addresses = tuple(word.split("/")[0] for word in words)
    routed = values.get("type") == "routed"
    return Netif(values["ifname"], values["mac"], values["host_mac"], values["host_ifname"], addresses, routed)


def with_mask(address: str) -> str:
    """Write an address as libvzctl does: a dotted mask for IPv4, a length for IPv6."""
    interface = ip_interface(address if "/" in address else f"{address}/{64 if ':' in address else 24}")
    return interface.with_netmask if interface.version == 4 else interface.with_prefixlen


def config_text(ctid: str, addresses: Sequence[str], uplink: str | None = None, extra: str = "") -> str:
    """Write a config as libvzctl leaves it before the first start: no NETIF yet, a blank after each address."""
    lines = [f'VEID="{ctid}"', f'UUID="{uuid.uuid5(uuid.NAMESPACE_DNS, ctid)}"', f'NAME="ve{ctid}"']
    lines += [f'IP_ADDRESS="{"".join(f"{with_mask(a)} " for a in addresses)}"', f'HOSTNAME="ve{ctid}.example.org"']
    if uplink is not None:
        lines.append(f'UPLINK="{uplink}"')
    tail = extra if not extra or extra.endswith("\n") else extra + "\n"
    return CONFIG + "\n".join(lines) + "\n" + tail


def _set_value(text: str, name: str, value: str) -> str:
    """Rewrite one parameter of a config, every other line as it was."""
    line = f'{name}="{value}"'
    text, replaced = re.subn(rf"^{name}=.*$", line, text, count=1, flags=re.MULTILINE)
    return text if replaced else f"{text}{line}\n"


def with_addresses(text: str, addresses: Sequence[str]) -> str:
    """Rewrite the addresses of a config."""
    return _set_value(text, "IP_ADDRESS", "".join(f"{with_mask(a)} " for a in addresses))


def with_netifs(text: str, nics: Sequence[Netif]) -> str:
    """Rewrite the NICs of a config."""
    return _set_value(text, "NETIF", ";".join(map(str, nics)))


def write_config(hn: Box, ctid: str, addresses: Sequence[str], uplink: str | None = None, extra: str = "") -> None:
    """Write a VE's config into its private area, and link it to where vzctl looks for it; NICs it has stay."""
    path = f"{PRIVATE_DIR}/{ctid}/ve.conf"
    nics = netifs_in(hn.read(path)) if hn.exists(path) else []
    text = config_text(ctid, addresses, uplink, extra)
    hn.write(path, with_netifs(text, nics) if nics else text)
    register(hn, ctid)


def register(hn: Box, ctid: str) -> None:
    """Link the config, and the VE's name, to where vzctl looks for them."""
    names = re.findall(r'^NAME="?([^"\n]+)', hn.read(f"{PRIVATE_DIR}/{ctid}/ve.conf"), re.MULTILINE)
    for link in (f"{CONF_DIR}/{ctid}.conf", *(f"{NAMES_DIR}/{name}" for name in names[-1:])):
        hn.path(link).unlink(missing_ok=True)
        hn.path(link).symlink_to(f"{PRIVATE_DIR}/{ctid}/ve.conf")


@dataclass
class VE9:
    """Stand for a container; `box` is None while it is stopped, `nics` are those that it has on the node now."""

    ctid: str
    hn: Box
    box: Box | None = None
    addresses: list[str] = field(default_factory=list)
    nics: dict[str, Netif] = field(default_factory=dict)
    suspended: bool = False
    _inside: dict[str, list[str]] = field(default_factory=dict)

    @property
    def conf(self) -> str:
        """Tell the path of the config file, as vzctl gives it to hooks."""
        return f"{CONF_DIR}/{self.ctid}.conf"

    @property
    def private(self) -> str:
        """Tell the private area."""
        return f"{PRIVATE_DIR}/{self.ctid}"

    @property
    def running(self) -> bool:
        """Tell whether the VE runs."""
        return self.box is not None

    @property
    def device(self) -> str:
        """Name the node's end of venet0."""
        return self.nics["venet0"].host_name

    def boot(self) -> Box:
        """Make the box, its namespace known to ip(8) by the VE's id, without a NIC."""
        self.box, self.addresses, self.nics, self._inside = furnish(Box(f"ve{self.ctid}"[:15])), [], {}, {}
        self.hn.call(_name_netns, self.box.pid, self.ctid)
        return self.box

    def plug(self, nic: Netif) -> None:
        """Do what the script inside does for a NIC that has appeared: up, and for venet0 the way to everywhere."""
        self.nics[nic.name], self._inside[nic.name] = nic, []
        with self._own().ipr() as ipr:
            index = self._own().index(nic.name)
            set_link(ipr, index, True)
            if nic.name == "venet0":
                self._default_routes(ipr, index)

    def _default_routes(self, ipr, index: int, **more: int) -> None:
        change_route(ipr, "replace", "0.0.0.0/0", oif=index, **more)
        change_route(ipr, "replace", "::/0", oif=index, gateway=HOST_GATEWAY6, **more)

    def add_address(self, address: str, nic: str = "venet0") -> None:
        """Give the running VE an address; what it sends from another NIC's goes out by that one."""
        with self._own().ipr() as ipr:
            index, length = self._own().index(nic), host_length(address)
            change_address(ipr, "add", index, f"{address}/{length}")
            if nic != "venet0":
                self._default_routes(ipr, index, table=100 + index)
                ipr.rule("add", priority=100, src=address, src_len=length, table=100 + index,
                         family=10 if ":" in address else 2)
        self.addresses.append(address)
        self._inside[nic].append(address)

    def del_address(self, address: str) -> None:
        """Take an address from the running VE."""
        nic = next(nic for nic, addresses in self._inside.items() if address in addresses)
        with self._own().ipr() as ipr:
            change_address(ipr, "del", self._own().index(nic), f"{address}/{host_length(address)}")
        self.addresses.remove(address)
        self._inside[nic].remove(address)

    def unplug(self, nic: str) -> None:
        """Forget a NIC that the node has taken away."""
        gone = self._inside.pop(nic)
        self.addresses = [a for a in self.addresses if a not in gone]
        del self.nics[nic]

    def kill(self) -> None:
        """End the VE's processes, and its links at once (the kernel would take its time)."""
        if self.box is None:
            return
        with self.hn.ipr() as ipr:
            for nic in self.nics.values():
                if nic.host_name in self.hn.nics():
                    ipr.link("del", index=self.hn.index(nic.host_name))
        self.hn.call(_forget_netns, self.ctid)
        self.box.close()
        self.box, self.addresses = None, []

    def _own(self) -> Box:
        assert self.box is not None, f"VE {self.ctid} does not run"
        return self.box


def _name_netns(pid: int, name: str) -> None:
    path = f"{NETNS_DIR}/{name}"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    ns.mount(f"/proc/{pid}/ns/net", path, None, ns.MS_BIND)


def _forget_netns(name: str) -> None:
    ns.umount(f"{NETNS_DIR}/{name}", ns.MNT_DETACH)
    os.unlink(f"{NETNS_DIR}/{name}")
