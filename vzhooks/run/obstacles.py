# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell and deal with what stands in the way of a run: rules of others, VEs that would lose their way, no IPv6."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vzhooks.errors import KernelError
from vzhooks.kernel import sysctl
from vzhooks.kernel.apply import Failure
from vzhooks.model import Problem, Proxy
from vzhooks.node.host import Paths
from vzhooks.policy import sources, uplinks, wanting
from vzhooks.policy.evidence import may_have_uplink
from vzhooks.policy.facts import Facts, without_ipv6
from vzhooks.policy.foreign import Other
from vzhooks.policy.priorities import BAND
from vzhooks.run import keep
from vzhooks.run.inputs import Inputs
from vzhooks.run.request import COMMAND, Report, Request


def none_here(paths: Paths, read: Inputs, request: Request) -> bool:
    """Tell whether the kernel need not be asked: a hook, and no VE here has an uplink; or one of no VE yet."""
    if request.event is None:
        return False
    if request.event.name == "mount" and request.event.ctid not in read.configs:
        return True  # create and register mount before the config has its name (libvzctl lib/create.c)
    if read.settings.reserved or read.settings.unassigned != "main" or not keep.is_quiet(paths):
        return False
    return not any(r.uplink for r in read.known.values()) and not any(map(may_have_uplink, read.configs.values()))


def in_the_way(request: Request, read: Inputs, others: Iterable[Other]) -> list[Problem]:
    """Return what others have among our priorities; raises KernelError for a first assigned VE."""
    event, band = request.event, f"{BAND[0]}-{BAND[-1]}"
    first = not any(r.uplink for c, r in read.known.items() if not (event and event.ctid == c))
    found = [Problem("", f"another's rule stands within the priorities {band} of vzhooks: {o.named}; "
                     "give that rule another priority", first)
             for o in others if o.priority in BAND and not o.kernel]  # the kernel's own for VRFs is at 1000
    assigned = any(may_have_uplink(c) for c in read.configs.values())
    if found and first and assigned and event and event.name == "mount":
        raise KernelError(found[0].text)
    return found


def refusal(request: Request, report: Report) -> str:
    """Return why a careful run changes nothing: what was typed wrong must not cut off who runs."""
    if not request.careful or request.force:
        return ""
    losers = [str(m) for m in report.moves if m.loses]
    if request.door != COMMAND:
        return "\n".join(losers)
    every = uplinks.every(report.settings, report.facts.nics)
    broken = [*report.settings.broken.values(),
              *(p.text for p in sources.doubled(every, report.settings, report.facts.nics))]
    return "\n".join([*broken, *losers])


def drop(kernel: Any, rules: Iterable[Other]) -> tuple[tuple[Other, ...], tuple[Failure, ...]]:
    """Delete rules of others; return those that are gone, and what failed."""
    gone, failures = [], []
    for rule in rules:
        try:
            kernel.drop(rule)
            gone.append(rule)
        except KernelError as error:
            failures.append(Failure(f"ip {'-6 ' if rule.family == 6 else ''}rule del {rule.named}: {error}", False))
    return tuple(gone), tuple(failures)


def of_vzctl(read: Inputs, facts: Facts) -> frozenset[Proxy]:
    """Return what vzctl publishes itself: it stays when we need it no more, even where we made it first."""
    devices = read.vz_conf.get("NEIGHBOUR_DEVS", "")
    return wanting.published(facts, devices[len("list:"):].split() if devices.startswith("list:") else None)


def as_ipv6_is(facts: Facts) -> Facts:
    """Return the facts with what only /proc tells: where IPv6 is switched off."""
    keys = {f"net/ipv6/conf/{n.name}/disable_ipv6": n.name for n in facts.lan} if 6 in facts.families else {}
    return without_ipv6(facts, {keys[k] for k, value in sysctl.read(keys).items() if value != "0"})
