# SPDX-License-Identifier: GPL-2.0-or-later
"""Translate between our values and rtnetlink messages as pyroute2 has them. Pure.

pyroute2 drops keywords it does not know without a word (suppress_prefixlength, metric, protocol on
routes), so every request is built here, in one place for each kind of item, and tests read it back.
"""

from __future__ import annotations

from typing import Any

from vzhooks.model import PROTOCOL, Route, Rule

FAMILIES = {4: 2, 6: 10}
"""AF_INET and AF_INET6 by our own names for them."""
# include/uapi/linux/fib_rules.h, rtnetlink.h
FR_ACT_TO_TBL, FR_ACT_UNREACHABLE = 1, 7
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK = 0, 253
NO_SUPPRESS = 0xFFFFFFFF


def table_of(m: Any) -> int:
    """Return the table of a route message; the header's byte cannot hold a number over 255."""
    return m.get("RTA_TABLE") or m["table"]


def rule_of(m: Any, family: int) -> Rule:
    """Return the value of a rule message."""
    suppress = m.get("FRA_SUPPRESS_PREFIXLEN")
    # The bare lookup for the table: m["table"] is a header byte that cannot hold it.
    table = m.get("FRA_TABLE") if m["action"] == FR_ACT_TO_TBL else 0
    src, dst = m.get("FRA_SRC"), m.get("FRA_DST")
    return Rule(family, m.get("FRA_PRIORITY") or 0, table or 0,
                f"{src}/{m['src_len']}" if src else "", f"{dst}/{m['dst_len']}" if dst else "",
                m.get("FRA_IIFNAME") or "", m["action"] == FR_ACT_UNREACHABLE,
                None if suppress in (None, NO_SUPPRESS) else suppress)


def rule_request(rule: Rule) -> dict[str, object]:
    """Return the keywords of IPRoute.rule for one of our rules."""
    request: dict[str, object] = {"family": FAMILIES[rule.family], "priority": rule.priority, "protocol": PROTOCOL}
    request.update({"action": "unreachable"} if rule.unreachable else {"table": rule.table})
    for key, value in (("src", rule.src), ("dst", rule.dst), ("iifname", rule.iif)):
        if value:
            request[key] = value
    if rule.suppress is not None:
        request["suppress_prefixlen"] = rule.suppress
    return request


def route_request(route: Route, index: int) -> dict[str, object]:
    """Return the keywords of IPRoute.route for one of our routes; index: of its device."""
    request: dict[str, object] = {"family": FAMILIES[route.family], "table": route.table, "dst": route.dst,
                                  "proto": PROTOCOL, "priority": route.metric}
    if not route.dev:
        return {**request, "type": "unreachable"}
    request.update(oif=index, scope=RT_SCOPE_UNIVERSE if route.gateway else RT_SCOPE_LINK)
    if route.gateway:
        # On-link, so that a NIC without an address of its own can send by it as well.
        request.update(gateway=route.gateway, flags="onlink")
    return request
