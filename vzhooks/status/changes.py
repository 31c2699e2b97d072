# SPDX-License-Identifier: GPL-2.0-or-later
"""Say what happened between two looks at a node, a line each, and how much its uplinks carry. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from vzhooks.policy.counts import Counts
from vzhooks.status import rows
from vzhooks.status.rows import Row
from vzhooks.status.view import STOPPED, View
from vzhooks.words import counted, joined

NOUNS = {"rule": "rule", "route": "route", "guard": "guard entry", "proxy": "published address", "sysctl": "setting"}
PLURALS = {"guard": "guard entries", "proxy": "published addresses"}
Traffic = Mapping[str, "tuple[int, int]"]


def between(before: View, after: View) -> Iterator[str]:
    """Return what became of the node, its uplinks and its VEs."""
    was, now = rows.node(before), rows.node(after)
    if was["state"] != now["state"]:
        yield _line("node", was["state"], now["state"], now["why"])
    old = was["warnings"]
    warnings = now["warnings"]
    assert isinstance(old, list) and isinstance(warnings, list)
    yield from (f"warning: {text}" for text in warnings if text not in old)
    yield from _uplinks(_named("uplink", rows.uplinks(before)), _named("uplink", rows.uplinks(after)))
    yield from _ves(_by_ve(before), _by_ve(after))


def mended(before: Counts, after: Counts) -> Iterator[str]:
    """Return what the daemon mended meanwhile, as one line if anything."""
    more = {kind: n - before.heals.get(kind, 0) for kind, n in after.heals.items()}
    parts = [counted(n, NOUNS[kind], PLURALS.get(kind, "")) for kind, n in more.items() if n > 0]
    if parts:
        yield f"daemon: mended {', '.join(parts)}"


def _named(key: str, found: list[Row]) -> dict[str, Row]:
    return {str(row[key]): row for row in found}


def _line(who: str, was: object, now: object, why: object) -> str:
    way = f"{was} -> {now}" if was != now else str(now)
    return f"{who}: {way}" + (f": {why}" if why else "")


def _uplinks(before: Mapping[str, Row], after: Mapping[str, Row]) -> Iterator[str]:
    for name, row in after.items():
        was = before.get(name)
        if was is None:
            yield _line(f"uplink {name}", "new", row["state"], row["why"])
        elif [was[k] for k in ("state", "by", "device")] != [row[k] for k in ("state", "by", "device")]:
            back = f"{name} by itself again" if row["by"] == name and was["by"] != name else ""
            yield _line(f"uplink {name}", was["state"], row["state"], joined((str(row["why"]), back)))
    yield from (f"uplink {name}: gone from the ini" for name in before if name not in after)


def _by_ve(view: View) -> dict[str, list[Row]]:
    """Return the rows of each VE: one for each uplink that it goes by."""
    found: dict[str, list[Row]] = {}
    for row in rows.ves(view):
        found.setdefault(str(row["ve"]), []).append(row)
    return found


def _ves(before: Mapping[str, list[Row]], after: Mapping[str, list[Row]]) -> Iterator[str]:
    for ctid in (c for c in before if c not in after):
        yield f"VE {ctid}: stopped"
    for ctid, mine in after.items():
        was, now = _of_ve(before.get(ctid, ())), _of_ve(mine)
        if was != now:
            name = f" ({mine[0]['name']})" if mine[0]["name"] else ""
            yield _line(f"VE {ctid}{name}", was, now, joined(dict.fromkeys(str(row["why"]) for row in mine)))


def _of_ve(found: Sequence[Row]) -> str:
    """Return a VE's state in a few words: what it is, and by which device it leaves, of each uplink that it goes by."""
    phases = dict.fromkeys(str(row["phase"]) for row in found if row["phase"] not in ("running", STOPPED))
    ways = (f"{row['state']}" + (f" by {row['device']}" if row["device"] and row["state"] != STOPPED else "")
            for row in found)
    return ", ".join((*phases, *dict.fromkeys(ways))) or STOPPED


def rates(uplinks: Mapping[str, str], before: Traffic, after: Traffic, seconds: float) -> str:
    """Return in one line how much each uplink (device by name) carries in and out."""
    parts = []
    for name, device in uplinks.items():
        if device in before and device in after and seconds > 0:
            came, went = ((after[device][n] - before[device][n]) * 8 / seconds for n in (0, 1))
            parts.append(f"{name} in {_rate(came)} out {_rate(went)}")
    return "   ".join(parts)


def _rate(bits: float) -> str:
    for unit, size in (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if bits >= size:
            return f"{bits / size:.3g} {unit}" if bits < 999.5 * size else f"{bits / size:.0f} {unit}"
    return f"{max(bits, 0):.0f} bit/s"
