# SPDX-License-Identifier: GPL-2.0-or-later
"""Our own notes: VEs starting and stopping, who owns which address, table numbers once given.

What concerns VEs is in /run, so it goes when the kernel's state goes; what must stay the same after
a reboot is in /var/lib. Both are replaced as a whole, so a crash leaves the old or the new note.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Callable

from vzhooks.errors import HostError
from vzhooks.harden import FORCED, OFF, ON, VALUES, Hardening
from vzhooks.keys import DEVICE
from vzhooks.model import canonical
from vzhooks.tables import is_key, is_number

STARTING, RUNNING, STOPPING = "starting", "running", "stopping"
NEW = ".vzhooks-new"
"""Ends the name of a file that is not whole yet: no program reads such a one, and no administrator's has it."""


@dataclass(frozen=True)
class Expected:
    """Hold addresses that a running vzctl is about to give a VE, the uplink they get, and since when.

    uplink: None, in what is asked for alone, for the one that they have been promised, else the VE's own.
    """

    uplink: str | None
    addresses: tuple[str, ...]
    since: float = 0.0


@dataclass(frozen=True)
class Record:
    """Hold what we know of one VE: its phase, since when (seconds since boot), what was put in place.

    override: the uplink that `vzhooks set` without --save gave it, until it stops or its config names another one
    than `base`; None for none; devices: its own on the node, by vzctl's data; root: where it is mounted.
    """

    phase: str
    since: float
    uplink: str = ""
    addresses: tuple[str, ...] = ()
    override: str | None = None
    expected: Expected | None = None
    base: str = ""
    devices: tuple[str, ...] = ()
    root: str = ""

    @property
    def all(self) -> tuple[str, ...]:
        """Return the addresses it has and those it is about to get."""
        return self.addresses + (self.expected.addresses if self.expected else ())


Records = Mapping[str, Record]


def load_ves(path: str) -> dict[str, Record]:
    """Return the records of VEs; an absent file is an empty one.

    Raises HostError where it is there and cannot be read: that must not look like "no VEs".
    """
    return _checked(path, lambda data: {_ctid(ctid): _record(**r) for ctid, r in data.items()}, "resync")


def _ctid(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}", text):
        raise ValueError(text)
    return text


def _record(phase: str, since: float, uplink: str, addresses: list[str], override: str | None = None,
            expected: dict | None = None, base: str = "", devices: list[str] = [], root: str = "") -> Record:  # noqa: B006
    _check_texts(devices, phase, uplink, override or "", base, root)
    if not all(DEVICE.fullmatch(d) for d in devices):
        raise ValueError(devices)
    if phase not in (STARTING, RUNNING, STOPPING):
        raise ValueError(phase)
    later = _expected(**expected) if expected else None
    return Record(phase, _seconds(since), uplink, _addresses(addresses), override, later, base, tuple(devices), root)


def _expected(uplink: str, addresses: list[str], since: float) -> Expected:
    _check_texts([], uplink)
    return Expected(uplink, _addresses(addresses), _seconds(since))


def _seconds(number: Any) -> float:
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
    _save(path, {ctid: asdict(r) for ctid, r in sorted(records.items())})


def load_tables(path: str) -> dict[str, int]:
    """Return the table numbers given so far, by key; raises HostError as `load_ves`."""
    def check(data: dict) -> dict[str, int]:
        if not all(is_key(k) and is_number(n) for k, n in data.items()):
            raise ValueError(data)
        return data
    return _checked(path, check, "resync")


def save_tables(path: str, tables: Mapping[str, int]) -> None:
    """Replace the table numbers."""
    _save(path, dict(sorted(tables.items())))


def load_hardening(path: str) -> Hardening:
    """Return what was decided about hardening; raises HostError as `load_ves`."""
    def check(data: dict) -> Hardening:
        found = Hardening(**data)
        if found.mode not in ("", ON, FORCED, OFF):
            raise ValueError(found.mode)
        return Hardening(found.mode, {_sysctl(key): str(_small(value)) for key, value in found.former.items()})
    return _checked(path, check, "harden")


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
    _save(path, {"mode": hardening.mode, "former": dict(hardening.former)})


def _checked(path: str, check: Callable[[dict], Any], command: str) -> Any:
    """Return what a note holds; raises HostError where it is not as we write it."""
    try:
        return check(_load(path, command))
    except (TypeError, ValueError, AttributeError, OverflowError):
        raise HostError(f"{path}: not as vzhooks writes it; remove it and run `vzhooks {command}`") from None


def _load(path: str, command: str) -> dict:
    try:
        with open(path, encoding="utf-8") as file:
            found = os.fstat(file.fileno())
            if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
                raise HostError(f"{path}: others than root can write it; remove it and run `vzhooks {command}`")
            data = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise HostError(f"{path}: cannot be read ({_short(error)}); remove it and run `vzhooks {command}`") from None
    if not isinstance(data, dict):
        raise TypeError(data)
    return data


def _short(error: Exception) -> str:
    return str(error)[:80] if not isinstance(error, RecursionError) else "nested too deep"


def _save(path: str, data: dict) -> None:
    replace(path, json.dumps(data, indent=1) + "\n", 0o600)


def content(path: str) -> bytes:
    """Return all that is in a file."""
    with open(path, "rb") as file:
        return file.read()


def replace(path: str, text: str | bytes, mode: int) -> None:
    """Put text into a file in one step, making its directory where absent: root's only, as the file is, or open.

    The mode is exact, whatever the umask. Raises HostError, the old file being as it was and nothing
    beside it, where the disk or a right is missing.
    """
    data, temporary = text.encode() if isinstance(text, str) else text, path + NEW
    try:
        os.makedirs(os.path.dirname(path), mode=0o700 if mode == 0o600 else 0o755, exist_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(temporary)
        how = "run vzhooks as root" if isinstance(error, PermissionError) else "mend that and try again"
        raise HostError(f"{path}: cannot be written ({error.strerror}); {how}") from None
