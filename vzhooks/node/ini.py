# SPDX-License-Identifier: GPL-2.0-or-later
"""Load the node's ini safely: who may write it, and the last good copy for hooks."""

from __future__ import annotations

import os
import re
import stat
import time
from contextlib import suppress
from dataclasses import replace

from vzhooks.config import settings
from vzhooks.config.settings import Settings
from vzhooks.errors import HostError, SettingsError
from vzhooks.node import files
from vzhooks.node.host import Paths

AWAY_S = 1.0


def load(paths: Paths, keep: bool = True) -> Settings:
    """Return the settings of the ini, the defaults without one, and keep a good copy.

    Raises SettingsError where the ini cannot be used or trusted.
    """
    text = _text(paths)
    if text is None:
        if keep:
            _forget(paths.good_ini)
        return Settings()
    found = settings.parse(text, paths.ini)
    if keep and not found.broken and _copy(paths) != text:
        with suppress(HostError):  # a full disk must not stop a run that has all it needs
            files.replace(paths.good_ini, text, 0o600)
    return found


def has_metrics(paths: Paths) -> bool:
    """Tell whether the ini has the daemon answer Prometheus; one that cannot be used does not."""
    with suppress(SettingsError, HostError):
        return bool(load_for_hook(paths, keep=False)[0].metrics)
    return False


def load_for_hook(paths: Paths, keep: bool = True) -> tuple[Settings, list[str]]:
    """Return the settings a hook goes by, and warnings: the last good copy for what is wrong in the ini.

    Raises SettingsError where the ini is unusable and there is no copy.
    """
    try:
        _await(paths)
        found = load(paths, keep)
    except SettingsError as error:
        good = _good(paths)
        if good is None:
            raise
        return good, [f"{error}; going by the last good copy until then"]
    good = _good(paths) if found.broken else None
    return _mended(found, good) if good else (found, [])


def _mended(found: Settings, good: Settings) -> tuple[Settings, list[str]]:
    """Return settings whose broken uplinks are as the good copy has them, where the rest allows that."""
    tables = {u.table for u in found.uplinks.values()} - {0}
    kept = {name: good.uplinks[name] for name in found.broken if name in good.uplinks
            and good.uplinks[name].device not in found.reserved and good.uplinks[name].table not in tables}
    broken = {name: why for name, why in found.broken.items() if name not in kept}
    warnings = [f"{found.broken[name]}; going by the last good copy of uplink {name} until then" for name in kept]
    return replace(found, uplinks={**found.uplinks, **kept}, broken=broken), warnings


def _await(paths: Paths) -> None:
    """Give an ini that was there before a moment to come back: editors rename it away and write it anew."""
    until = time.monotonic() + AWAY_S
    while not os.path.lexists(paths.ini) and _copy(paths) is not None and time.monotonic() < until:
        time.sleep(0.05)


def _text(paths: Paths) -> str | None:
    if not os.path.lexists(paths.ini) and _copy(paths) is None:
        return None
    try:
        _check_writers(os.path.dirname(paths.ini))
        _check_writers(paths.ini)
        with open(paths.ini, "rb") as file:
            text = file.read().decode("utf-8")
    except FileNotFoundError:
        if os.path.islink(paths.ini):
            raise SettingsError(f"{paths.ini}: the link leads nowhere; mend it or remove it") from None
        return None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{paths.ini}:{_place(error)} is not UTF-8; write that line anew") from None
    except OSError as error:
        raise SettingsError(f"{paths.ini}: cannot be read ({error.strerror}); vzhooks must run as root") from None
    if not text.strip("\ufeff \t\r\n") and _copy(paths):
        raise SettingsError(f"{paths.ini}: empty, though it was not before; write it anew, or remove the file")
    return text


def _place(error: UnicodeDecodeError) -> str:
    """Return line, byte in the line and value of what is no text."""
    before = re.split(rb"\r\n|\r|\n", error.object[:error.start])
    return f"{len(before)}: byte {len(before[-1]) + 1} (0x{error.object[error.start]:02x})"


def _check_writers(path: str) -> None:
    """Refuse what others than root can write: they could send a customer's traffic anywhere."""
    found = os.stat(path)
    if found.st_uid != 0 or stat.S_IMODE(found.st_mode) & 0o022:
        raise SettingsError(f"{path}: others than root can write it; chown root and chmod go-w it")


def _good(paths: Paths) -> Settings | None:
    """Return what the good copy says; none where there is none, or one that is good no more."""
    text = _copy(paths)
    try:
        return None if text is None else settings.parse(text, paths.good_ini)
    except SettingsError:
        return None


def _copy(paths: Paths) -> str | None:
    try:
        with open(paths.good_ini, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return None


def _forget(path: str) -> None:
    if not os.path.lexists(path):
        return  # a read-only file system refuses to remove even what is not there
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise HostError(f"{path}: cannot be removed ({error.strerror}); vzhooks must run as root") from None
