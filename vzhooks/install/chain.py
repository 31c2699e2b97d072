# SPDX-License-Identifier: GPL-2.0-or-later
"""Put our hook scripts where vzctl looks, beside an administrator's own, and take them away again.

A script that stands there is kept in a directory beside it and run by ours; at every moment vzctl finds
one of the two under the name it calls.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress

from vzhooks.errors import HostError
from vzhooks.install.shim import has_interpreter
from vzhooks.node.disk import Disk
from vzhooks.node.files import NEW, content
from vzhooks.node.host import Paths

HOOKS = ("vps.mount", "vps.umount", "vps.postumount")
HEAD = b"#!/bin/sh\n# vzhooks hook script for "
"""Begins every version's scripts; one that only mentions us further down is an administrator's."""
KEPT = "before-vzhooks"
OLD = ".before-vzhooks"
"""What an older version put behind the name of a script that it kept."""


def names(paths: Paths) -> list[str]:
    """Return the paths of the hook scripts: on a node of OpenVZ 9 also what stands in for one of its own."""
    nine = not paths.root and os.path.isdir(os.path.dirname(os.path.dirname(paths.override9)))
    return [*(os.path.join(paths.conf_dir, name) for name in HOOKS), *([paths.override9] if nine else [])]


def kept_at(path: str) -> str:
    """Return where a script that stood at a path is kept: by its own name, which it may go by."""
    return os.path.join(os.path.dirname(path), KEPT, os.path.basename(path))


def put(path: str, script: bytes, disk: Disk) -> Iterator[str]:
    """Put one of our scripts, keeping another's; yield a line for each change.

    Raises HostError where a script kept before is in the way.
    """
    if os.path.lexists(path) and not is_ours(path):
        if os.path.isdir(path):
            raise HostError(f"{path}: a directory, where vzctl looks for a script; move it away and try again")
        yield from _keep(path, path, disk)
    elif os.path.lexists(path + OLD):
        yield from _keep(path, path + OLD, disk)
    if not (is_ours(path) and content(path) == script and os.stat(path).st_mode & 0o7777 == 0o755):
        disk.put(path, script, 0o755)
        yield f"put {path}"
    if os.path.lexists(path + OLD):  # the script that ran it is gone only now
        disk.unlink(path + OLD)


def _keep(path: str, source: str, disk: Disk) -> Iterator[str]:
    kept = kept_at(path)
    for other in filter(os.path.lexists, (kept, path + OLD)):
        if not _same(source, other):
            raise HostError(f"{other}: in the way, and {source} is not ours; move one of them and try again")
    if os.path.lexists(kept):
        return
    if not os.path.isdir(os.path.dirname(kept)):
        disk.mkdir(os.path.dirname(kept), 0o755)
    # One more name, no move: at no moment is the administrator's script out of vzctl's sight.
    if _is_relative(source):
        disk.symlink(os.path.join(os.pardir, os.readlink(source)), kept)
    else:
        disk.link(source, kept)
    yield f"kept {source} as {kept}; ours runs it{_caution(source)}"


def _caution(source: str) -> str:
    beside = os.path.isfile(source) and re.search(rb"dirname[^\n]*\$\{?0\b|\$\{0%", content(source))
    return ". It seems to look beside itself, which is another directory now: give it full paths" if beside else ""


def _is_relative(path: str) -> bool:
    return os.path.islink(path) and not os.path.isabs(os.readlink(path))


def _same(path: str, kept: str) -> bool:
    """Tell whether what was kept is this very script: an install was cut short, or a package put it back."""
    one, other = os.lstat(path), os.lstat(kept)
    if (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino):
        return True
    if os.path.islink(path) and os.path.islink(kept):
        return _target(path) == _target(kept)
    files = os.path.isfile(path) and os.path.isfile(kept) and not os.path.islink(path) and not os.path.islink(kept)
    return files and one.st_mode == other.st_mode and content(path) == content(kept)


def _target(link: str) -> str:
    return os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link)))


def take_away(path: str, disk: Disk) -> Iterator[str]:
    """Give back what stood there before one of our scripts; yield a line for each change."""
    for name in (path, kept_at(path)):
        with suppress(FileNotFoundError):
            disk.unlink(name + NEW)
    found = [p for p in (kept_at(path), path + OLD) if os.path.lexists(p)]
    if not found and is_ours(path):
        disk.unlink(path)
        yield f"removed {path}"
    for kept in found:
        yield from _give_back(path, kept, disk)
    with suppress(OSError):  # others are kept there, or none were
        disk.rmdir(os.path.dirname(kept_at(path)))


def _give_back(path: str, kept: str, disk: Disk) -> Iterator[str]:
    if os.path.lexists(path) and not is_ours(path):
        if _same(path, kept):
            disk.unlink(kept)
            yield f"removed {kept}"
        else:
            yield f"left {kept}: {path} was replaced by somebody since"
        return
    if _is_relative(kept) and os.path.dirname(kept) != os.path.dirname(path):
        disk.symlink(os.readlink(kept)[len(os.pardir + os.sep):], path)
        disk.unlink(kept)
    else:
        disk.rename(kept, path)
    yield f"put {path} back"


def wrong(paths: Paths) -> dict[str, str]:
    """Return what is wrong with each hook file: missing, replaced, or without its interpreter."""
    found = {}
    for path in names(paths):
        if not os.path.lexists(path):
            found[path] = "is missing, so vzctl does not call vzhooks"
        elif not is_ours(path):
            found[path] = "was replaced by somebody, so vzctl does not call vzhooks"
        elif not has_interpreter(path):
            found[path] = "names a python that is gone, so VEs with an uplink cannot start"
        elif not os.access(path, os.X_OK):
            found[path] = "is not executable, so vzctl fails on it"
    return found


def is_ours(path: str) -> bool:
    """Tell whether a file is a hook script that some version of vzhooks put."""
    return not os.path.islink(path) and os.path.isfile(path) and content(path).startswith(HEAD)
