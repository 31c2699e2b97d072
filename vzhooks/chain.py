# SPDX-License-Identifier: GPL-2.0-or-later
"""Put our hook scripts where vzctl looks, beside an administrator's own, and take them away again.

A script that stands there is kept under another name and run by ours; at every moment vzctl finds
one of the two under the name it calls.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from vzhooks.errors import HostError
from vzhooks.host import Paths
from vzhooks.records import NEW, content, replace
from vzhooks.shim import has_interpreter

HOOKS = ("vps.mount", "vps.umount", "vps.postumount")
HEAD = b"#!/bin/sh\n# vzhooks hook script for "
"""Begins every version's scripts; one that only mentions us further down is an administrator's."""
KEPT = ".before-vzhooks"


def names(paths: Paths) -> list[str]:
    """Return the paths of the hook scripts: on a node of OpenVZ 9 also what stands in for one of its own."""
    nine = not paths.root and os.path.isdir(os.path.dirname(os.path.dirname(paths.override9)))
    return [*(os.path.join(paths.conf_dir, name) for name in HOOKS), *([paths.override9] if nine else [])]


def put(path: str, script: bytes) -> Iterator[str]:
    """Put one of our scripts, keeping another's; yield a line for each change.

    Raises HostError where a script kept before is in the way.
    """
    if os.path.lexists(path) and not is_ours(path):
        if os.path.isdir(path):
            raise HostError(f"{path}: a directory, where vzctl looks for a script; move it away and try again")
        if not _same(path, path + KEPT):
            yield from _keep(path)
    if not (is_ours(path) and content(path) == script and os.stat(path).st_mode & 0o7777 == 0o755):
        replace(path, script, 0o755)
        yield f"put {path}"


def _keep(path: str) -> Iterator[str]:
    if os.path.lexists(path + KEPT):
        raise HostError(f"{path + KEPT}: in the way, and {path} is not ours; move one of them and try again")
    # A link, no move: at no moment is the administrator's script out of vzctl's sight.
    os.link(path, path + KEPT, follow_symlinks=False)
    yield f"kept {path} as {path + KEPT}; ours runs it"


def _same(path: str, kept: str) -> bool:
    """Tell whether what was kept is this very script: an install was cut short, or a package put it back."""
    if not os.path.lexists(kept):
        return False
    one, other = os.lstat(path), os.lstat(kept)
    if (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino):
        return True
    files = os.path.isfile(path) and os.path.isfile(kept) and not os.path.islink(path) and not os.path.islink(kept)
    return files and one.st_mode == other.st_mode and content(path) == content(kept)


def take_away(path: str) -> Iterator[str]:
    """Give back what stood there before one of our scripts; yield a line for each change."""
    with suppress(FileNotFoundError):
        os.unlink(path + NEW)
    kept = os.path.lexists(path + KEPT)
    if os.path.lexists(path) and not is_ours(path):
        if kept and _same(path, path + KEPT):
            os.unlink(path + KEPT)
            yield f"removed {path + KEPT}"
        elif kept:
            yield f"left {path + KEPT}: {path} was replaced by somebody since"
    elif kept:
        os.replace(path + KEPT, path)
        yield f"put {path} back"
    elif os.path.lexists(path):
        os.unlink(path)
        yield f"removed {path}"


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
