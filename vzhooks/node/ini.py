# SPDX-License-Identifier: GPL-2.0-or-later
"""Load the node's ini safely: who may write it, and the last good copy for hooks."""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from dataclasses import replace

from vzhooks.config import settings
from vzhooks.config.settings import Settings
from vzhooks.errors import HostError, SettingsError
from vzhooks.node import files, given
from vzhooks.node.host import Paths

AWAY_S = 1.0


def load(paths: Paths, keep: bool = True) -> Settings:
    """Return the settings of the ini, the defaults without one, and keep a good copy.

    Raises SettingsError where the ini cannot be used or trusted.
    """
    found = text(paths)
    if found is None:
        if keep:
            _forget(paths.good_ini)
        return Settings()
    used = settings.parse(found, paths.ini)
    if keep and not used.broken and copy(paths) != found:
        with suppress(HostError):  # a full disk must not stop a run that has all it needs
            files.replace(paths.good_ini, found, 0o600)
    return used


def keep(paths: Paths, tried: str) -> None:
    """Keep a text that is the ini now as the good copy, where it has no error; "" is that of no ini."""
    if not tried and not os.path.lexists(paths.ini):
        _forget(paths.good_ini)
    elif not settings.parse(tried, paths.ini).broken:
        files.replace(paths.good_ini, tried, 0o600)


def write(paths: Paths, new: str) -> None:
    """Put a text in the ini's place: through its link, with the mode and owner that it had; raises HostError."""
    path = os.path.realpath(paths.ini)
    try:
        found = os.stat(path)
    except OSError:
        return files.replace(path, new, 0o644)
    files.replace(path, new, stat.S_IMODE(found.st_mode))
    with suppress(OSError):
        os.chown(path, found.st_uid, found.st_gid)


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
    while not os.path.lexists(paths.ini) and copy(paths) is not None and time.monotonic() < until:
        time.sleep(0.05)


def text(paths: Paths) -> str | None:
    """Return the text of the ini, None where there is none; raises SettingsError where it cannot be read or trusted."""
    if not os.path.lexists(paths.ini) and copy(paths) is None:
        return None
    try:
        check_writers(paths)
        found = given.text(given.content(paths.ini), paths.ini)
    except FileNotFoundError:
        if os.path.islink(paths.ini):
            raise SettingsError(f"{paths.ini}: the link leads nowhere; mend it or remove it") from None
        return None
    except OSError as error:
        raise SettingsError(f"{paths.ini}: cannot be read ({error.strerror}); vzhooks must run as root") from None
    if not found.strip("\ufeff \t\r\n") and copy(paths):
        raise SettingsError(f"{paths.ini}: empty, though it was not before; write it anew, or remove the file")
    return found


def check_writers(paths: Paths) -> None:
    """Raise SettingsError where others than root can write the ini: they could send a customer's traffic anywhere."""
    for path in (os.path.dirname(paths.ini), paths.ini):
        found = os.stat(path)
        if found.st_uid != 0 or stat.S_IMODE(found.st_mode) & 0o022:
            raise SettingsError(f"{path}: others than root can write it; chown root and chmod go-w it")


def _good(paths: Paths) -> Settings | None:
    """Return what the good copy says; none where there is none, or one that is good no more."""
    kept = copy(paths)
    try:
        return None if kept is None else settings.parse(kept, paths.good_ini)
    except SettingsError:
        return None


def copy(paths: Paths) -> str | None:
    """Return the last good copy's text, None without one."""
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
