# SPDX-License-Identifier: GPL-2.0-or-later
"""Turn the text of the node's ini into checked values. Reads no file.

An error in [node], or in the file as such, makes the whole ini unusable; an error in one
[uplink:x] concerns x alone and is kept in `Settings.broken`.
"""

from __future__ import annotations

import configparser
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vzhooks.errors import SettingsError
from vzhooks.keys import NODE, UPLINK, Key
from vzhooks.model import Uplink, family_of

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}")
# IFNAMSIZ is 16 with the closing NUL; the letters are those that nft(8) takes literally.
DEVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@-]{0,14}")
TAKEN_NAMES = ("none", "main", "block", "auto", "unreachable")
KERNEL_TABLES = (0, 253, 254, 255)



@dataclass(frozen=True)
class Settings:
    """Hold the node's settings; `broken` maps an uplink's name to what is wrong with it."""

    unassigned: str = "main"
    reserved: tuple[str, ...] = ()
    arp: str = "auto"
    datapath: str = "rule"
    on_error: str = "refuse"
    uplinks: Mapping[str, Uplink] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)

    @property
    def declared(self) -> bool:
        """Tell whether any uplink section exists, so that only those names count."""
        return bool(self.uplinks or self.broken)


def parse(text: str, where: str = "vzhooks.ini") -> Settings:
    """Return the settings that the text of an ini holds.

    Raises SettingsError, one line with file, section, key and allowed values.
    """
    ini = _read(text, where)
    known = [s for s in ini.sections() if s == "node" or s.startswith("uplink:")]
    for section in ini.sections():
        if section not in known:
            raise SettingsError(f"{where}: [{section}]: unknown section; allowed: [node], [uplink:NAME]")
    uplinks, broken = _uplinks(ini, where)
    node = _node(dict(ini["node"]) if "node" in ini else {}, f"{where}: [node]", (*uplinks, *broken))
    for name, uplink in list(uplinks.items()):
        if uplink.device in node["reserved"]:
            del uplinks[name]
            broken[name] = (f"{where}: [uplink:{name}] device = {uplink.device}: reserved in [node]; "
                            "name another device or take it off the reserved ones")
    return Settings(uplinks=uplinks, broken=broken, **node)


def _read(text: str, where: str) -> configparser.ConfigParser:
    ini = configparser.ConfigParser(interpolation=None, default_section="\0",
                                    inline_comment_prefixes=(";", "#"))
    try:
        ini.read_string(text, source=where)
    except configparser.Error as error:
        line = " ".join(str(error).split())
        raise SettingsError(f"{where}: not a valid ini: {line}; correct that line") from None
    return ini


def _node(given: dict[str, str], where: str, names: tuple[str, ...]) -> dict[str, Any]:
    _check_keys(given, NODE, where)
    values = {name: given.get(name, key.default) for name, key in NODE.items()}
    for name in values:
        if NODE[name].choices:
            _choice(values[name], f"{where} {name}", NODE[name].choices)
    return {**values, "unassigned": _unassigned(values["unassigned"], f"{where} unassigned", names),
            "reserved": _devices(values["reserved"], f"{where} reserved")}


def _uplinks(ini: configparser.ConfigParser, where: str) -> tuple[dict[str, Uplink], dict[str, str]]:
    uplinks: dict[str, Uplink] = {}
    broken: dict[str, str] = {}
    tables: dict[int, str] = {}
    names = [s.partition(":")[2].strip() for s in ini.sections() if s.startswith("uplink:")]
    for name, section in zip(names, (s for s in ini.sections() if s.startswith("uplink:"))):
        try:
            if names.count(name) > 1:
                raise SettingsError(f"{where}: [{section}]: the uplink {name} is named twice; remove one of them")
            uplink = _uplink(name, dict(ini[section]), f"{where}: [{section}]", names)
            if uplink.table and tables.setdefault(uplink.table, name) != name:
                raise SettingsError(f"{where}: [{section}] table = {uplink.table}: is the table of "
                                    f"[uplink:{tables[uplink.table]}] already; choose another number")
            uplinks[name] = uplink
        except SettingsError as error:
            broken[name] = str(error)
    return uplinks, broken


def _uplink(name: str, given: dict[str, str], where: str, names: list) -> Uplink:
    if not NAME.fullmatch(name) or name in TAKEN_NAMES:
        raise SettingsError(f"{where}: {name!r} cannot be an uplink's name; allowed: letters, digits, "
                            f"_ . : -, and none of {', '.join(TAKEN_NAMES)}")
    _check_keys(given, UPLINK, where)
    values = {name: given.get(name, key.default) for name, key in UPLINK.items()}
    backup = values["backup"]
    if backup and (backup == name or backup not in names):
        raise SettingsError(f"{where} backup = {backup}: no other uplink of this file; "
                            f"allowed: {', '.join(n for n in names if n != name) or 'nothing yet'}")
    return Uplink(
        name=name,
        device=_device(given.get("device", name), f"{where} device"),
        gateway=_gateway(values["gateway"], f"{where} gateway", 4),
        gateway6=_gateway(values["gateway6"], f"{where} gateway6", 6),
        backup=backup,
        table=_table(values["table"], f"{where} table"),
    )


def _check_keys(given: dict[str, str], allowed: Mapping[str, Key], where: str) -> None:
    for key in given:
        if key not in allowed:
            raise SettingsError(f"{where} {key}: unknown key; allowed: {', '.join(allowed)}")


def _choice(value: str, where: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise SettingsError(f"{where} = {value}: not allowed; allowed: {', '.join(allowed)}")
    return value


def _unassigned(value: str, where: str, names: tuple[str, ...]) -> str:
    free = not names and NAME.fullmatch(value) and value not in ("none", "auto", "unreachable")
    if value not in ("main", "block", *names) and not free:
        raise SettingsError(f"{where} = {value}: not allowed; allowed: {', '.join(('main', 'block', *names))}")
    return value


def _device(value: str, where: str) -> str:
    if not DEVICE.fullmatch(value):
        raise SettingsError(f"{where} = {value}: not a device's name; allowed: {UPLINK['device'].allowed}")
    return value


def _devices(value: str, where: str) -> tuple[str, ...]:
    return tuple(_device(v, where) for v in value.replace(",", " ").split())


def _gateway(value: str, where: str, family: int) -> str:
    if value in ("none", "auto"):
        return value
    try:
        address = str(ipaddress.ip_address(value))
    except ValueError:
        address = ""
    if not address or family_of(address) != family or not _usable(address):
        allowed = UPLINK["gateway" if family == 4 else "gateway6"].allowed
        raise SettingsError(f"{where} = {value}: not a gateway; allowed: {allowed}")
    return address


def _usable(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return not (ip.is_multicast or ip.is_unspecified or ip.is_loopback)


def _table(value: str, where: str) -> int:
    if not value:
        return 0
    if not re.fullmatch(r"[0-9]{1,10}", value) or int(value) in KERNEL_TABLES or int(value) > 0xFFFFFFFF:
        raise SettingsError(f"{where} = {value}: not a free table; allowed: {UPLINK['table'].allowed}")
    return int(value)


