# SPDX-License-Identifier: GPL-2.0-or-later
"""Our own notes: VEs starting and stopping, who owns which address, table numbers once given.

What concerns VEs is in /run, so it goes when the kernel's state goes; what must stay the same after
a reboot is in /var/lib. Both are replaced as a whole, so a crash leaves the old or the new note.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

from vzhooks.errors import HostError
from vzhooks.harden import Hardening

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

    override: the uplink that `vzhooks set` without --save gave it, until it stops; None for none.
    """

    phase: str
    since: float
    uplink: str = ""
    addresses: tuple[str, ...] = ()
    override: str | None = None
    expected: Expected | None = None

    @property
    def all(self) -> tuple[str, ...]:
        """Return the addresses it has and those it is about to get."""
        return self.addresses + (self.expected.addresses if self.expected else ())


Records = Mapping[str, Record]


def load_ves(path: str) -> dict[str, Record]:
    """Return the records of VEs; an absent file is an empty one.

    Raises HostError where it is there and cannot be read: that must not look like "no VEs".
    """
    try:
        return {ctid: _record(**r) for ctid, r in _load(path).items()}
    except (TypeError, ValueError):
        raise HostError(f"{path}: not as vzhooks writes it; remove it and run `vzhooks resync`") from None


def _record(phase: str, since: float, uplink: str, addresses: list[str], override: str | None = None,
            expected: dict | None = None) -> Record:
    _check_texts(addresses, phase, uplink, override or "")
    return Record(phase, float(since), uplink, tuple(addresses), override, _expected(**expected) if expected else None)


def _expected(uplink: str, addresses: list[str], since: float) -> Expected:
    _check_texts(addresses, uplink)
    return Expected(uplink, tuple(addresses), float(since))


def _check_texts(addresses: list[str], *texts: str) -> None:
    if not (isinstance(addresses, list) and all(isinstance(t, str) for t in (*texts, *addresses))):
        raise TypeError(addresses)


def save_ves(path: str, records: Records) -> None:
    """Replace the records of VEs."""
    _save(path, {ctid: asdict(r) for ctid, r in sorted(records.items())})


def load_tables(path: str) -> dict[str, int]:
    """Return the table numbers given so far, by key; raises HostError as `load_ves`."""
    tables = _load(path)
    if not all(isinstance(n, int) for n in tables.values()):
        raise HostError(f"{path}: not as vzhooks writes it; remove it and run `vzhooks resync`")
    return tables


def save_tables(path: str, tables: Mapping[str, int]) -> None:
    """Replace the table numbers."""
    _save(path, dict(sorted(tables.items())))


def load_hardening(path: str) -> Hardening:
    """Return what was decided about hardening; raises HostError as `load_ves`."""
    data = _load(path)
    try:
        found = Hardening(**data)
        former = {str(key): str(int(value)) for key, value in found.former.items()}
        return Hardening(str(found.mode), former)
    except (TypeError, ValueError, AttributeError):
        raise HostError(f"{path}: not as vzhooks writes it; remove it and run `vzhooks harden`") from None


def save_hardening(path: str, hardening: Hardening) -> None:
    """Replace what was decided about hardening."""
    _save(path, {"mode": hardening.mode, "former": dict(hardening.former)})


def _load(path: str) -> dict:
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise HostError(f"{path}: cannot be read ({error}); remove it and run `vzhooks resync`") from None
    if not isinstance(data, dict):
        raise HostError(f"{path}: not as vzhooks writes it; remove it and run `vzhooks resync`")
    return data


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
