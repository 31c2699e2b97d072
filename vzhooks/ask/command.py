# SPDX-License-Identifier: GPL-2.0-or-later
"""Have the daemon carry out a command line, by its own imports and with our stdout and stderr."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from vzhooks.ask import thin

ASKED = ("resync", "status", "set", "route")
SELF = {"--save", "--watch", "-h", "--help"}
"""Options for which a command goes alone: the daemon may write no VE's config, and is nobody's terminal."""
NAMES = ("PATH", "TERM", "COLUMNS", "LINES", "NO_COLOR", "LANG", "LC_ALL", "LC_CTYPE")
DONE_S = 3600
FAILED = 1
DIED = b"vzhooks: the daemon died in the midst of it; give the command again\n"


def instead(version: str, argv: Sequence[str]) -> int | None:
    """Return the exit status of a command that the daemon carried out, None where it has to be done here."""
    command = next((word for word in argv if not word.startswith("-")), "")
    if command not in ASKED or any(word in SELF or word.startswith("--sa") for word in argv):
        return None
    line = thin.ask(version, "command", tuple(argv), NAMES, (1, 2), DONE_S)
    if line is None:
        return None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: _pass_on(line, n))
    found = thin.answer(line)
    if found is None:
        os.write(2, DIED)
        return FAILED
    return found[0]


def _pass_on(line: Any, number: int) -> None:
    """Let a signal strike whoever does the work, which ends it in order."""
    with suppress(OSError):  # it is done
        line.send(signal.Signals(number).name.encode())


def hello(version: str) -> dict[str, Any] | None:
    """Return what a daemon of this version says of itself, None where none answers."""
    line = thin.ask(version, "hello")
    found = line and thin.answer(line)
    try:
        return json.loads(found[1]) if found else None
    except ValueError:
        return None
