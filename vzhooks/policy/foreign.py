# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules that are not of vzhooks: which packets they take, and the commands that move or remove them. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from vzhooks.addresses import family_of
from vzhooks.model import MAIN, Item, Lookup, Rule
from vzhooks.policy.priorities import BAND, BY_MARK, FROM_VE, OUT

# include/uapi/linux/fib_rules.h
FR_ACT_TO_TBL, FR_ACT_GOTO = 1, 2
ACTIONS = {3: "nop", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
ENDS = ("blackhole", "unreachable", "prohibit")
FIB_RULE_INVERT = 2
NO_SUPPRESS = 0xFFFFFFFF
NAMES = {MAIN: "main", 255: "local", 253: "default"}
# Selectors that a plain packet of a VE meets or not by what is in it, in ip(8)'s words.
OTHER_SELECTORS = {"FRA_IP_PROTO": "ipproto", "FRA_SPORT_RANGE": "sport", "FRA_DPORT_RANGE": "dport",
                   "FRA_UID_RANGE": "uidrange", "FRA_TUN_ID": "tun_id"}


@dataclass(frozen=True)
class Other:
    """Hold one policy rule of somebody else.

    action: what it does, in ip(8)'s words; table: the one it looks up, 0 for none; mark: fwmark as
    (mark, mask), None without; more: its other selectors in ip(8)'s words; protocol: who made it.
    """

    family: int
    priority: int
    action: str
    table: int = 0
    src: str = ""
    dst: str = ""
    iif: str = ""
    oif: str = ""
    mark: tuple[int, int] | None = None
    more: tuple[str, ...] = ()
    inverted: bool = False
    suppress: int | None = None
    protocol: int = 0

    def __str__(self) -> str:
        """Return the rule as ip(8) writes it, without its priority."""
        words = [("not " if self.inverted else "") + f"from {self.src or 'all'}"]
        pairs = (("to", self.dst), ("iif", self.iif), ("oif", self.oif))
        words += [f"{name} {value}" for name, value in pairs if value]
        words += [f"fwmark {_mark(*self.mark)}"] if self.mark else []
        words += [*self.more, self.action]
        words += [] if self.suppress is None else [f"suppress_prefixlength {self.suppress}"]
        return " ".join(words)

    @property
    def named(self) -> str:
        """Return the rule with its priority, as an operator looks for it in `ip rule`."""
        return f"{self} priority {self.priority}"

    @property
    def kernel(self) -> bool:
        """Tell whether the kernel itself made it (rtnetlink(7), RTPROT_KERNEL)."""
        return self.protocol == 2

    def takes(self, src: str, dst: str, iif: str = "", mark: int = 0) -> bool:
        """Tell whether it takes a plain forwarded packet from `src` to `dst`; no `iif`: from any device."""
        fits = (family_of(src) == self.family and _in(src, self.src) and _in(dst, self.dst)
                and (not iif or self.iif in ("", iif)) and not self.oif and not self.more
                and (self.mark is None or mark & self.mark[1] == self.mark[0]))
        return fits != self.inverted and family_of(src) == self.family


def _mark(mark: int, mask: int) -> str:
    return f"{mark:#x}" if mask == NO_SUPPRESS else f"{mark:#x}/{mask:#x}"


def _in(address: str, network: str) -> bool:
    return not network or ipaddress.ip_address(address) in ipaddress.ip_network(network)


def other_of(m: Any, family: int) -> Other:
    """Return the value of a rule message as pyroute2 has it."""
    src, dst, mark, mask = (m.get(f"FRA_{name}") for name in ("SRC", "DST", "FWMARK", "FWMASK"))
    table = (m.get("FRA_TABLE") or m["table"]) if m["action"] == FR_ACT_TO_TBL else 0
    suppress = m.get("FRA_SUPPRESS_PREFIXLEN")
    more = [f"{word} {str(m.get(name)).replace(':', '-')}" for name, word in OTHER_SELECTORS.items() if m.get(name)]
    more += [f"tos {m['tos']:#x}"] if m["tos"] else []
    return Other(
        family, m.get("FRA_PRIORITY") or 0, _action(m, table), table,
        f"{src}/{m['src_len']}" if src else "", f"{dst}/{m['dst_len']}" if dst else "",
        m.get("FRA_IIFNAME") or "", m.get("FRA_OIFNAME") or "",
        None if mark is None and not mask else (mark or 0, mask or 0), tuple(more),
        bool(m["flags"] & FIB_RULE_INVERT), None if suppress in (None, NO_SUPPRESS) else suppress,
        m.get("FRA_PROTOCOL") or 0)


def _action(m: Any, table: int) -> str:
    if m["action"] == FR_ACT_TO_TBL:
        return f"lookup {'l3mdev-table' if m.get('FRA_L3MDEV') else NAMES.get(table, table)}"
    if m["action"] == FR_ACT_GOTO:
        return f"goto {m.get('FRA_GOTO')}"
    return ACTIONS.get(m["action"], f"action {m['action']}")


def taken_at(items: Iterable[Item]) -> int:
    """Return the priority of the rules of ours that decide about what assigned VEs send, by the rules there are."""
    by_mark = [i.priority for i in items if isinstance(i, Rule) and i.mark and i.table and i.iif != "lo"]
    return min((p for p in by_mark if p in (OUT, BY_MARK)), default=FROM_VE)


def culprit(lookup: Lookup, src: str, dst: str, others: Iterable[Other], first: int) -> Other | None:
    """Return the rule before ours that sends a VE's packet where the kernel says, None where none does.

    first: the priority of ours, as `taken_at` has it.
    """
    return decider(lookup, src, dst, (o for o in others if 0 < o.priority <= first))


def decider(lookup: Lookup, src: str, dst: str, others: Iterable[Other]) -> Other | None:
    """Return the first of these rules that sends a packet where the kernel says, None where none does.

    The way back counts as well: the kernel drops what it would not send back by the same device (rp_filter).
    """
    ordered = sorted(others, key=lambda o: o.priority)
    takers = [o for o in ordered if o.takes(src, dst) or (lookup.error and o.takes(dst, src))]
    if lookup.table:
        return next((o for o in takers if o.table == lookup.table or o.action.startswith("goto")), None)
    ends = (o for o in takers if o.action in ENDS or (o.table and o.table not in NAMES))
    return next(ends, None) or next(iter(takers), None)


def unheard(address: str, others: Iterable[Other], first: int) -> list[Other]:
    """Return rules that end what comes from this very address, but stand after ours, where they no longer count.

    The address is one of a VE with an uplink; first: the priority of ours, as `taken_at` has it.
    """
    return [o for o in others if o.action in ENDS and o.priority > first and o.src and not o.inverted
            and family_of(address) == o.family and _in(address, o.src) and not o.kernel]


def said_of(rule: Other) -> str:
    """Return the line that says that a rule no longer counts."""
    return f"another's rule comes after those of vzhooks and no longer counts: {rule.named}"


def mend(rule: Other) -> str:
    """Return the two commands of which one mends it: delete the rule, or move it to a priority after ours."""
    ip = "ip -6 rule" if rule.family == 6 else "ip rule"
    gone = f"{ip} del {rule} priority {rule.priority}"
    return f"`{gone}`, or to keep it after ours: `{ip} add {rule} priority {BAND.stop} && {gone}`"
