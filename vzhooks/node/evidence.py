# SPDX-License-Identifier: GPL-2.0-or-later
"""See which VEs live: mounts, vzctl's locks and its lists of addresses. Reads as data, executes nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from vzhooks.config import vzconf
from vzhooks.node.host import CTID, Paths, listing, read
from vzhooks.policy.evidence import Evidence

STARTING_VERBS = ("start", "restart", "mount", "restore", "resume")


def evidence(paths: Paths, roots: Mapping[str, str], listed: Mapping[str, tuple[str, ...]]) -> Evidence:
    """Return what files show of VEs that live; `roots` is the VE_ROOT by VE, `listed` of `veip`."""
    locks = _locks(paths)
    return Evidence(
        mounted=_mounted(roots),
        starting=frozenset(c for c, verb in locks.items() if verb in STARTING_VERBS),
        locked=frozenset(locks),
        veip=listed,
        looked=frozenset(roots),
    )


def is_openvz9(paths: Paths) -> bool:
    """Tell whether libvzctl keeps its state here."""
    return os.path.isdir(paths.veip9)


def _mounted(roots: Mapping[str, str]) -> frozenset[str]:
    text = read("/proc/self/mountinfo").decode("utf-8", "surrogateescape")
    # proc(5): the fifth field is the mount point, blanks and such as \040.
    points = {re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), line.split(" ")[4])
              for line in text.splitlines()}
    # The kernel shows where a link such as /vz -> /mnt/vz really leads.
    return frozenset(c for c, root in roots.items() if os.path.realpath(root) in points)


def veip(paths: Paths) -> dict[str, tuple[str, ...]]:
    """Return the addresses by VE that vzctl keeps a list of; it may outlive them."""
    found: dict[str, tuple[str, ...]] = {}
    for folder in (paths.veip4, paths.veip9):
        for ctid in listing(folder):
            if CTID.fullmatch(ctid):
                tokens = _text_or_empty(os.path.join(folder, ctid)).split()
                found[ctid] = tuple(dict.fromkeys(found.get(ctid, ()) + vzconf.addresses_in(tokens)))
    return found


def _text_or_empty(path: str) -> str:
    try:
        return read(path).decode("ascii", "replace")
    except (FileNotFoundError, IsADirectoryError):
        return ""  # removed between listing and reading: the VE stopped; or none of vzctl's


def _locks(paths: Paths) -> dict[str, str]:
    """Return the verb of the live vzctl that holds each VE's lock file; a stale lock counts for nothing."""
    found = {}
    for folder in lock_dirs(paths):
        for name in listing(folder):
            ctid, ext = os.path.splitext(name)
            text = _text_or_empty(os.path.join(folder, name)) if ext == ".lck" else ""
            words = _cmdline(text.split("\n")[0].strip())
            if words:
                found[ctid] = next((w for w in words[1:] if not w.startswith("-")), "")
    return found


def is_locked(paths: Paths, ctid: str) -> bool:
    """Tell whether a live vzctl holds the VE's lock file."""
    return ctid in _locks(paths)


def lock_dirs(paths: Paths) -> list[str]:
    """Return where vzctl may keep its lock files: LOCKDIR of vz.conf, else both defaults."""
    given = node_value(paths, "LOCKDIR")
    return [paths.root + d for d in ([given] if given else ["/vz/lock", "/var/lib/vz/lock"])]


def node_value(paths: Paths, name: str) -> str:
    """Return what vz.conf says for all VEs that do not say otherwise, "" for nothing."""
    lines = re.findall(rf"^\s*{name}=(.*)$", _text_or_empty(paths.vz_conf), re.MULTILINE)
    return vzconf.value_of(lines[-1]) if lines else ""


def _cmdline(pid: str) -> list[str]:
    if not pid.isdigit():
        return []
    try:
        return read(f"/proc/{pid}/cmdline").decode("utf-8", "replace").rstrip("\0").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
