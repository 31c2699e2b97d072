# SPDX-License-Identifier: GPL-2.0-or-later
"""Harden the HN's own ARP: each of its addresses is answered by the NIC that has it. Pure.

arp_ignore=1 and arp_announce=2 (kernel Documentation/networking/ip-sysctl.rst) on the named LAN NICs
only, and rp_filter=2 where it is strict: a NIC that goes down and up loses its own-address routes, and
a strict filter would then leave its address answered by nobody until the next resync. Under `all`, or
inherited through `default`, they cut VE -> HN over OpenVZ 9's veths. They go together with the
own-address rules of `policy`, by which replies leave by the NIC that has the address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vzhooks.model import Problem, Sysctl
from vzhooks.roles import Nics, is_lan

VALUES = {"arp_ignore": 1, "arp_announce": 2, "rp_filter": 2}
STRICT_ALL = "net/ipv4/conf/all/rp_filter"
ON, OFF = "on", "off"


@dataclass(frozen=True)
class Hardening:
    """Hold what was decided ("" for nothing yet, on, off) and the values found before, by key."""

    mode: str = ""
    former: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """Hold the hardening to note down, the sysctls wanted, and what the operator must know."""

    hardening: Hardening
    wanted: frozenset[Sysctl] = frozenset()
    problems: tuple[Problem, ...] = ()


def keys(nics: Nics) -> list[str]:
    """Return the keys, with slashes since NIC names hold dots, of all LAN NICs; STRICT_ALL is read besides."""
    return [f"net/ipv4/conf/{n.name}/{name}" for n in nics.values() if is_lan(n, nics) for name in VALUES]


def obstacle(nics: Nics) -> str:
    """Return what would go unanswered under arp_ignore=1: addresses on no NIC of their own; "" for nothing."""
    vips = [a for n in nics.values() if n.loopback or n.kind == "dummy" for a in n.owns if not a.startswith("127.")]
    vips = [a for a in vips if ":" not in a]
    return f"addresses {', '.join(vips)} are on no LAN NIC and would go unanswered" if vips else ""


def decide(before: Hardening, order: str, auto: bool, force: bool, nics: Nics, current: Mapping[str, str]) -> Outcome:
    """Return what is to be hardened or given back.

    order: "on" or "off" where the operator says so, else ""; auto: an assigned VE is there and
    `arp = auto`; current: values by key, keys of NICs that are gone left out.
    """
    if order == OFF:
        return _undo(before, current)
    if order != ON and before.mode != ON and not (auto and not before.mode):
        return Outcome(before)
    hindrance = obstacle(nics) if before.mode != ON and not force else ""
    if hindrance:
        text = f"ARP is not hardened: {hindrance}; move them to a LAN NIC, or run `vzhooks harden --force`"
        return Outcome(before, problems=(Problem("", text, order == ON),))
    soft = {k: v for k, v in current.items() if k in keys(nics) and _is_soft(k, current)}
    former = {**soft, **before.former}
    # What is hard enough is wanted as well, so that it counts as found and not as to be given back.
    wanted = frozenset(Sysctl(k, str(_value(k)) if k in soft else v) for k, v in current.items() if k in keys(nics))
    return Outcome(Hardening(ON, former), wanted)


def _is_soft(key: str, current: Mapping[str, str]) -> bool:
    if key.endswith("/rp_filter"):
        # The greater of all and the NIC is in force (include/linux/inetdevice.h); 1 is strict, 2 loose.
        return max(int(current[key]), int(current.get(STRICT_ALL, "0"))) == 1
    return int(current[key]) < _value(key)


def _value(key: str) -> int:
    return VALUES[key.rpartition("/")[2]]


def _undo(before: Hardening, current: Mapping[str, str]) -> Outcome:
    """Give back the former values, but for one that somebody has changed since."""
    ours = {k: v for k, v in before.former.items() if current.get(k) == str(_value(k))}
    changed = [k for k in before.former if k in current and k not in ours and current[k] != before.former[k]]
    problems = tuple(Problem("", f"{k} = {current[k]} was changed by somebody since hardening; left as it is")
                     for k in changed)
    return Outcome(Hardening(OFF), frozenset(Sysctl(k, v) for k, v in ours.items()), problems)


def drop_in(wanted: Iterable[Sysctl]) -> str:
    """Return the sysctl.d(5) text that sets the values at boot; a NIC that is absent then is no error."""
    lines = sorted(f"-{s.key} = {s.value}\n" for s in wanted)
    return "# written by `vzhooks harden`; `vzhooks harden --undo` removes it\n" + "".join(lines)
