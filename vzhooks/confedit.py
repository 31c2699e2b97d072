# SPDX-License-Identifier: GPL-2.0-or-later
"""Change the UPLINK line of a VE's config and nothing else: every other byte stays. Pure."""

from __future__ import annotations

import re

_LINE = re.compile(rb"^[ \t]*UPLINK=[^\r\n]*(\r?\n|\Z)", re.MULTILINE)


def with_uplink(data: bytes, name: str) -> bytes:
    """Return the config with this uplink, or without any for the empty name.

    Of several lines the last counts (libvzctl lib/config.c), so that one is changed; without a name
    all of them go, since an earlier one would count then.
    """
    lines = list(_LINE.finditer(data))
    if not name:
        return _LINE.sub(b"", data)
    line = b'UPLINK="%s"' % name.encode("ascii")
    if not lines:
        whole = data if not data or data.endswith(b"\n") else data + b"\n"
        return whole + line + b"\n"
    last = lines[-1]
    return data[:last.start()] + line + last.group(1) + data[last.end():]
