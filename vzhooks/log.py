# SPDX-License-Identifier: GPL-2.0-or-later
"""Say things to the operator: stderr and syslog, whatever state vzctl left our descriptors in."""

from __future__ import annotations

import contextlib
import os
import sys
import syslog

ERROR, WARNING, INFO = syslog.LOG_ERR, syslog.LOG_WARNING, syslog.LOG_INFO


def say(text: str, level: int = WARNING, quiet: bool = False) -> None:
    """Write one line to syslog and, unless quiet, to stderr; a closed one is no error.

    vzctl ignores SIGPIPE in hooks and its stderr may be a pipe nobody reads any more.
    """
    line = " ".join(text.split())
    syslog.openlog("vzhooks", syslog.LOG_PID, syslog.LOG_DAEMON)
    syslog.syslog(level, line)
    syslog.closelog()  # else a detached child closes its descriptor, and glibc later whatever has that number
    if not quiet:
        _write(f"vzhooks: {line}\n")


def _write(line: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, line.encode("utf-8", "backslashreplace"))


def close_quietly() -> None:
    """Keep Python from failing at exit because stdout is gone."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
