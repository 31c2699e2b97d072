# SPDX-License-Identifier: GPL-2.0-or-later
"""Put parts into one tar.gz: only root's, whole or not at all, and never over a file that is there."""

from __future__ import annotations

import io
import os
import re
import tarfile
import time
from contextlib import suppress

from vzhooks.cli import parts
from vzhooks.errors import HostError, UsageError, printable
from vzhooks.node import interrupt
from vzhooks.node.host import Paths
from vzhooks.status.mask import Mask

TOP = "vzhooks-report"
MISSING = "missing.txt"
COMMENT = re.compile(r"(?:^|(?<=\s))[;#].*$", re.MULTILINE)


def path_of(given: str | None) -> str:
    """Return the file to make; raises UsageError for an empty name, HostError where it is there."""
    if given == "":
        raise UsageError("the FILE of -o is empty; name the file to make")
    path = given or time.strftime(f"{TOP}-%Y%m%d-%H%M%S.tar.gz")
    if os.path.lexists(path):
        raise HostError(f"{path}: is there already and is not overwritten; name another file by -o")
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise HostError(f"{folder}: no such directory; make it, or name another file by -o")
    return path


def gathered(paths: Paths, masked: bool) -> tuple[dict[str, str], list[str]]:
    """Return the parts by name, and a line for each that could not be had."""
    found, missing = {}, []
    for name, part in parts.parts(paths):
        try:
            found[name] = part()[-parts.MOST:]
        except Exception as error:  # noqa: BLE001 - whatever one part meets, the others are the more needed
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            missing.append(printable(f"{name}: {' '.join(why.split())}"))
    found[MISSING] = "".join(f"{line}\n" for line in missing)
    return (_masked(found, paths) if masked else found), missing


def _masked(found: dict[str, str], paths: Paths) -> dict[str, str]:
    """Return the parts with addresses and names hidden, and without comments, which may say anything."""
    mask = Mask(os.urandom(32), parts.names(paths), os.uname().nodename)
    bare = {name: COMMENT.sub("", text) if ".ini" in name else text for name, text in found.items()}
    return {name: mask.text(text) for name, text in bare.items()}


def write(path: str, found: dict[str, str]) -> None:
    """Write the parts as one file of root's alone; raises HostError, nothing being left, where that cannot be."""
    data = _tar(found)
    interrupt.hold()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HostError(f"{path}: cannot be made ({error.strerror}); name another file by -o") from None
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            os.unlink(path)
        raise HostError(f"{path}: cannot be written ({error.strerror}), so it is not there; name another file by -o"
                        ) from None


def _tar(found: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in sorted(found.items()):
            data = text.encode("utf-8", "backslashreplace")
            entry = tarfile.TarInfo(f"{TOP}/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
