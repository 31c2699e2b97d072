# SPDX-License-Identifier: GPL-2.0-or-later
"""Say things to the operator: stderr, and syslog or the journal, whatever state vzctl left our descriptors in."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import syslog
from collections.abc import Mapping

from vzhooks.errors import printable

ERROR, WARNING, NOTICE, INFO = syslog.LOG_ERR, syslog.LOG_WARNING, syslog.LOG_NOTICE, syslog.LOG_INFO
JOURNAL = "/run/systemd/journal/socket"
JOURNAL_WAIT_S = 0.5


def say(text: str, level: int = WARNING, quiet: bool = False, ve: str = "") -> None:
    """Write one line to the log and, unless quiet, to stderr; a closed one is no error.

    ve: whose line it is, a field of its own in the journal. vzctl ignores SIGPIPE in hooks and its stderr
    may be a pipe nobody reads any more.
    """
    line = printable(" ".join(text.split()))
    _log(line, level, {"ve": printable(ve)} if ve else {})
    if not quiet:
        talk(f"vzhooks: {line}")


def event(level: int, fields: Mapping[str, object]) -> None:
    """Write what was done to the log as one line of key=value, and as fields where there is a journal."""
    told = {key: printable(str(value)) for key, value in fields.items() if value not in ("", None)}
    _log(" ".join(f"{key}={_quoted(value)}" for key, value in told.items()), level, told)


def talk(line: str) -> None:
    """Write one line to stderr alone."""
    with contextlib.suppress(OSError):
        os.write(2, f"{printable(line)}\n".encode("utf-8", "backslashreplace"))


def _quoted(value: str) -> str:
    if value and not set(value) & set(" \"'=\\"):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _log(line: str, level: int, fields: Mapping[str, str]) -> None:
    if not _to_journal(line, level, fields):
        syslog.openlog("vzhooks", syslog.LOG_PID, syslog.LOG_DAEMON)
        syslog.syslog(level, line)
        syslog.closelog()  # else a detached child closes its descriptor, and glibc later whatever has that number


def _to_journal(line: str, level: int, fields: Mapping[str, str]) -> bool:
    """Send a line with its fields to systemd-journald (systemd: Native Journal Protocol); tell whether it took it."""
    entry = {"MESSAGE": line, "PRIORITY": level, "SYSLOG_FACILITY": syslog.LOG_DAEMON >> 3,
             "SYSLOG_IDENTIFIER": "vzhooks", "SYSLOG_PID": os.getpid(),
             **{f"VZHOOKS_{key.upper()}": value for key, value in fields.items()}}
    data = "".join(f"{key}={value}\n" for key, value in entry.items()).encode("utf-8", "backslashreplace")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
            journal.settimeout(JOURNAL_WAIT_S)  # a journal that hangs must not hang vzctl
            journal.sendto(data, JOURNAL)
            return True
    except OSError:
        return False


def open_standard() -> None:
    """Open /dev/null in place of each of descriptors 0, 1 and 2 that is closed.

    Else a socket or file of ours gets its number, and what is written to stderr goes there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def close_quietly() -> None:
    """Keep Python from failing at exit because stdout is gone."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
