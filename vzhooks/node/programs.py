# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask programs of the system that only tell, for a report: ip(8), nft(8), journalctl(1) and package managers."""

from __future__ import annotations

import subprocess

from vzhooks.errors import HostError

ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "PAGER": "cat"}
TIMEOUT_S = 20


def said(*argv: str, must: bool = True) -> str:
    """Return what a program prints; raises HostError where it cannot be run or gives no answer in time.

    must: also where it fails.
    """
    try:
        done = subprocess.run(argv, env=ENV, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S)
    except OSError as error:
        raise HostError(f"{argv[0]}: cannot be run ({error.strerror})") from None
    except subprocess.TimeoutExpired:
        raise HostError(f"{argv[0]}: no answer within {TIMEOUT_S} s") from None
    if done.returncode and must:
        lines = done.stderr.decode("utf-8", "replace").split("\n")
        raise HostError(f"{' '.join(argv)}: {lines[0] or f'ended with {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace")
