# SPDX-License-Identifier: GPL-2.0-or-later
"""Take away a part of what vzhooks has put into the kernel, as others do."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pyroute2 import NetlinkError

from tests.proof.values import NFT, RULES

if TYPE_CHECKING:
    from tests.proof.world import World

PROTOCOL = 118
FAMILIES = (2, 10)
NTF_PROXY = 8


def rules(world: World, number: int) -> str:
    """Delete one of our rules, or all that are anybody's; return the layer that is lost."""
    if number == 0:
        world.site.flush("rules")
        world.put_foreign()
        return RULES
    with world.node.hn.ipr() as ipr:
        ours = [m for f in FAMILIES for m in ipr.get_rules(family=f) if m.get("FRA_PROTOCOL") == PROTOCOL]
        for m in ours[number % len(ours):][:1] if ours else ():
            ipr.rule("del", family=m["family"], **_selectors(m))
    return RULES


def _selectors(m: Any) -> dict[str, Any]:
    """Return all that tells a rule from every other."""
    names = {"FRA_PRIORITY": "priority", "FRA_TABLE": "table", "FRA_SRC": "src", "FRA_DST": "dst",
             "FRA_IIFNAME": "iifname", "FRA_PROTOCOL": "protocol", "FRA_GOTO": "goto", "FRA_FWMARK": "fwmark",
             "FRA_FWMASK": "fwmask"}
    found = {name: m.get(key) for key, name in names.items() if m.get(key) is not None}
    for side in ("src", "dst"):
        if side in found:
            found[f"{side}_len"] = m[f"{side}_len"]
    return {**found, "action": m["action"]}


def routes(world: World, number: int) -> str:
    """Delete all of our routes in one table, or in all."""
    with world.node.hn.ipr() as ipr:
        ours = [m for m in ipr.get_routes() if m["proto"] == PROTOCOL]
        tables = sorted({m.get("RTA_TABLE") for m in ours})
        gone = tables[number % len(tables)] if tables and number else None
        for m in ours:
            if gone in (None, m.get("RTA_TABLE")):
                with suppress(NetlinkError):
                    ipr.route("del", **_route(m))
    return RULES


def _route(m: Any) -> dict[str, Any]:
    keys = {"RTA_OIF": "oif", "RTA_GATEWAY": "gateway", "RTA_PRIORITY": "priority", "RTA_TABLE": "table"}
    found = {name: m.get(key) for key, name in keys.items() if m.get(key) is not None}
    any_of = "::/0" if m["family"] == 10 else "0.0.0.0/0"
    dst = f"{m.get('RTA_DST')}/{m['dst_len']}" if m.get("RTA_DST") else any_of
    return {**found, "dst": dst, "family": m["family"], "type": m["type"], "proto": m["proto"]}


def nft(world: World, number: int) -> str:
    """Delete the whole ruleset, one of our tables, one chain's rules, or what one set or map holds."""
    if number == 0:
        world.site.hn("nft", "flush", "ruleset")
        world.put_foreign()
        return NFT
    found = json.loads(world.site.hn("nft", "-j", "list", "ruleset"))["nftables"]
    ours = [(kind, i[kind]) for i in found for kind in ("table", "chain", "set", "map") if kind in i
            and "vzhooks" in (i[kind].get("table"), i[kind].get("name"))]
    for kind, what in ours[number % len(ours):][:1] if ours else ():
        verb = "delete" if kind == "table" else "flush"
        place = [what["family"], "vzhooks", *([what["name"]] if kind != "table" else [])]
        world.site.hn("nft", verb, kind, *place)
    return NFT


def proxies(world: World, number: int) -> str:
    """Delete published addresses: all, or those on one NIC; no layer is lost by that."""
    with world.node.hn.ipr() as ipr:
        found = [m for f in FAMILIES for m in ipr.neigh("dump", dump_filter=lambda m: True, family=f, flags=NTF_PROXY)]
        indices = sorted({m["ifindex"] for m in found})
        gone = indices[number % len(indices)] if indices and number else None
        for m in found:
            if gone in (None, m["ifindex"]):
                with suppress(NetlinkError):
                    ipr.neigh("del", family=m["family"], dst=m.get("NDA_DST"), ifindex=m["ifindex"], flags=NTF_PROXY)
    return ""
