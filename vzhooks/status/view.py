# SPDX-License-Identifier: GPL-2.0-or-later
"""What `vzhooks status` looks at, as one value, and what is to be asked for it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from vzhooks.addresses import family_of, parsed
from vzhooks.config.settings import Settings
from vzhooks.config.vzconf import VeConfig
from vzhooks.model import Lookup, Problem, Uplink, Ve
from vzhooks.policy.compare import FAR
from vzhooks.policy.foreign import Other, taken_at
from vzhooks.policy.uplinks import Way, gateway_of, ways_of
from vzhooks.run.request import Report

STOPPED = "stopped"


@dataclass(frozen=True)
class View:
    """Hold what is shown: a dry run's report, the VEs asked for (none: all), and what the kernel answers.

    reachable: by (address, device), what the neighbour cache knows; the rest is unknown; lookups: by
    (source, destination), where the kernel sends a packet; others: the rules of others; guarded: the
    addresses that the guard holds now; warnings: what was wrong while this was read, a line each; daemon: what it
    says of itself, None where none answers; judged: state and reason by the VE's id, uplink and addresses, as far as
    told.
    """

    report: Report
    settings: Settings
    ctids: Sequence[str] = ()
    reachable: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    lookups: Mapping[tuple[str, str], Lookup] = field(default_factory=dict)
    others: tuple[Other, ...] = ()
    warnings: tuple[str, ...] = ()
    daemon: Mapping[str, Any] | None = None
    judged: dict[tuple[str, ...], tuple[str, str]] = field(init=False, default_factory=dict, compare=False)

    @cached_property
    def hops(self) -> dict[str, dict[int, tuple[str, str]]]:
        """Return what `hops` told so far, by uplink, since thousands of VEs go by the same uplinks."""
        return {}

    @cached_property
    def first(self) -> int:
        """Return the priority of the rules of ours that decide about what assigned VEs send."""
        return taken_at(self.report.found)


def ways(view: View) -> list[Way]:
    """Return the ways of the VEs asked for, all that live for none; a stopped one has those of its config."""
    live = view.report.by_ve
    return [w for ctid in view.ctids or live for w in live.get(ctid) or _stopped(ctid, view)]


def _stopped(ctid: str, view: View) -> tuple[Way, ...]:
    config, facts = view.report.configs.get(ctid), view.report.facts
    if not isinstance(config, VeConfig):
        return (Way(Ve(ctid, ()), STOPPED, why=config.text if isinstance(config, Problem) else ""),)
    found = ways_of(Ve(ctid, config.addresses, config.uplink), view.settings, facts.nics, facts.health)
    return tuple(replace(way, state=STOPPED) for way in found)


def hops(uplink: Uplink, view: View) -> dict[int, tuple[str, str]]:
    """Return (gateway, device) by family; "" for a gateway that `auto` does not find; none for `none`."""
    if uplink.name not in view.hops:
        nic, facts = view.report.facts.nics.get(uplink.device), view.report.facts
        asked = {4: uplink.gateway, 6: uplink.gateway6}
        view.hops[uplink.name] = {f: (gateway_of(nic, f, text, facts.gateways), nic.name) for f, text in asked.items()
                             if nic and text != "none" and f in facts.families}
    return view.hops[uplink.name]


def missing(uplink: Uplink, view: View) -> set[int]:
    """Return the families for which an uplink has to have a gateway and none is known."""
    facts = view.report.facts
    return {f for f, (address, dev) in hops(uplink, view).items() if not address and not facts.has_default(dev, f)}


def places(view: View) -> list[tuple[str, str]]:
    """Return the (gateway, device) pairs of all uplinks there are."""
    every = {w.uplink.name: w.uplink for w in ways(view) if w.uplink}
    every.update(view.settings.uplinks)
    return list(dict.fromkeys(p for uplink in every.values() for p in hops(uplink, view).values() if p[0]))


def questions(view: View) -> list[tuple[str, str]]:
    """Return the (source, destination) pairs to ask the kernel about."""
    return [(src, dst) for way in ways(view) for src in sources(way, view) for dst in destinations(src, way, view)]


def sources(way: Way, view: View) -> list[str]:
    """Return a VE's addresses that may be asked about: those routed here, since rp_filter refuses any other.

    None of a VE that is cut off on purpose, or that main decides about.
    """
    asked = way.state != STOPPED and (way.uplink or (way.state == "unassigned" and view.settings.reserved))
    return [a for a in way.ve.addresses if a in view.report.facts.local] if asked else []


def destinations(src: str, way: Way, view: View) -> Iterator[str]:
    """Return where a VE's packets are asked to: far away and, while its uplink works, to its gateway."""
    family = family_of(src)
    yield FAR[family]
    if way.uplink and way.state in ("ok", "backup"):
        gateway = hops(way.uplink, view).get(family, ("", ""))[0]
        if gateway and not parsed(gateway).is_link_local:
            yield gateway
