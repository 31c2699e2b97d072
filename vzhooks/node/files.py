# SPDX-License-Identifier: GPL-2.0-or-later
"""Read a file as a whole, and replace it in one step, so that a crash leaves the old or the new one."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from vzhooks.errors import HostError

NEW = ".vzhooks-new"
"""Ends the name of a file that is not whole yet: no program reads such a one, and no administrator's has it."""


def content(path: str) -> bytes:
    """Return all that is in a file."""
    with open(path, "rb") as file:
        return file.read()


def replace(path: str, text: str | bytes, mode: int) -> None:
    """Put text into a file in one step, making its directory where absent: root's only, as the file is, or open.

    The mode is exact, whatever the umask. Raises HostError, the old file being as it was and nothing
    beside it, where the disk or a right is missing.
    """
    data, temporary = text.encode() if isinstance(text, str) else text, path + NEW
    try:
        os.makedirs(os.path.dirname(path), mode=0o700 if mode == 0o600 else 0o755, exist_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(temporary)
        raise _unwritten(path, error) from None


def extend(path: str, text: str) -> None:
    """Put text behind what is in a file; a crash leaves none of it, all, or a part without its end.

    Raises HostError, the file being as it was, where it is not there, or the disk or a right is missing.
    """
    data = text.encode()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            size = os.fstat(handle).st_size
            try:
                if os.write(handle, data) < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)
    except OSError as error:
        raise _unwritten(path, error) from None


def _unwritten(path: str, error: OSError) -> HostError:
    how = "run vzhooks as root" if isinstance(error, PermissionError) else "mend that and try again"
    return HostError(f"{path}: cannot be written ({error.strerror}); {how}")
