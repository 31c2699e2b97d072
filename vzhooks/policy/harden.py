# SPDX-License-Identifier: GPL-2.0-or-later
"""Harden the HN's own ARP: each of its addresses is answered by the NIC that has it. Pure.

arp_ignore=1 and arp_announce=2 (kernel Documentation/networking/ip-sysctl.rst) on the named LAN NICs that have an
address and share a LAN with another one, and rp_filter=2 where it is strict: a NIC that goes down and up loses its
own-address routes, and a strict filter would then leave its address answered by nobody until the next resync. Under
`all`, or inherited through `default`, the first two cut VE -> HN over OpenVZ 9's veths. But a NIC that comes later
must inherit the last: the others do not answer for it any more, and a strict filter would keep it silent. They go
together with the own-address rules of `own`, by which replies leave by the NIC that has the address.
A venet0 that comes later is no NIC: it is given the strict filter that it would have had.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from vzhooks.addresses import family_of
from vzhooks.model import Nic, Problem, Sysctl
from vzhooks.policy.roles import LAN, VE, Nics

VALUES = {"arp_ignore": 1, "arp_announce": 2, "rp_filter": 2}
STRICT_ALL, LATER = "net/ipv4/conf/all/rp_filter", "net/ipv4/conf/default/rp_filter"
VENET = "net/ipv4/conf/venet0/rp_filter"
VALID_MARK = "net/ipv4/conf/all/src_valid_mark"
"""Lets a filter of sources look for the way back by a packet's mark (ip-sysctl.rst); map mode needs it."""
ON, FORCED, OFF = "on", "forced", "off"


@dataclass(frozen=True)
class Hardening:
    """Hold what was decided ("" for nothing yet, on, forced, off) and the values found before, by key.

    unmarked: the value of src_valid_mark before map mode, "" where that is not ours.
    """

    mode: str = ""
    former: Mapping[str, str] = field(default_factory=dict)
    unmarked: str = ""

    @property
    def on(self) -> bool:
        """Tell whether the node is hardened."""
        return self.mode in (ON, FORCED)

    @property
    def strict(self) -> bool:
        """Tell whether VEs' own devices were held by a strict rp_filter before, which the guard does since."""
        return self.on and LATER in self.former


@dataclass(frozen=True)
class Outcome:
    """Hold the hardening to note down, the sysctls wanted, and what the operator must know."""

    hardening: Hardening
    wanted: frozenset[Sysctl] = frozenset()
    problems: tuple[Problem, ...] = ()


def keys(nics: Nics, forced: bool = False) -> list[str]:
    """Return the keys to harden, with slashes since NIC names hold dots; forced: also where addresses are elsewhere."""
    hard = [n for n in sharing(nics) if forced or not _elsewhere(n, nics)]
    return [f"net/ipv4/conf/{n.name}/{name}" for n in hard for name in VALUES] + ([LATER] if hard else [])


def read_keys(nics: Nics, before: Hardening) -> set[str]:
    """Return the keys whose values `decide` needs to know."""
    return {*keys(nics, forced=True), *before.former, STRICT_ALL, VENET, VALID_MARK}


def sharing(nics: Nics) -> list[Nic]:
    """Return the LAN NICs that have an IPv4 network in common with another one."""
    lan = [n for n in nics.values() if n.role == LAN]
    return [n for n in lan if any(set(_four(n)) & set(_four(m)) for m in lan if m != n)]


def soft(nics: Nics, on: bool) -> frozenset[str]:
    """Return the names of NICs that share a LAN and are not hardened, where the node is (on) or is not."""
    return frozenset(n.name for n in sharing(nics) if not on or _elsewhere(n, nics))


def _four(nic: Nic) -> list[str]:
    return [n for n in nic.networks if family_of(n) == 4]


def _elsewhere(nic: Nic, nics: Nics) -> list[str]:
    """Return addresses of the node within the NIC's networks that are on no LAN NIC."""
    nets = [ipaddress.ip_network(n) for n in _four(nic)]
    of_ves = [n for n in nics.values() if n.role == VE and n.kind == "veth" and n.ve]
    return [a for n in nics.values() if n.role != LAN and n not in of_ves for a in n.owns
            if family_of(a) == 4 and any(ipaddress.ip_address(a) in net for net in nets)]


