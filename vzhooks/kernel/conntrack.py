# SPDX-License-Identifier: GPL-2.0-or-later
"""Make the kernel forget a VE's tracked connections, for an operator who asks for it.

A connection that is translated (NAT) keeps the address it was given by the old way out, so that after
a move its answers come back to where they are no longer sent from.
"""

from __future__ import annotations

import errno
import importlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from vzhooks.addresses import family_of
from vzhooks.errors import KernelError
from vzhooks.kernel.messages import FAMILIES


def forget(addresses: Iterable[str]) -> int:
    """Delete every tracked connection from or to these addresses; return how many there were.

    Raises KernelError where the kernel refuses; one that tracks nothing has none.
    """
    nfct = importlib.import_module("pyroute2.netlink.nfnetlink.nfctsocket")
    error_type = importlib.import_module("pyroute2.netlink.exceptions").NetlinkError
    count = 0
    try:
        for address in addresses:
            with nfct.NFCTSocket(nfgen_family=FAMILIES[family_of(address)]) as line:
                for flow in list(_flows(line, nfct.NFCTAttrTuple, address)):
                    count += _delete(line, flow, error_type)
    except (error_type, OSError) as error:
        raise KernelError(f"conntrack: {error}; the VE was moved, its connections were left alone") from None
    return count


def _delete(line: Any, flow: Any, error_type: type[Exception]) -> int:
    try:
        line.entry("del", tuple_orig=flow)
    except error_type as error:
        if getattr(error, "code", 0) != errno.ENOENT:
            raise
        return 0
    return 1


def _flows(line: Any, of: Any, address: str) -> Iterator[Any]:
    """Return the original direction of each connection that the address has an end of.

    The kernel selects IPv4 ones since Linux 5.8; it returns all where it is older, and no IPv6 one at
    all when pyroute2 asks it to select those: hence the second look.
    """
    family = FAMILIES[family_of(address)]
    for end in ("saddr", "daddr"):
        selected = {"tuple_orig": of(family=family, **{end: address})} if family == FAMILIES[4] else {}
        for entry in line.dump(**selected):
            with suppress(NotImplementedError):  # a protocol that pyroute2 does not know
                flow = of.from_netlink(family, entry.get_attr("CTA_TUPLE_ORIG"))
                if getattr(flow, end) == address:
                    yield flow
