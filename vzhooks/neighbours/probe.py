# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask on the wire who answers for an address, from the HN's own NICs, by ARP and by neighbour discovery."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vzhooks.model import Nic
from vzhooks.neighbours import probe_arp, probe_nd


def ask(nics: Iterable[Nic], macs: Mapping[str, str], ves: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return, for each address of these NICs and of these VEs, the MACs that answer for it, sorted.

    A NIC does not hear its own question, so each address is asked for from every other NIC of its LAN.
    Takes four rounds of a second, whatever the number of NICs.
    """
    there, addresses = [n for n in nics if n.up and n.carrier and n.name in macs], list(ves)
    return {**probe_arp.ask(there, macs, addresses), **probe_nd.ask(there, macs, addresses)}
