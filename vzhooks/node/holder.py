# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell who holds a lock, by the kernel's own list, and whether he goes on: proc(5), /proc/locks and /proc/PID/stat."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

LOCKS = "/proc/locks"
STATES = {"R": "running", "S": "running", "I": "running", "D": "waiting for a disk", "T": "stopped",
          "t": "stopped by a debugger"}
LONGEST = 60
LOOK_S, STOPPED_S = 0.2, 2.0
"""How often whoever waits for the lock looks who has it, and how long he waits for one who is stopped."""


@dataclass(frozen=True)
class Holder:
    """Hold what is known of a process: its command line in short, and its state as the kernel has it."""

    pid: int
    name: str
    state: str

    @property
    def is_stopped(self) -> bool:
        """Tell whether somebody stopped it, so that it does nothing until he lets it go on; not for a moment's look."""
        return self.state == "T"

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.name} (pid {self.pid}, {STATES.get(self.state, 'ending')})"


def blame(found: Holder | None, wait_s: float, step: str = "try again") -> str:
    """Return what to say where a lock is waited for in vain; step: what to do, or what comes, when it is free."""
    if found and found.is_stopped:
        return f"held by {found}; let it go on by `kill -CONT {found.pid}`, or end it"
    return f"another vzhooks is at work for over {wait_s:g} s{f': {found}' if found else ''}; {step}"


def of(path: str) -> Holder | None:
    """Return who holds the flock of a file, None where nobody does or the kernel does not tell."""
    with suppress(OSError, ValueError, IndexError):
        found = os.stat(path)
        place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
        with open(LOCKS, encoding="ascii") as file:
            rows = [line.split() for line in file]
        pid = next((int(r[4]) for r in rows if r[1] == "FLOCK" and r[5] == place), 0)
        return _process(pid) if pid > 0 else None  # 0: of another pid namespace
    return None


def _process(pid: int) -> Holder:
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        comm, _, rest = file.read().partition("(")[2].rpartition(")")
    with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
        words = file.read().split("\0")[:-1]
    return Holder(pid, named(words) or comm, rest.split()[0])


def named(words: Sequence[str]) -> str:
    """Return a command line of ours without its interpreter, "" for any other."""
    ours = next((n for n, word in enumerate(words) if os.path.basename(word) == "vzhooks"), None)
    return " ".join(["vzhooks", *words[ours + 1:]])[:LONGEST] if ours is not None else ""
