# SPDX-License-Identifier: GPL-2.0-or-later
"""The keys of the ini: the one source of what `settings` takes, of the sample and of vzhooks.ini(5). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

# IFNAMSIZ is 16 with the closing NUL; the letters are those that nft(8) takes literally.
DEVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@-]{0,14}")


@dataclass(frozen=True)
class Key:
    """Describe one key: its default as the ini would have it, what is allowed, what it is for.

    choices: all values there are, where they can be counted; unset: in words what holds without the
    key, where no value says it; example: what the sample shows in place of the default.
    """

    name: str
    default: str
    text: str
    allowed: str = ""
    choices: tuple[str, ...] = ()
    unset: str = ""
    example: str = ""


def _table(*keys: Key) -> dict[str, Key]:
    return {key.name: key for key in keys}


NODE = _table(
    Key("unassigned", "main", "VEs without UPLINK: main (left as they were), block (cut off), the name of an uplink, "
        "or by-address: each address by the uplink whose sources hold it, of several the longest, else by main.",
        "main, block, by-address, or the name of an uplink"),
    Key("reserved", "", "Devices no VE packet may ever leave by, e.g. eth0. Stronger than unassigned = main.",
        "names of devices, with blanks or commas between", unset="none"),
    Key("inside", "auto", "Devices behind which the node's own guests are: container bridges, taps, veths of others. "
        "VEs reach them whatever their uplink. A VPN's device only counts by name.",
        "auto, or names of devices, with blanks or commas between"),
    Key("arp", "auto", "Hardening of the node's own ARP at first use: auto, or off.", choices=("auto", "off")),
    Key("datapath", "auto", "How packets find their uplink: rule (one ip rule a VE address), map (one nftables map, "
        "and one fwmark rule an uplink, however many VEs), or auto: rule while few VEs have an uplink.",
        choices=("rule", "map", "auto")),
    Key("mark_mask", "0x00ff0000", "The bits of the fwmark that map may use; all others are left alone.",
        "a number with at least 4 bits set, 0xf to 0xffffffff"),
    Key("on_error", "refuse", "A VE that names an uplink which does not exist or is reserved: refuse (its start "
        "fails), or warn (it starts cut off, and never leaves by main).", choices=("refuse", "warn")),
    Key("metrics", "", "Where the daemon answers Prometheus, by http. Needs the Python package prometheus-client.",
        "ADDRESS:PORT, an IPv6 address in brackets", unset="nowhere", example="127.0.0.1:9188"),
)
UPLINK = _table(
    Key("device", "", "The NIC; by default the uplink's own name. Name the bridge or bond, not its member.",
        "up to 15 letters, digits, _ . + @ -", unset="the uplink's own name", example="eth3"),
    Key("gateway", "auto", "An address; none (point to point, or LAN only); auto: the node's known gateway that is "
        "reachable on this device's networks.", "an IPv4 address, none, auto", example="192.168.18.1"),
    Key("gateway6", "auto", "The same for IPv6.", "an IPv6 address, none, auto"),
    Key("sources", "", "Networks whose addresses go by this uplink, of a VE that names several, and under unassigned = "
        "by-address. What stands here is for its family alone.",
        "IPv4 and IPv6 networks, with blanks or commas between",
        unset="the networks of the device", example="192.168.18.0/24"),
    Key("backup", "", "Used while this uplink is down, and that one's backup while both are. Without it the VE is cut "
        "off meanwhile.", "the name of another uplink of this file, but none that leads back here", unset="none",
        example="isp2"),
    Key("probe", "link", "What an uplink is down without, as its link and carrier: link (nothing more), gateway (each "
        "gateway answers ARP or neighbour solicitations), or an ADDRESS (it answers pings by this device). The daemon "
        "asks; without it only the link counts.", "link, gateway, or an address"),
    Key("probe_interval", "1s", "How often the daemon asks, and how long it waits for the answer.", "200ms to 1h"),
    Key("probe_fail", "3", "So many probes in a row without an answer, and the uplink is down.", "1 to 100"),
    Key("probe_ok", "3", "So many answered in a row, and it works again.", "1 to 100"),
    Key("hold_down", "30s", "How long it has to work again before VEs return to it from its backup, so that one that "
        "comes and goes does not move them with it.", "0s to 24h"),
    Key("table", "", "The routing table; by default a number that follows from the name and stays.",
        "1 to 4294967295 but 253, 254, 255", unset="a number of its own", example="1003"),
)
