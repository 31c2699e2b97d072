# SPDX-License-Identifier: GPL-2.0-or-later
"""Our own notes: VEs starting and stopping, who owns which address, table numbers once given.

What concerns VEs is in /run, so it goes when the kernel's state goes; what must stay the same after
a reboot is in /var/lib. Both are replaced as a whole, or get lines behind them that count once they have an end, so a
crash leaves the old or the new note.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import asdict, replace
from ipaddress import ip_network
from typing import Any, Callable

from vzhooks.addresses import canonical
from vzhooks.config.keys import DEVICE
from vzhooks.config.names import listed
from vzhooks.errors import HostError
from vzhooks.node import files
from vzhooks.node.given import MAX_BYTES
from vzhooks.policy.harden import FORCED, OFF, ON, VALUES, Hardening
from vzhooks.policy.records import RUNNING, STARTING, STOPPING, Expected, Record, Records
from vzhooks.policy.tables import is_key, is_number
from vzhooks.policy.trial import Trial

NOT_OURS = (TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What reading raises where a note is not as we write it."""


def load_ves(path: str) -> dict[str, Record]:
    """Return the records of VEs; an absent file is an empty one.

    Raises HostError where it is there and cannot be read: that must not look like "no VEs".
    """
    return checked(path, lambda data: {_ctid(ctid): record_of(**r) for ctid, r in data.items()}, "resync", _followed)


def _followed(text: str) -> dict:
    """Return what a note says with the lines of `add_records` behind it, of which one that was cut short is none."""
    data, end = json.JSONDecoder().raw_decode(text)
    *lines, rest = text[end:].lstrip("\n").split("\n")
    if not (isinstance(data, dict) and rest.startswith('{"'[:len(rest)])):
        raise ValueError(rest[:20])
    for line in lines:
        data.update(json.loads(line))
    return {ctid: record for ctid, record in data.items() if record is not None}


def _ctid(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}", text):
        raise ValueError(text)
    return text


def record_of(phase: str, since: float, uplink: str, addresses: list[str], override: str | None = None,
            expected: dict | None = None, base: str = "", devices: list[str] = [], root: str = "") -> Record:  # noqa: B006
    """Return the record that such a note means; raises ValueError or TypeError for what we do not write."""
    _check_texts(devices, phase, uplink, override or "", base, root)
    if not all(DEVICE.fullmatch(d) for d in devices):
        raise ValueError(devices)
    if phase not in (STARTING, RUNNING, STOPPING):
        raise ValueError(phase)
    later = _expected(**expected) if expected else None
    return Record(phase, seconds(since), listed(uplink), _addresses(addresses), override and listed(override), later,
                  listed(base), tuple(devices), root)


def _expected(uplink: str, addresses: list[str], since: float) -> Expected:
    _check_texts([], uplink)
    return Expected(listed(uplink), _addresses(addresses), seconds(since))


def seconds(number: Any) -> float:
    """Return a number of seconds that a note holds; raises ValueError for anything else."""
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number < 1e12:
        raise ValueError(number)
    return float(number)


def _addresses(texts: list[str]) -> tuple[str, ...]:
    _check_texts(texts)
    if any(canonical(t) != t for t in texts):
        raise ValueError(texts)
    return tuple(texts)


def _check_texts(more: list[str], *texts: str) -> None:
    if not (isinstance(more, list) and all(isinstance(t, str) and len(t) < 4096 for t in (*texts, *more))):
        raise TypeError(more)


def save_ves(path: str, records: Records) -> None:
    """Replace the records of VEs."""
    save_texts(path, {ctid: text_of(ctid, record) for ctid, record in records.items()})


def text_of(ctid: str, record: Record) -> str:
    """Return one record as it stands in the file, a line."""
    later = vars(record.expected) if record.expected else None
    return f" {json.dumps(ctid)}: {json.dumps({**vars(record), 'expected': later})}"


def save_texts(path: str, texts: Mapping[str, str]) -> None:
    """Replace the records of VEs by these texts of `text_of`."""
    rows = ",\n".join(text for _, text in sorted(texts.items()))
    files.replace(path, f"{{\n{rows}\n}}\n" if rows else "{}\n", 0o600)


def add_records(path: str, changed: Mapping[str, Record | None]) -> None:
    """Write behind the records of VEs what became of some, None for one that is gone: one line each, all or none.

    For who wrote the file last, and knows that it ends as it should. A node with thousands of VEs has a megabyte of
    records. Raises HostError, the file being as it was.
    """
    lines = (json.dumps({ctid: record and asdict(record)}) + "\n" for ctid, record in changed.items())
    files.extend(path, "".join(lines))


def load_tables(path: str) -> dict[str, int]:
    """Return the table numbers given so far, by key; raises HostError as `load_ves`."""
    def check(data: dict) -> dict[str, int]:
        if not all(is_key(k) and is_number(n) for k, n in data.items()):
            raise ValueError(data)
        return data
    return checked(path, check, "resync")


def save_tables(path: str, tables: Mapping[str, int]) -> None:
    """Replace the table numbers."""
    save(path, dict(sorted(tables.items())))


