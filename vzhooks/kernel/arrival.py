# SPDX-License-Identifier: GPL-2.0-or-later
"""Wait for a VE's route to appear: vzctl makes it seconds after the hook, and by no clock."""

from __future__ import annotations

import errno
import os
import select
import time
from typing import Any

from vzhooks.errors import KernelError
from vzhooks.kernel.nearby import near_to
from vzhooks.kernel.netlink import IPRSocket, errno_of
from vzhooks.policy.facts import Facts, settle
from vzhooks.policy.roles import Known

RTMGRP_ROUTES = 0x40 | 0x400  # include/uapi/linux/rtnetlink.h: RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE


def wait_for_route(addresses: frozenset[str], timeout_s: float) -> bool:
    """Wait until main has a host route on the VEs' side for one of the addresses; tell whether it came.

    A route event for one of them only wakes us, and the routes are read; so do lost events.
    """
    deadline = time.monotonic() + timeout_s
    events = IPRSocket(groups=RTMGRP_ROUTES)
    try:
        events.bind(groups=RTMGRP_ROUTES)
        concerned = True
        while time.monotonic() < deadline:
            if concerned:
                with near_to(addresses) as kernel:
                    if _is_routed(kernel.facts(), addresses):
                        return True
            if select.select([events.fileno()], [], [], max(0.0, deadline - time.monotonic()))[0]:
                concerned = _concerns(events, addresses)
        return False
    finally:
        events.close()


def _is_routed(facts: Facts, addresses: frozenset[str]) -> bool:
    """Tell whether main has a host route to one of the addresses by a VE's device, as far as that is known here."""
    known = Known(addresses=addresses, main=facts.main)
    return bool(addresses.intersection(settle(facts, known).local))


def _concerns(events: Any, addresses: frozenset[str]) -> bool:
    """Read what came; tell whether it is about one of the addresses, or something was lost (ENOBUFS)."""
    try:
        return any(m.get("RTA_DST") in addresses for m in events.get())
    except OSError as error:
        if errno_of(error) != errno.ENOBUFS:
            raise KernelError(f"route events: {os.strerror(errno_of(error))}") from None
        return True
