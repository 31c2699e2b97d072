# SPDX-License-Identifier: GPL-2.0-or-later
"""Change the UPLINK line of a VE's config and nothing else: every other byte stays. Pure."""

from __future__ import annotations

from vzhooks.config.vzconf import UPLINK_LINE


def with_uplink(data: bytes, name: str) -> bytes:
    """Return the config with this uplink, or these of a list by commas, or without any for the empty name.

    Of several lines the last counts, so that one is changed; without a name all of them go, since an
    earlier one would count then.
    """
    lines = list(UPLINK_LINE.finditer(data))
    if not name:
        return UPLINK_LINE.sub(b"", data)
    line = b'UPLINK="%s"' % name.replace(",", " ").encode("ascii")
    if not lines:
        whole = data if not data or data.endswith(b"\n") else data + b"\n"
        return whole + line + b"\n"
    last = lines[-1]
    return data[:last.start()] + line + last.group(3) + data[last.end():]
