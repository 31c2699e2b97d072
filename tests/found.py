# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole state of a node, to hold that it is found again: kernel, sysctls, and every file with mode and owner."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from tests.lab.hostfs import EMPTY, EMPTY_OF, OVERLAID, UPPER
from tests.site import Site, unordered

# What vzctl itself writes as it goes, and counters.
NOT_OURS = ("/var/log/vzctl.log", "/vz")
COUNTERS = ("nf_conntrack_count",)


def fresh(site: Site) -> None:
    """Make the node one that never had vzhooks: no directories of ours either."""
    for path in ("/var/lib/vzhooks", "/run/vzhooks"):
        site.hn("sh", "-c", f"umount {path} && rmdir {path}")


def everything(site: Site) -> dict[str, object]:
    """Return rules, routes, published addresses, nft, all network sysctls, and all files the node has of its own."""
    return {**unordered(site.state()), "sysctls": site.node.hn.call(_sysctls), "files": _files(site)}


def differs(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """Return what is not the same, one line each, so that a failing test says what was left."""
    lines = []
    for part in before:
        old, new = _lines(before[part]), _lines(after[part])
        lines += [f"{part}: gone: {line}" for line in old if line not in new]
        lines += [f"{part}: left: {line}" for line in new if line not in old]
        lines += [f"{part}: order or number"] if not lines and old != new else []
    return lines


def _lines(part: object) -> list[str]:
    return [f"{k} {v}" for k, v in sorted(part.items())] if isinstance(part, dict) else list(part)  # type: ignore


def _sysctls() -> dict[str, str]:
    found = {}
    for folder, _, names in os.walk("/proc/sys/net"):
        for name in names:
            path = os.path.join(folder, name)
            try:
                with open(path, encoding="latin-1") as file:
                    found[path] = file.read()
            except OSError:  # some can only be written, some only under conditions
                continue
    return {path: value for path, value in found.items() if not path.endswith(COUNTERS)}


def _files(site: Site) -> dict[str, tuple]:
    """Return what the node wrote over the machine's own files, and what lies in its private directories."""
    root, found = site.node.hn.path("/"), {}
    for tree in OVERLAID:
        for name, entry in _tree(root / UPPER.lstrip("/") / f"{tree}-upper", f"/{tree}"):
            # A directory is copied whenever something is put into it; that is no change.
            if not os.path.lexists(name) or _entry(Path(name)) != entry:
                found[name] = entry
    for folder in {*EMPTY, *(folder for more in EMPTY_OF.values() for folder in more)}:
        found.update(_tree(root / folder.lstrip("/"), folder))
    return {name: entry for name, entry in found.items() if not name.startswith(NOT_OURS)}


def _tree(top: Path, name: str) -> list[tuple[str, tuple]]:
    return [(f"{name}/{path.relative_to(top)}", _entry(path)) for path in sorted(top.rglob("*"))]


def _entry(path: Path) -> tuple:
    """Return type, mode, owner and content; of the time nothing."""
    seen = path.lstat()
    content = os.readlink(path) if stat.S_ISLNK(seen.st_mode) else ""
    if stat.S_ISREG(seen.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    return oct(seen.st_mode), seen.st_uid, seen.st_gid, content
