# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell who besides root can change the code that root runs as vzhooks."""

from __future__ import annotations

import glob
import grp
import os
import pwd
import stat
import sys
from collections.abc import Iterable, Iterator

ROOT = 0
PACKAGES = ("vzhooks*", "pyroute2*")


def untrusted(paths: Iterable[str], above: bool = True) -> list[str]:
    """Return in words what others than root can write: these files, their directories, all on the way to them.

    above: also who owns a directory further up, as that of a checkout; where anybody may write counts in any case.
    """
    owners, found = _owners(), {}
    for path, runs in sorted(_ways(paths).items()):
        fault = _fault(os.lstat(path), runs, owners if runs or above else None)
        if fault:
            found[path] = f"{path} {fault}"
    return list(found.values())


def executed(python: str = "") -> list[str]:
    """Return the files that run as vzhooks: an interpreter and all that it imports.

    Of this one that is what it has imported so far; of another one its own modules, vzhooks and what that needs,
    where an interpreter looks for them, since it is not run for this.
    """
    if python and not _is_this(python):
        return [python, *_imported_by(python)]
    modules = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    ours = [os.path.join(folder, name) for folder, _, names in os.walk(package) for name in names]
    return [python or sys.executable, *filter(os.path.isfile, filter(None, modules)), *ours]


def _is_this(python: str) -> bool:
    """Tell whether an interpreter is the one that runs, and not another environment's link to it."""
    same = os.path.realpath(python) == os.path.realpath(sys.executable)
    return same and os.path.realpath(_above(python)) in map(os.path.realpath, (_above(sys.executable), sys.prefix))


def _above(python: str) -> str:
    return os.path.dirname(os.path.dirname(os.path.abspath(python)))


def _imported_by(python: str) -> Iterator[str]:
    tops = [_above(python), _above(os.path.realpath(python))]
    for top in dict.fromkeys([*tops, *(["/usr/local"] if "/usr" in tops else [])]):
        for folder in glob.glob(f"{glob.escape(top)}/lib*/python3*"):
            yield from glob.glob(f"{glob.escape(folder)}/*.py")
            for packages in glob.glob(f"{glob.escape(folder)}/*-packages"):
                yield from glob.glob(f"{glob.escape(packages)}/*.pth")
                ours = [p for pattern in PACKAGES for p in glob.glob(f"{glob.escape(packages)}/{pattern}")]
                yield from (os.path.join(at, name) for p in ours for at, _, names in os.walk(p) for name in names)


def _ways(paths: Iterable[str]) -> dict[str, bool]:
    """Return every file, link and directory that leads to these, and whether what is in it is run."""
    found: dict[str, bool] = {}
    for path in map(os.path.abspath, paths):
        for hop in _hops(path):
            folder = os.path.dirname(hop)
            found.update({hop: True, folder: True})
            while folder != os.path.dirname(folder):
                folder = os.path.dirname(folder)
                found.setdefault(folder, False)
    return {path: runs for path, runs in found.items() if os.path.lexists(path)}


def _hops(path: str) -> Iterator[str]:
    """Give a file's name, and each one that a link leads to."""
    for _ in range(40):  # as many as the kernel follows (path_resolution(7))
        yield path
        if not os.path.islink(path):
            break
        path = os.path.join(os.path.dirname(path), os.readlink(path))
    yield os.path.realpath(path)


def _fault(seen: os.stat_result, runs: bool, owners: frozenset[int] | None) -> str:
    mode = stat.S_IMODE(seen.st_mode)
    writers = mode & 0o002 or (mode & 0o020 and _has_others(seen.st_gid))
    # Whoever may write into a sticky directory can neither remove nor rename what is root's there.
    sticky = stat.S_ISDIR(seen.st_mode) and mode & stat.S_ISVTX and not runs
    if writers and not sticky and not stat.S_ISLNK(seen.st_mode):
        return f"can be written by others than root (mode {mode:04o})"
    if owners is not None and seen.st_uid not in owners:
        return f"belongs to uid {seen.st_uid}, not to root"
    return ""


def _has_others(gid: int) -> bool:
    """Tell whether a group has anybody but root; Debian gives all of /usr/local to a group without members."""
    if gid == ROOT:
        return False
    try:
        members = set(grp.getgrgid(gid).gr_mem)
    except KeyError:
        return True
    return bool(members | {user.pw_name for user in pwd.getpwall() if user.pw_gid == gid} - {"root"})


def _owners() -> frozenset[int]:
    """Return who is as good as root; in a user namespace all that is not of it seems to be one user's."""
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:
            whole = file.read().split()[2:3] == [str(2**32 - 1)]
        with open("/proc/sys/fs/overflowuid", encoding="ascii") as file:
            return frozenset({ROOT} if whole else {ROOT, int(file.read())})
    except OSError:
        return frozenset({ROOT})
