# SPDX-License-Identifier: GPL-2.0-or-later
"""What can go wrong, by whose fault.

VzhooksError            exit 1; str(error) is the one line an operator reads
+-- InputError          the operator's text: ini, VE config, arguments
|   +-- UsageError      exit 2
|   +-- SettingsError   the node's ini as a whole cannot be used
+-- HostError           a file, a program or a right is missing
|   +-- LockBusy        exit 75: another vzhooks is at work
+-- KernelError         the kernel refused, or a read was cut short
    +-- Refused         it has no answer to a question
"""

from __future__ import annotations

SUPPORTED = ("vzhooks needs Linux 4.18 or later with nftables, nft 1.0 or later and Python 3.9 or later, "
             "with OpenVZ 9 or vzctl 4")
DONE, FAILED, USAGE, DRIFT, BUSY = 0, 1, 2, 3, 75


def printable(text: str) -> str:
    """Return text as one printable line: what could move a terminal or break a log is escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


class VzhooksError(Exception):
    """Carry one line for the operator: where, what, what to do."""

    exit_code = FAILED

    def __str__(self) -> str:
        """Return the message as one printable line, whatever text of others is in it."""
        return printable(super().__str__())


class InputError(VzhooksError):
    """Say that text given by the operator cannot be used."""


class UsageError(InputError):
    """Say that the command line cannot be used."""

    exit_code = USAGE


class SettingsError(InputError):
    """Say that the ini cannot be used at all; hooks then go by the last good copy."""


class HostError(VzhooksError):
    """Say that a file, program or right on this host is missing."""


class LockBusy(HostError):
    """Say that another vzhooks holds the lock."""

    exit_code = BUSY


class KernelError(VzhooksError):
    """Say that the kernel refused a change, or that a read was cut short."""


class Refused(KernelError):
    """Say that the kernel has no answer to a question."""
