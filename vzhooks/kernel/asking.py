# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask the kernel about single packets and neighbours; changes and sends nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from vzhooks.addresses import family_of
from vzhooks.errors import Refused
from vzhooks.kernel import nft, plain
from vzhooks.kernel.messages import FAMILIES, RTN_UNICAST
from vzhooks.kernel.netlink import Kernel
from vzhooks.kernel.questions import AT_ONCE, Question, routes
from vzhooks.model import Lookup, Nic, Route, Rule
from vzhooks.policy import walk
from vzhooks.policy.compare import FAR, Flow
from vzhooks.policy.facts import Facts
from vzhooks.policy.marks import Marks
from vzhooks.policy.roles import is_ve_side

# include/uapi/linux/rtnetlink.h
RTN_LOCAL = 2
# include/uapi/linux/neighbour.h
NUD_ANSWERS = 0x02 | 0x04 | 0x08 | 0x10 | 0x80  # REACHABLE, STALE, DELAY, PROBE, PERMANENT
NUD_SILENT = 0x01 | 0x20  # INCOMPLETE, FAILED


def require_support() -> None:
    """Raise HostError or KernelError, one line, where this kernel or its tools cannot do what we need."""
    with Kernel() as kernel:
        kernel.rules()
    nft.check()


def look() -> Facts:
    """Return what the kernel says of devices and main, the devices without their roles; needs no right."""
    with Kernel() as kernel:
        return kernel.facts()


def answers(questions: Iterable[tuple[str, str]], places: Iterable[tuple[str, str]], facts: Facts,
            marks: Marks) -> tuple[dict[tuple[str, str], Lookup], dict[tuple[str, str], bool]]:
    """Return where the kernel sends a packet of each (source, destination), and which (gateway, device) answer."""
    with Kernel() as kernel:
        kernel.know(facts.nics.values())
        pairs = list(questions)
        found = ask_all(kernel, [_question(src, dst, facts, marks) for src, dst in pairs])
        ours = {p: replace(f, to_ve=not (f.local or f.error) and p[1] in facts.local) for p, f in zip(pairs, found)}
        return ours, reachable(kernel, places, facts.nics)


def tables(numbers: Iterable[int], facts: Facts) -> dict[int, tuple[Route, ...]]:
    """Return all routes of these tables, by number."""
    with Kernel() as kernel:
        kernel.know(facts.nics.values())
        return {number: kernel.table(number) for number in numbers}


def compare(kernel: Kernel, flows: Iterable[Flow], nics: Mapping[str, Nic], marks: Marks) -> dict[Flow, Lookup]:
    """Return what the kernel answers for each of these packets, by the first device that it takes it from."""
    return {f: _by_any(kernel, f, {i: nics[i].index for i in f.iifs if i in nics} or {"": 0}, marks) for f in flows}


def without(flows: Iterable[Flow], ours: Iterable[Rule], facts: Facts,
            marks: Marks) -> tuple[dict[Flow, Lookup], dict[Flow, Lookup]]:
    """Return where packets would go without rules of ours, and where they go; none whose way is not understood.

    That is one of which the kernel says something else than a walk by all rules does.
    """
    mine = [walk.as_other(r) for r in ours]
    before, after = {}, {}
    with Kernel() as kernel:
        kernel.know(facts.nics.values())
        tables = kernel.tables({r.table for r in (*facts.others, *mine) if r.table} - {walk.LOCAL})
        for flow, now in compare(kernel, flows, facts.nics, marks).items():
            iif = next((i for i in flow.iifs if i in facts.nics), "lo")
            mark = marks.of(flow.src, flow.dst, iif)
            was, is_now = (walk.walk(flow.src, flow.dst, iif, rules, tables, facts.own, mark)
                           for rules in (facts.others, (*facts.others, *mine)))
            if was and is_now and walk.agree(is_now, now):
                before[flow], after[flow] = was, is_now
    return before, after


def _by_any(kernel: Kernel, flow: Flow, indexes: Mapping[str, int], marks: Marks) -> Lookup:
    answers = (ask(kernel, flow.src, flow.dst, index, mark=marks.of(flow.src, flow.dst, name))
               for name, index in indexes.items())
    found = Lookup(error="no device")
    for found in answers:
        if not found.error:
            break
    return found


def _question(src: str, dst: str, facts: Facts, marks: Marks) -> Question:
    """Return what to ask of a packet that comes from `src`, a VE's address, on the VEs' side."""
    side = facts.local.get(src) or next((n.name for n in facts.nics.values() if is_ve_side(n)), "")
    return Question(src, dst, facts.nics[side].index if side else 0, marks.of(src, dst, side))


def ask(kernel: Kernel, src: str, dst: str, iif: int = 0, mark: int = 0) -> Lookup:
    """Ask where a packet goes that comes in by the device of number `iif`, or is the node's own."""
    return ask_all(kernel, [Question(src, dst, iif, mark)])[0]


def ask_all(kernel: Kernel, asked: Sequence[Question]) -> list[Lookup]:
    """Ask where packets go; raises KernelError where the kernel does not answer."""
    return [_lookup(answer, kernel.names) for answer in routes(asked)]


def _lookup(answer: bytes | int, names: Mapping[int, str]) -> Lookup:
    if isinstance(answer, int):
        return Lookup(error=os.strerror(answer))
    head, found = plain.head(answer), plain.attributes_of(answer)
    table = plain.number(found.get(plain.RTA_TABLE)) or head.table
    if head.kind == RTN_LOCAL:
        return Lookup(table, "lo", local=True)
    if head.kind != RTN_UNICAST:
        return Lookup(table, error="unreachable")
    gateway, dev = found.get(plain.RTA_GATEWAY), names.get(plain.number(found.get(plain.RTA_OIF)), "")
    return Lookup(table, dev, plain.address(gateway) if gateway else "")


def walk_us(src: str, facts: Facts, marks: Marks) -> float:
    """Return how many microseconds the kernel takes for a packet of a VE more than for one to the node itself."""
    far, own = FAR[family_of(src)], next((a for n in facts.lan for a in n.owns if family_of(a) == family_of(src)), "")
    to = {dst: [_question(src, dst, facts, marks)] * AT_ONCE for dst in (far, own or far)}
    taken = {dst: min(_seconds(asked) for _ in range(5)) for dst, asked in to.items()}
    return max(0.0, taken[far] - taken[own or far]) * 1e6 / AT_ONCE


def _seconds(asked: Sequence[Question]) -> float:
    start = time.perf_counter()
    routes(asked)
    return time.perf_counter() - start


def reachable(kernel: Kernel, places: Iterable[tuple[str, str]],
              nics: Mapping[str, Nic]) -> dict[tuple[str, str], bool]:
    """Return which of these (address, device) the neighbour cache holds as answering; asks nobody.

    What it does not know is left out; so is all on a kernel without RTM_GETNEIGH for one (before 5.0).
    """
    found = {}
    for address, dev in places:
        if dev not in nics:
            continue
        try:
            ask_for = {"family": FAMILIES[family_of(address)], "dst": address, "ifindex": nics[dev].index}
            state = kernel.ask("neigh", **ask_for)["state"]
        except Refused:  # ENOENT: not in the cache
            continue
        if state & (NUD_ANSWERS | NUD_SILENT):
            found[address, dev] = bool(state & NUD_ANSWERS)
    return found
