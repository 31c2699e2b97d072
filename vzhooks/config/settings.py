# SPDX-License-Identifier: GPL-2.0-or-later
"""Turn the text of the node's ini into checked values. Reads no file.

An error in [node], or in the file as such, makes the whole ini unusable; an error in one
[uplink:x] concerns x alone and is kept in `Settings.broken`.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vzhooks.addresses import family_of
from vzhooks.config import inifile
from vzhooks.config.inifile import Fault, Section, fault
from vzhooks.config.keys import DEVICE, NODE, UPLINK, Key
from vzhooks.config.names import NAME
from vzhooks.config.values import Wrong as _Wrong
from vzhooks.config.values import checks, circle, endpoint, is_usable, mask, networks
from vzhooks.errors import SettingsError
from vzhooks.model import Uplink

BY_ADDRESS = "by-address"
TAKEN_NAMES = ("none", "main", "block", "auto", "unreachable", BY_ADDRESS)
KERNEL_TABLES = (0, 253, 254, 255)
Checks = Mapping[str, Callable[[str], Any]]


@dataclass(frozen=True)
class Settings:
    """Hold the node's settings; `broken` maps an uplink's name to what is wrong with it.

    inside: None for auto; seen: by device, the networks that it had when it was last seen, which no ini says;
    metrics: where the daemon answers Prometheus, None for nowhere.
    """

    unassigned: str = "main"
    reserved: tuple[str, ...] = ()
    inside: tuple[str, ...] | None = None
    arp: str = "auto"
    datapath: str = "auto"
    mark_mask: int = 0x00FF0000
    on_error: str = "refuse"
    metrics: tuple[str, int] | None = None
    uplinks: Mapping[str, Uplink] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def declared(self) -> bool:
        """Tell whether any uplink section exists, so that only those names count."""
        return bool(self.uplinks or self.broken)


def parse(text: str, where: str = "vzhooks.ini") -> Settings:
    """Return the settings that the text of an ini holds.

    Raises SettingsError, one line with file, line, section, key and allowed values.
    """
    ini = _Ini(text, where)
    if ini.faults:
        raise SettingsError(min(ini.faults, key=_line).text)
    return Settings(uplinks=ini.uplinks, broken={name: found[0].text for name, found in ini.broken.items()}, **ini.node)


def errors(text: str, where: str = "vzhooks.ini") -> tuple[Fault, ...]:
    """Return every error in the text of an ini, in the order of its lines."""
    ini = _Ini(text, where)
    return tuple(sorted([*ini.faults, *(f for found in ini.broken.values() for f in found)], key=_line))


def _line(found: Fault) -> int:
    return found.line


class _Ini:
    """Hold all that one text says.

    inside: errors of form inside an uplink's section; faults: what makes the whole unusable; node: values of
    [node]; uplinks: the sound ones; broken: the errors of each other uplink, by its name.
    """

    def __init__(self, text: str, where: str) -> None:
        self.where = where
        sections, found = inifile.read(text, where)
        self.inside = [f for f in found if f.key and f.section.startswith("uplink:")]
        self.faults = [f for f in found if f not in self.inside]
        self.uplinks: dict[str, Uplink] = {}
        self.broken: dict[str, list[Fault]] = {}
        ups = [(s.name.partition(":")[2].strip(), s) for s in sections if s.name.startswith("uplink:")]
        self.names = [name for name, _ in ups]
        self.faults += [fault(where, s.line, _unknown_section(s), s.name) for s in sections
                        if s.name != "node" and not s.name.startswith("uplink:")]
        self.node = self._node([s for s in sections if s.name == "node"])
        for name, section in ups:
            self._uplink(name, section)

    def _node(self, sections: list[Section]) -> dict[str, Any]:
        section = next(iter(sections), Section("node", 0))
        checks: dict[str, Callable[[str], Any]] = {
            "unassigned": lambda v: _unassigned(v, tuple(dict.fromkeys(self.names))), "reserved": _devices,
            "inside": lambda v: None if v == "auto" else _devices(v), "metrics": endpoint, "mark_mask": mask}
        values, faults = self._values(section, NODE, {**{k: _choice(key) for k, key in NODE.items()}, **checks})
        self.faults += faults
        return values

    def _uplink(self, name: str, section: Section) -> None:
        """Add an uplink to the sound ones or to the broken ones."""
        reserved, others = self.node.get("reserved", ()), [n for n in self.names if n != name]
        keys = {**UPLINK, "device": replace(UPLINK["device"], default=name)}
        values, faults = self._values(section, keys, {
            "device": lambda v: _uplink_device(v, reserved), "gateway": lambda v: _gateway(v, "gateway", 4),
            "gateway6": lambda v: _gateway(v, "gateway6", 6), "backup": lambda v: _backup(v, others), "table": _table,
            "sources": networks, **checks()})
        faults += [f for f in self.inside if f.section == section.name]
        faults = [*self._named(name, section), *sorted(faults, key=_line)] or [
            *self._tabled(section, values["table"]), *self._claimed(section, values["sources"])]
        faults = faults or self._circled(name, section, Uplink(name=name, **values))
        if faults:
            self.broken.setdefault(name, []).extend(faults)
        else:
            self.uplinks[name] = Uplink(name=name, **values)

    def _named(self, name: str, section: Section) -> list[Fault]:
        """Return what is wrong with an uplink's name."""
        reasons = []
        if not NAME.fullmatch(name) or name in TAKEN_NAMES:
            reasons.append(f"{name!r} cannot be an uplink's name; allowed: letters, digits, _ . : -, "
                           f"and none of {', '.join(TAKEN_NAMES)}")
        if self.names.count(name) > 1:
            reasons.append(f"the uplink {name} is named twice; remove one of them")
        return [fault(self.where, section.line, reason, section.name) for reason in reasons]

    def _tabled(self, section: Section, table: int) -> list[Fault]:
        owner = next((u.name for u in self.uplinks.values() if table and u.table == table), "")
        reason = f"is the table of [uplink:{owner}] already; choose another number"
        return [fault(self.where, section.entries["table"].line, reason, section.name, "table", str(table))
                ] if owner else []

    def _claimed(self, section: Section, sources: tuple[str, ...]) -> list[Fault]:
        """Return an error for each network that another uplink has claimed: one that holds it in part is no other."""
        owners = {n: u.name for u in self.uplinks.values() for n in u.sources}
        return [fault(self.where, section.entries["sources"].line, f"is in sources of [uplink:{owners[net]}] already; "
                      "take it from one of the two", section.name, "sources", net) for net in sources if net in owners]

    def _circled(self, name: str, section: Section, uplink: Uplink) -> list[Fault]:
        """Return what is wrong with the last of uplinks that are each other's backups: with it none would be left."""
        line = circle(name, {**self.uplinks, name: uplink})
        reason = f"goes round in a circle: {' -> '.join(line)}; take one backup of these out"
        return [fault(self.where, section.entries["backup"].line, reason, section.name, "backup", uplink.backup)
                ] if line else []

    def _values(self, section: Section, keys: Mapping[str, Key], checks: Checks) -> tuple[dict[str, Any], list[Fault]]:
        """Return a section's checked values, the defaults where it says nothing, and all that is wrong in it."""
        faults = [fault(self.where, entry.line, _unknown_key(key, keys), section.name, key)
                  for key, entry in section.entries.items() if key not in keys]
        values = {}
        for key in keys:
            entry = section.entries.get(key, inifile.Entry(keys[key].default, section.line))
            try:
                values[key] = checks[key](entry.value)
            except _Wrong as error:
                faults.append(fault(self.where, entry.line, str(error), section.name, key, entry.value))
        return values, faults


