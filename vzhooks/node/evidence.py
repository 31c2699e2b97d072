# SPDX-License-Identifier: GPL-2.0-or-later
"""See which VEs live: mounts, vzctl's locks and its lists of addresses. Reads as data, executes nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from vzhooks.config import vzconf
from vzhooks.node import mounts
from vzhooks.node.host import CTID, Paths, listing, read
from vzhooks.policy.evidence import Evidence

STARTING_VERBS = ("start", "restart", "mount", "restore", "resume")


def evidence(roots: Mapping[str, str], listed: Mapping[str, tuple[str, ...]], lock_folders: list[str]) -> Evidence:
    """Return what files show of VEs that live; `roots` is the VE_ROOT by VE, `listed` of `veip`."""
    locks = _locks(lock_folders)
    return Evidence(
        mounted=mounts.points(roots),
        starting=frozenset(c for c, verb in locks.items() if verb in STARTING_VERBS),
        locked=frozenset(locks),
        veip=listed,
        looked=frozenset(roots),
    )


def is_openvz9(paths: Paths) -> bool:
    """Tell whether libvzctl keeps its state here."""
    return os.path.isdir(paths.veip9)


def veip(paths: Paths, ctids: Iterable[str] | None = None) -> dict[str, tuple[str, ...]]:
    """Return the addresses by VE that vzctl keeps a list of, of these VEs alone; it may outlive them."""
    found: dict[str, tuple[str, ...]] = {}
    for folder in (paths.veip4, paths.veip9):
        for ctid in listing(folder) if ctids is None else ctids:
            if CTID.fullmatch(ctid):
                tokens = _text_or_empty(os.path.join(folder, ctid)).split()
                found[ctid] = tuple(dict.fromkeys(found.get(ctid, ()) + vzconf.addresses_in(tokens)))
    return found


def _text_or_empty(path: str) -> str:
    try:
        return read(path).decode("ascii", "replace")
    except (FileNotFoundError, IsADirectoryError):
        return ""  # removed between listing and reading: the VE stopped; or none of vzctl's


def _locks(folders: list[str]) -> dict[str, str]:
    """Return the verb of the live vzctl that holds each VE's lock file; a stale lock counts for nothing."""
    found = {}
    for folder in folders:
        for name in listing(folder):
            ctid, ext = os.path.splitext(name)
            text = _text_or_empty(os.path.join(folder, name)) if ext == ".lck" else ""
            words = _cmdline(text.split("\n")[0].strip())
            if words:
                found[ctid] = next((w for w in words[1:] if not w.startswith("-")), "")
    return found


def is_locked(folders: list[str], ctid: str) -> bool:
    """Tell whether a live vzctl holds the VE's lock file in one of these folders."""
    return ctid in _locks(folders)


def vz_conf(paths: Paths) -> dict[str, str]:
    """Return what vz.conf says for all VEs that do not say otherwise, by key; empty without the file."""
    lines = re.findall(r"^\s*([A-Z_]+)=(.*)$", _text_or_empty(paths.vz_conf), re.MULTILINE)
    return {key: vzconf.value_of(value) for key, value in lines}


def lock_dirs(paths: Paths, said: Mapping[str, str]) -> list[str]:
    """Return where vzctl may keep its lock files: LOCKDIR of vz.conf, else both defaults."""
    given = said.get("LOCKDIR", "")
    return [paths.root + d for d in ([given] if given else ["/vz/lock", "/var/lib/vz/lock"])]


def _cmdline(pid: str) -> list[str]:
    if not pid.isdigit():
        return []
    try:
        return read(f"/proc/{pid}/cmdline").decode("utf-8", "replace").rstrip("\0").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
