# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between rules and marks for a test of either."""

from __future__ import annotations

from tests.resident import until
from tests.site import Site


def without_nft(site: Site, nic: str) -> str | None:
    """Return by which NIC a VE with this uplink leaves once nftables was flushed: by marks by none, until it is back.

    A daemon is waited for.
    """
    if site.marks and site.daemons:
        until(lambda: "way_" in site.node.hn.run(["nft", "list", "map", "inet", "vzhooks", "beyond"]).stdout)
    return nic if site.daemons or not site.marks else None


def lose_way(site: Site, address: str) -> None:
    """Delete what gives the packets of one IPv4 address behind venet0 their way."""
    if site.marks:
        site.hn("nft", "delete", "element", "inet", "vzhooks", "made4", f"{{ {address} }}")
    else:
        site.hn("ip", "rule", "del", "from", address, "priority", "1020")


def is_ruled(site: Site, address: str) -> bool:
    """Tell whether there are the rules that give the packets of an address their way."""
    return ("fwmark" if site.marks else address) in site.hn("ip", "rule")
