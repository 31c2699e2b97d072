# SPDX-License-Identifier: GPL-2.0-or-later
"""Import pyroute2's rtnetlink part without the rest, which a hook need not wait for.

`import pyroute2` runs its NDB, IPDB, conntrack, sqlite and WireGuard code whichever part is wanted;
that is a third of its 150 ms, at each VE's start. A bare package in its place lets the part we use
be imported by its own name. Where a release does not allow that, the whole is imported as usual.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

PART = "pyroute2.iproute.linux"


def iproute() -> Any:
    """Return the class pyroute2.IPRoute."""
    if "pyroute2" not in sys.modules:
        try:
            return _part().IPRoute
        except (ImportError, AttributeError):
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