def obstacle(nics: Nics) -> str:
    """Return what would go unanswered under arp_ignore=1: addresses on no NIC of their own; "" for nothing."""
    vips = [a for n in nics.values() if n.loopback or n.kind == "dummy" for a in n.owns if not a.startswith("127.")]
    vips += [a for n in sharing(nics) for a in _elsewhere(n, nics)]
    vips = list(dict.fromkeys(a for a in vips if ":" not in a))
    return f"addresses {', '.join(vips)} are on no LAN NIC and would go unanswered" if vips else ""


def decide(before: Hardening, order: str, auto: bool, force: bool, nics: Nics, current: Mapping[str, str]) -> Outcome:
    """Return what is to be hardened or given back.

    order: "on" or "off" where the operator says so, else ""; auto: an assigned VE is there and
    `arp = auto`; current: values by key, keys of NICs that are gone left out.
    """
    if order == OFF or (order != ON and before.mode == OFF and before.former):
        return _undo(before, current)
    if order != ON and not before.on and not (auto and not before.mode):
        return Outcome(before)
    hindrance = obstacle(nics) if not before.on and not force else ""
    if hindrance:
        text = f"ARP is not hardened: {hindrance}; move them to a LAN NIC, or run `vzhooks harden --force`"
        return Outcome(before, problems=(Problem("", text, order == ON),))
    return _on(before, FORCED if force or before.mode == FORCED else ON, nics, current)


def with_marks(outcome: Outcome, before: Hardening, marked: bool, current: Mapping[str, str]) -> Outcome:
    """Return the outcome with what map mode needs, or with that given back, which is noted until it is seen."""
    value = current.get(VALID_MARK, "")
    unmarked = before.unmarked or ("" if value == "1" else value) if marked else before.unmarked * (value == "1")
    wanted = {Sysctl(VALID_MARK, "1" if marked else unmarked)} if marked or unmarked else set()
    return replace(outcome, hardening=replace(outcome.hardening, unmarked=unmarked), wanted=outcome.wanted | wanted)


def _on(before: Hardening, mode: str, nics: Nics, current: Mapping[str, str]) -> Outcome:
    ours = set(keys(nics, mode == FORCED))
    soft = {k: v for k, v in current.items() if k in ours and _is_soft(k, current)}
    # A NIC that shares no LAN any more, or that is something else now, gets back what it had.
    over = _given_back({k: v for k, v in before.former.items() if k not in ours and k != VENET}, current)
    former = {**soft, **{k: v for k, v in before.former.items() if k not in over}}
    # What is hard enough is wanted as well, so that it counts as found and not as to be given back.
    wanted = {k: str(_value(k)) if k in soft else v for k, v in current.items() if k in ours}
    if LATER in former and (VENET in before.former or (not before.on and current.get(VENET, "1") == "1")):
        former[VENET] = "1"
        wanted.update({VENET: "1"} if current.get(VENET) == str(_value(VENET)) else {})
    return Outcome(Hardening(mode, former), frozenset(Sysctl(k, v) for k, v in {**wanted, **over}.items()))


def _is_soft(key: str, current: Mapping[str, str]) -> bool:
    if key.endswith("/rp_filter"):
        # The greater of all and the NIC is in force (include/linux/inetdevice.h); 1 is strict, 2 loose.
        return max(int(current[key]), int(current.get(STRICT_ALL, "0"))) == 1
    return int(current[key]) < _value(key)


def _value(key: str) -> int:
    return VALUES[key.rpartition("/")[2]]


def _given_back(former: Mapping[str, str], current: Mapping[str, str]) -> dict[str, str]:
    """Return the former values of what still is as we set it."""
    return {k: v for k, v in former.items() if current.get(k) == str(_value(k))}


def _undo(before: Hardening, current: Mapping[str, str]) -> Outcome:
    """Give back the former values, but for one that somebody has changed since.

    They stay noted until they are seen to be back: an undo that is cut short is brought to its end by the next run.
    """
    ours = _given_back(before.former, current)
    changed = [k for k in before.former if k in current and k not in ours and current[k] != before.former[k]]
    problems = tuple(Problem("", f"{k} = {current[k]} was changed by somebody since hardening; left as it is")
                     for k in changed)
    return Outcome(Hardening(OFF, ours), frozenset(Sysctl(k, v) for k, v in ours.items()), problems)


def drop_in(wanted: Iterable[Sysctl]) -> str:
    """Return the sysctl.d(5) text that sets the values at boot; a NIC that is absent then is no error."""
    lines = sorted(f"-{s.key} = {s.value}\n" for s in wanted)
    return "# written by `vzhooks harden`; `vzhooks harden --undo` removes it\n" + "".join(lines)
