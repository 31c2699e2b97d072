# SPDX-License-Identifier: GPL-2.0-or-later
"""The VEs of a walk, what their configs and the ini may say, and what of others is on the node."""

from __future__ import annotations

from tests.proof.values import Ini
from tests.site import pair

CTIDS = ("101", "102", "103")
NAMES = ("", "eth3", "eth4", "isp1", "eth0", "nosuch")
LINES = ('UPLINK="{}"', "UPLINK = {}", "export UPLINK='{}'", "uplink={}")
"""How a config may name an uplink: as vzctl writes it, and as people do."""
BOTH = {"eth3": ("eth3", ""), "eth4": ("eth4", ""), "isp1": ("eth4", "")}
SECTIONS = "[uplink:eth3]\n[uplink:eth4]\n[uplink:isp1]\ndevice = eth4\n"
BACKED = {**BOTH, "eth3": ("eth3", "eth4")}
BACKING = SECTIONS.replace("[uplink:eth4]", "backup = eth4\nhold_down = 0s\n[uplink:eth4]")
INIS: tuple[tuple[str | None, Ini], ...] = (
    (None, Ini(there=False)),
    ("[node]\nreserved = eth0\n", Ini(reserved=frozenset({"eth0"}))),
    (f"[node]\nreserved = eth0\nunassigned = block\n{SECTIONS}",
     Ini(BOTH, "block", frozenset({"eth0"}))),
    (f"[node]\nunassigned = eth3\n{SECTIONS}", Ini(BOTH, "eth3")),
    (f"[node]\nreserved = eth0\non_error = warn\n{BACKING}", Ini(BACKED, reserved=frozenset({"eth0"}), refuse=False)),
    (BACKING, Ini(BACKED)),
    (f"[node]\nreservd = eth0\n{SECTIONS}", Ini(usable=False)),
    (SECTIONS.replace("[uplink:eth4]", "gateway = nowhere\n[uplink:eth4]"), Ini(BOTH, broken=frozenset({"eth3"}))),
)
FOREIGN_RULE = {"priority": 900, "src": "198.51.100.7", "src_len": 32, "table": 77}
FOREIGN_NFT = """\
table ip theirs {
  chain c {
    type filter hook forward priority 5;
    ip saddr 198.51.100.9 drop
  }
}
"""


def second(ctid: str) -> tuple[str, str]:
    """Return the addresses that a VE has now and then besides its usual ones."""
    return pair(f"2{ctid[1:]}")


def everything(ctid: str) -> tuple[str, ...]:
    """Return all addresses that a VE may have."""
    return (*pair(ctid), *second(ctid))
