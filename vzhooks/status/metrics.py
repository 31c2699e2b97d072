# SPDX-License-Identifier: GPL-2.0-or-later
"""Say in numbers what `vzhooks status` says in words, as Prometheus counts it. Pure.

The text is that of Prometheus' exposition format 0.0.4, which node_exporter's textfile collector reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from vzhooks.policy.counts import BOUNDS_S, KINDS, Counts
from vzhooks.policy.guard import REASONS
from vzhooks.policy.health import DOWN
from vzhooks.status import rows, verdict
from vzhooks.status.view import STOPPED, View, ways

STATES = (verdict.DIVERTED, verdict.DRIFT, verdict.MOUNTED, verdict.NO_GATEWAY, verdict.BLOCKED, verdict.BACKUP,
          verdict.LAN_ONLY, verdict.OK, verdict.UNASSIGNED)
"""What a VE can be, the worst first: one that goes by several uplinks counts once, by the worst of its ways."""
GAUGE, COUNTER, HISTOGRAM = "gauge", "counter", "histogram"


@dataclass(frozen=True)
class Sample:
    """Hold one number; ending: what its name has besides that of its family."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    ending: str = ""


@dataclass(frozen=True)
class Family:
    """Hold the numbers of one name; a counter's name ends in _total."""

    name: str
    kind: str
    text: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Measured:
    """Hold what the numbers are made of: dropped: packets and bytes by reason; traffic: bytes in and out by device."""

    view: View
    version: str
    counts: Counts = field(default_factory=Counts)
    dropped: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    traffic: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def families(seen: Measured) -> Iterator[Family]:
    """Return all numbers there are."""
    uplinks = [r for r in rows.uplinks(seen.view) if r["health"]]
    states = _states(seen.view)
    standing, counts = seen.view.report.standing, seen.counts
    yield Family("vzhooks_uplink_up", GAUGE, "Whether an uplink works: its link, and what it is probed by.", tuple(
        Sample(r["health"] != DOWN, {"uplink": str(r["uplink"]), "device": str(r["device"])}) for r in uplinks))
    yield Family("vzhooks_ves", GAUGE, "Live VEs by state, as vzhooks status has them.", tuple(
        Sample(states[state], {"state": state}) for state in STATES))
    yield Family("vzhooks_drift_items", GAUGE, "Rules, routes and the like that are not as they should be.",
                 (Sample(len(seen.view.report.ops)),))
    yield _by("vzhooks_heals_total", "What the daemon mended unasked, by kind.", "kind",
              {kind: counts.heals.get(kind, 0) for kind in KINDS.values()})
    yield _by("vzhooks_switches_total", "How often another one began to stand in for an uplink.", "uplink",
              {n: standing[n].switches if n in standing else 0 for n in seen.view.settings.uplinks})
    yield _by("vzhooks_guard_dropped_packets_total", "Packets that the guard dropped, by reason: " + "; ".join(
        f"{reason}: {text}" for reason, text in REASONS.items()) + ".", "reason",
              {reason: seen.dropped.get(reason, (0, 0))[0] for reason in REASONS})
    yield Family("vzhooks_hook_seconds", HISTOGRAM, "How long hooks took that the daemon served.",
                 tuple(_histogram(counts)))
    yield Family("vzhooks_uplink_bytes_total", COUNTER, "Bytes by an uplink's device, whoever sent them.", tuple(
        Sample(seen.traffic[dev][n], {"uplink": str(r["uplink"]), "direction": way}) for r in uplinks
        if (dev := str(r["device"])) in seen.traffic for n, way in enumerate(("in", "out"))))
    yield Family("vzhooks_build_info", GAUGE, "The version of vzhooks.", (Sample(1, {"version": seen.version}),))


def _states(view: View) -> Counter[str]:
    worst: dict[str, int] = {}
    for way in ways(view):
        state = verdict.judge(way, view)[0]
        if state != STOPPED:
            worst[way.ve.ctid] = min(worst.get(way.ve.ctid, len(STATES)), STATES.index(state))
    return Counter(STATES[place] for place in worst.values())


def _by(name: str, text: str, label: str, numbers: Mapping[str, int]) -> Family:
    return Family(name, COUNTER, text, tuple(Sample(n, {label: value}) for value, n in dict(numbers).items()))


def _histogram(counts: Counts) -> Iterator[Sample]:
    bounds = [*(f"{bound:g}" for bound in BOUNDS_S), "+Inf"]
    for bound, below in zip(bounds, accumulate(counts.hooks)):
        yield Sample(below, {"le": bound}, "_bucket")
    yield Sample(sum(counts.hooks), ending="_count")
    yield Sample(counts.hook_s, ending="_sum")


def as_text(found: Iterable[Family]) -> str:
    """Return the numbers as text, one a line, with what each is."""
    return "".join(f"# HELP {f.name} {_escaped(f.text)}\n# TYPE {f.name} {f.kind}\n" + "".join(
        f"{f.name}{s.ending}{_labels(s.labels)} {_number(s.value)}\n" for s in f.samples) for f in found)


def _labels(labels: Mapping[str, str]) -> str:
    text = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{text}}}" if text else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
