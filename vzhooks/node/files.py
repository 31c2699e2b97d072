# SPDX-License-Identifier: GPL-2.0-or-later
"""Read a file as a whole, and replace it in one step, so that a crash leaves the old or the new one."""

from __future__ import annotations

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
        how = "run vzhooks as root" if isinstance(error, PermissionError) else "mend that and try again"
        raise HostError(f"{path}: cannot be written ({error.strerror}); {how}") from None
