# SPDX-License-Identifier: GPL-2.0-or-later
"""Import pyroute2's rtnetlink part without the rest, which a hook need not wait for.

`import pyroute2` runs its NDB, IPDB, conntrack, sqlite and WireGuard code whichever part is wanted;
that is a third of its 150 ms, at each VE's start. A bare package in its place lets the part we use
be imported by its own name. Where a release does not allow that, the whole is imported as usual.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
from types import ModuleType
from typing import Any

from vzhooks.errors import HostError
from vzhooks.node.packed import is_packed

PART = "pyroute2.iproute.linux"
MORE = {"pyroute2.netlink.exceptions": "NetlinkError", "pyroute2.netlink.rtnl.iprsocket": "IPRSocket",
        "pyroute2.netlink.rtnl.rtmsg": "rtmsg", "pyroute2.netlink.rtnl.fibmsg": "fibmsg"}
NEEDED = "pyroute2>=0.9.7,<0.10"


def iproute() -> Any:
    """Return the class pyroute2.IPRoute.

    Raises HostError, one line, where what is installed is broken, missing or not what we were written for.
    """
    try:
        found = _iproute()
        for module, name in MORE.items():
            getattr(importlib.import_module(module), name)
        return found
    except Exception as error:  # noqa: BLE001 - whatever its code does when it is broken, one line says it
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise HostError(f"pyroute2 cannot be used ({why}); {_reinstall()}") from None


def _reinstall() -> str:
    if is_packed():
        return "reinstall the package vzhooks, which has its own"
    return f"reinstall it: {sys.executable} -m pip install --force-reinstall '{NEEDED}'"


def explained(error: Exception) -> str:
    """Return one line on an error that nobody foresaw: what, where, and whether another pyroute2 than ours is there."""
    last = error.__traceback__
    while last and last.tb_next:
        last = last.tb_next
    place = f" at {os.path.basename(last.tb_frame.f_code.co_filename)}:{last.tb_lineno}" if last else ""
    what = " ".join(f"internal error: {type(error).__name__}: {error}{place}".split())
    version = installed()
    if re.match(r"0\.9\.([7-9]|\d\d)", version):
        return f"{what}; run `vzhooks resync` and report this line"
    return f"{what}; pyroute2 {version} is installed, and {NEEDED} is needed: {_reinstall()}"


def installed() -> str:
    """Return the version of pyroute2 that there is, or none."""
    from importlib import metadata  # which hardly anything needs
    try:
        return metadata.version("pyroute2")
    except metadata.PackageNotFoundError:
        return "none"


def _iproute() -> Any:
    if "pyroute2" not in sys.modules:
        try:
            return _part().IPRoute
        except Exception:  # noqa: BLE001 - the whole says what is wrong, where it is not just another release
            for name in [n for n in sys.modules if n.partition(".")[0] == "pyroute2"]:
                del sys.modules[name]
    return importlib.import_module("pyroute2").IPRoute


def _part() -> ModuleType:
    spec = importlib.util.find_spec("pyroute2")
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("pyroute2")
    bare = ModuleType("pyroute2")
    bare.__path__ = list(spec.submodule_search_locations)
    sys.modules["pyroute2"] = bare
    try:
        return importlib.import_module(PART)
    finally:
        del sys.modules["pyroute2"]  # whoever imports it after us gets the whole
