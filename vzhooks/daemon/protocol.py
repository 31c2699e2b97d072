# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what clients ask and word what they are answered; `ask/thin.py` is the other end. Pure.

A request is one packet of fields parted by NUL: version, verb, the number of words, the words, and NAME=VALUE for
each variable. An answer is one packet as well: "took" when it was heard, then "done STATUS", NUL and what there is
to say, or "alone" where the client must do it by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MOST = 65536
SAID_MOST = 16384
TOOK, ALONE = b"took", b"alone"


@dataclass(frozen=True)
class Asked:
    """Hold one request."""

    version: str
    verb: str
    words: tuple[str, ...]
    environ: Mapping[str, str]


def request(data: bytes) -> Asked:
    """Return what a packet asks; raises ValueError for anything that no client of ours sends."""
    if len(data) >= MOST:
        raise ValueError("too long")
    fields = [f.decode("utf-8", "surrogateescape") for f in data.split(b"\0")]
    if len(fields) < 3 or not fields[2].isdecimal() or len(fields[2]) > 4:
        raise ValueError("no request")
    words, rest = fields[3:3 + int(fields[2])], fields[3 + int(fields[2]):]
    if len(words) != int(fields[2]) or not all("=" in f for f in rest):
        raise ValueError("cut short")
    variables = (f.partition("=") for f in rest)
    return Asked(fields[0], fields[1], tuple(words), {name: value for name, _, value in variables})


def done(status: int, said: bytes = b"") -> bytes:
    """Return the answer to a request that was carried out."""
    return b"done %d\0%s" % (status, said[:SAID_MOST])