def load_networks(path: str) -> dict[str, tuple[str, ...]]:
    """Return the networks that LAN NICs had when they were last seen; raises HostError as `load_ves`."""
    def check(data: dict) -> dict[str, tuple[str, ...]]:
        for networks in data.values():
            _check_texts(networks)
        if not all(DEVICE.fullmatch(d) and str(ip_network(n)) == n for d, nets in data.items() for n in nets):
            raise ValueError(data)
        return {device: tuple(networks) for device, networks in data.items()}
    return checked(path, check, "resync")


def save_networks(path: str, networks: Mapping[str, tuple[str, ...]]) -> None:
    """Replace the networks of LAN NICs."""
    save(path, dict(sorted(networks.items())))


def load_hardening(path: str) -> Hardening:
    """Return what was decided about hardening; raises HostError as `load_ves`."""
    return checked(path, _hardening, "harden")


def _hardening(data: dict) -> Hardening:
    found = Hardening(**data)
    if found.mode not in ("", ON, FORCED, OFF):
        raise ValueError(found.mode)
    former = {_sysctl(key): str(_small(value)) for key, value in found.former.items()}
    return Hardening(found.mode, former, str(_small(found.unmarked)) if found.unmarked else "")


def _sysctl(key: str) -> str:
    """Return a key that hardening may write: anything else in the note is not of us."""
    parts = key.split("/")
    if len(parts) != 5 or parts[:3] != ["net", "ipv4", "conf"] or parts[3] in ("", ".", "..") or parts[4] not in VALUES:
        raise ValueError(key)
    return key


def _small(value: Any) -> int:
    if isinstance(value, (bool, float)) or not 0 <= int(value) <= 9:
        raise ValueError(value)
    return int(value)


def save_hardening(path: str, hardening: Hardening) -> None:
    """Replace what was decided about hardening."""
    save(path, as_data(hardening))


def as_data(hardening: Hardening) -> dict[str, Any]:
    """Return what was decided about hardening as a note has it."""
    more = {"unmarked": hardening.unmarked} if hardening.unmarked else {}
    return {"mode": hardening.mode, "former": dict(hardening.former), **more}


def load_let(path: str) -> frozenset[str]:
    """Return the packets ("source destination") that --force let be lost once; raises HostError as `load_ves`."""
    def check(data: dict) -> frozenset[str]:
        packets = data.get("lost", [])
        _check_texts(packets)
        if not all(all(canonical(a) == a for a in p.split(" ") if a) for p in packets):
            raise ValueError(packets)
        return frozenset(packets)
    return checked(path, check, "resync --force")


def save_let(path: str, packets: frozenset[str]) -> None:
    """Replace the packets that --force let be lost."""
    save(path, {"lost": sorted(packets)})


def load_trial(path: str) -> Trial | None:
    """Return what is on trial, None for nothing; raises HostError as `load_ves`."""
    def check(data: dict) -> Trial | None:
        return _trial(**data) if data else None
    return checked(path, check, "resync")


def _trial(token: str, until: float, boot: str, tried: str | None, file: str, before: str | None,
           uplinks: dict[str, list[str]], hardening: dict, returned: bool) -> Trial:
    _check_texts([], token, boot, file)
    if not all(text is None or (isinstance(text, str) and len(text) <= MAX_BYTES) for text in (tried, before)):
        raise TypeError(tried)
    for pair in uplinks.values():
        _check_texts(pair)
    moved = {_ctid(ctid): (before, after) for ctid, (before, after) in uplinks.items()}
    return Trial(token, seconds(until), boot, tried, file, before, moved, _hardening(hardening), returned is True)


def save_trial(path: str, trial: Trial) -> None:
    """Replace the note of what is on trial."""
    save(path, {**asdict(replace(trial, uplinks={}, hardening=Hardening())), "uplinks": dict(trial.uplinks),
                 "hardening": as_data(trial.hardening)})


def checked(path: str, check: Callable[[dict], Any], command: str, read: Callable[[str], Any] = json.loads) -> Any:
    """Return what a note holds; raises HostError where it is not as we write it."""
    try:
        return check(_load(path, command, read))
    except NOT_OURS:
        raise not_ours(path, command) from None


def not_ours(path: str, command: str) -> HostError:
    """Return what to raise where a note is not as we write it."""
    return HostError(f"{path}: not as vzhooks writes it; remove it and run `vzhooks {command}`")


def _load(path: str, command: str, read: Callable[[str], Any]) -> dict:
    text = text_in(path, command)
    try:
        data = {} if text is None else read(text)
    except (ValueError, RecursionError) as error:
        raise HostError(f"{path}: cannot be read ({_short(error)}); remove it and run `vzhooks {command}`") from None
    if not isinstance(data, dict):
        raise TypeError(data)
    return data


def text_in(path: str, command: str) -> str | None:
    """Return what is in a note, None where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            found = os.fstat(file.fileno())
            if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
                raise HostError(f"{path}: others than root can write it; remove it and run `vzhooks {command}`")
            return file.read()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise HostError(f"{path}: cannot be read ({_short(error)}); remove it and run `vzhooks {command}`") from None


def _short(error: Exception) -> str:
    return str(error)[:80] if not isinstance(error, RecursionError) else "nested too deep"


def save(path: str, data: dict) -> None:
    """Replace a note of ours."""
    files.replace(path, json.dumps(data, indent=1) + "\n", 0o600)