# -- what is not known ------------------------------------------------------------------------------


def _meant(given: str, allowed: Iterable[str]) -> str:
    """Return a question for what a word with a slip in it was meant to be, "" where that is not known."""
    close = difflib.get_close_matches(given.lower(), list(allowed), 1)
    return f"did you mean {close[0]}? " if close else ""


def _unknown_section(section: Section) -> str:
    name = section.name.strip()
    uplink = re.match(r"up-?links?[\s:.,_-]*(.+)", name, re.IGNORECASE)
    if uplink or (section.entries and section.entries.keys() <= UPLINK.keys()):
        meant = f"did you mean [uplink:{uplink.group(1) if uplink else name}]? "
    else:
        meant = _meant(name, ["node"]).replace("node", "[node]")
    return f"unknown section; {meant}allowed: [node], [uplink:NAME]"


def _unknown_key(key: str, allowed: Mapping[str, Key]) -> str:
    other = "it belongs into [node]; " if key in NODE else "it belongs into an [uplink:NAME]; " if key in UPLINK else ""
    return f"unknown key; {other or _meant(key, allowed)}allowed: {', '.join(allowed)}"


# -- values: each check returns what a value means, or raises _Wrong -----------------------------------


def _choice(key: Key) -> Callable[[str], str]:
    return lambda value: _one_of(value, key.choices)


def _one_of(value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise _Wrong(f"not allowed; {_meant(value, allowed)}allowed: {', '.join(allowed)}")
    return value


def _unassigned(value: str, names: tuple[str, ...]) -> str:
    free = not names and NAME.fullmatch(value) and value not in ("none", "auto", "unreachable")
    return value if free else _one_of(value, ("main", "block", BY_ADDRESS, *names))


def _device(value: str) -> str:
    if not DEVICE.fullmatch(value):
        raise _Wrong(f"not a device's name; allowed: {UPLINK['device'].allowed}")
    return value


def _uplink_device(value: str, reserved: tuple[str, ...]) -> str:
    if value in reserved:
        raise _Wrong("reserved in [node]; name another device or take it off the reserved ones")
    return _device(value)


def _devices(value: str) -> tuple[str, ...]:
    return tuple(_device(v) for v in value.replace(",", " ").split())


def _backup(value: str, others: list[str]) -> str:
    if value and value not in others:
        raise _Wrong(f"no other uplink of this file; {_meant(value, others)}"
                     f"allowed: {', '.join(others) or 'nothing yet'}")
    return value


def _gateway(value: str, key: str, family: int) -> str:
    if value in ("none", "auto"):
        return value
    try:
        address = str(ipaddress.ip_address(value))
    except ValueError:
        address = ""
    if not address or family_of(address) != family or not is_usable(address):
        raise _Wrong(f"not a gateway; {_meant(value, ('none', 'auto'))}allowed: {UPLINK[key].allowed}")
    return address


def _table(value: str) -> int:
    if not value:
        return 0
    if not re.fullmatch(r"[0-9]{1,10}", value) or int(value) in KERNEL_TABLES or int(value) > 0xFFFFFFFF:
        raise _Wrong(f"not a free table; allowed: {UPLINK['table'].allowed}")
    return int(value)
