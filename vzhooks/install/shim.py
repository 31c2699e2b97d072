# SPDX-License-Identifier: GPL-2.0-or-later
"""Make the vzctl wrapper: find the real vzctl, and tell it from a wrapper of ours."""

from __future__ import annotations

import os
from contextlib import suppress

from vzhooks.errors import HostError
from vzhooks.node.files import content
from vzhooks.node.host import Paths

FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What an administrator's PATH holds; the one of a timer or a monitor that runs `doctor` may hold less."""
MARK = b"# vzhooks vzctl wrapper"
USUAL = "/usr/sbin/vzctl"
"""Where both generations put it; taken for granted where a package is built and no vzctl is there."""


def is_ours(path: str) -> bool:
    """Tell whether a file, also by a link, is a wrapper of ours."""
    try:
        with open(path, "rb") as file:
            return MARK in file.read(4096)
    except OSError:
        return False


def real(paths: Paths, search: str) -> str:
    """Return the path of the next vzctl on a search path that is none of ours.

    Raises HostError where this node has none.
    """
    if paths.root:
        return USUAL
    for folder in [*search.split(os.pathsep), os.path.dirname(USUAL)]:
        path = os.path.join(folder, "vzctl")
        if os.path.isabs(path) and os.path.isfile(path) and os.access(path, os.X_OK) and not is_ours(path):
            return path
    raise HostError("vzctl: none on PATH, so there is nothing to wrap; install vzctl, or leave out --vzctl-wrapper")


def text(template: bytes, python: str, vzctl: str) -> bytes:
    """Return the wrapper for this interpreter and this vzctl."""
    return template.replace(b"@PYTHON@", _quoted(python)).replace(b"@VZCTL@", _quoted(vzctl))


def _quoted(path: str) -> bytes:
    return os.fsencode(path.replace("'", "'\\''"))


def wants(paths: Paths, asked: bool) -> bool:
    """Tell whether an install puts the wrapper: asked to, or since it stands there already.

    Raises HostError where a stranger's vzctl stands in its place.
    """
    there = os.path.lexists(paths.wrapper)
    ours = there and not os.path.islink(paths.wrapper) and is_ours(paths.wrapper)
    if asked and there and not ours:
        raise HostError(f"{paths.wrapper}: not ours; move it away, or leave out --vzctl-wrapper")
    return asked or ours


def known(paths: Paths, search: str, asked: bool) -> str:
    """Return the vzctl to wrap; one that is gone while the wrapper is only refreshed is looked for at each call."""
    try:
        return real(paths, search)
    except HostError:
        if asked:
            raise
        return USUAL


def has_interpreter(path: str) -> bool:
    """Tell whether the python that a script of ours names is there."""
    return os.access(_named(path, b"python="), os.X_OK)


def _named(path: str, key: bytes) -> str:
    """Return the path that a script of ours names in its line of this key, "" for none."""
    line = next((x for x in content(path).splitlines() if x.startswith(key)), b"")
    return os.fsdecode(line[len(key):].strip(b"'").replace(b"'\\''", b"'"))


def wrong(paths: Paths) -> dict[str, str]:
    """Return what is wrong with the wrapper, where there is one of ours."""
    path, found = paths.wrapper, ""
    if not is_ours(path):
        return {}
    if not os.access(path, os.X_OK):
        found = "is not executable, so nobody goes through it"
    elif not has_interpreter(path):
        found = "names a python that is gone, so `vzctl set --uplink` fails"
    elif not leads(path, paths, os.pathsep.join((os.environ.get("PATH", ""), FOLDERS))):
        found = "finds no vzctl behind it, so every vzctl fails; install vzctl, or `vzhooks uninstall`"
    return {path: found} if found else {}


def leads(path: str, paths: Paths, search: str) -> bool:
    """Tell whether a wrapper of ours finds a vzctl: the one it names, else one on this search path."""
    named = _named(path, b"real=")
    if os.path.isfile(named) and os.access(named, os.X_OK) and not is_ours(named):
        return True
    with suppress(HostError):
        return bool(real(paths, search))
    return False
