# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the text of an ini that an operator names, whatever that is: bounded, and one line where it is none."""

from __future__ import annotations

import os
import re
import sys

from vzhooks.errors import SettingsError

MAX_BYTES = 1 << 20
STDIN = "-"


def text(data: bytes, where: str) -> str:
    """Return the text in the bytes of an ini; raises SettingsError where they cannot be one."""
    if len(data) > MAX_BYTES:
        raise SettingsError(f"{where}: larger than {MAX_BYTES} bytes, so no ini; look at the file")
    try:
        found = data.decode("utf-8")
    except UnicodeDecodeError as error:
        place = f"{_place(data, error.start)} (0x{data[error.start]:02x})"
        raise SettingsError(f"{where}:{place} is not UTF-8; write that line anew") from None
    if "\0" in found:
        raise SettingsError(f"{where}:{_place(data, data.index(0))} is binary; write that line anew")
    return found


def _place(data: bytes, start: int) -> str:
    """Return line, and byte in the line, of what is no text."""
    before = re.split(rb"\r\n|\r|\n", data[:start])
    return f"{len(before)}: byte {len(before[-1]) + 1}"


def read(path: str) -> str:
    """Return the text of a file, or for - of what comes in; a pipe is read as well.

    Raises SettingsError, one line, where it cannot be read or is no text.
    """
    try:
        return text(content(path), named(path))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); name an ini that can") from None


def named(path: str) -> str:
    """Return what to call a file in a message."""
    return "stdin" if path == STDIN else path


def content(path: str) -> bytes:
    """Return the bytes of a file, no more than show that it is too long; raises OSError."""
    if path == STDIN:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    # A pipe that nobody writes to is empty; to open it as usual would wait for ever.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with open(handle, "rb") as file:
        os.set_blocking(handle, True)
        return file.read(MAX_BYTES + 1)
