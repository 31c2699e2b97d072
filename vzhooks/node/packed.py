# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell whether we run from an RPM or deb, which brings its own modules, man pages and completions."""

from __future__ import annotations

import sys

PREFIX = "/usr/lib/vzhooks"
"""Where packages keep us, with a python beside that knows this place and no other."""


def is_packed() -> bool:
    """Tell whether the package's own python runs this."""
    return sys.prefix == PREFIX
