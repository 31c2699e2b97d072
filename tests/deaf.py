# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine that is there, and does not hear some questions: its link is up, and nobody answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab import Box

PINGS = "table inet deaf { chain in { type filter hook input priority 0; icmp type echo-request drop; " \
        "icmpv6 type echo-request drop; } }"


def neighbours_of(mac: str) -> str:
    """Return the nft table by which a machine hears nothing that this MAC asks by ARP or neighbour solicitation."""
    return (f"table arp deaf {{ chain in {{ type filter hook input priority 0; arp saddr ether {mac} drop; }} }}\n"
            f"table ip6 deaf {{ chain in {{ type filter hook input priority 0; ether saddr {mac} "
            "icmpv6 type nd-neighbor-solicit drop; } }")


@contextmanager
def deaf(box: Box, tables: str) -> Iterator[None]:
    """Let a machine be deaf for a while."""
    box.run(["nft", "-f", "-"], input=tables.replace("; ", ";\n").replace("{ ", "{\n").replace("} ", "}\n") + "\n",
            check=True)
    try:
        yield
    finally:
        hear(box, tables)


def hear(box: Box, tables: str) -> None:
    """Let a machine hear again."""
    for line in tables.splitlines():
        box.run(["nft", "delete", *line.split()[:3]])
