# SPDX-License-Identifier: GPL-2.0-or-later
"""Change files, or only tell what a change would meet: the door of install and uninstall, and its dry twin."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress

from vzhooks.node.files import NEW, replace


class Disk:
    """Change files; raises OSError as os(3) does."""

    def put(self, path: str, data: str | bytes, mode: int) -> None:
        """Put a whole file in one step; raises HostError, the old one being as it was."""
        replace(path, data, mode)

    def link(self, path: str, name: str) -> None:
        """Give a file, or a symbolic link itself, one more name."""
        os.link(path, name, follow_symlinks=False)

    def symlink(self, target: str, path: str) -> None:
        """Put a symbolic link in one step, over what stands there."""
        with suppress(FileNotFoundError):
            os.unlink(path + NEW)  # of one that was cut short
        os.symlink(target, path + NEW)
        os.replace(path + NEW, path)

    def rename(self, path: str, name: str) -> None:
        """Give a file another name, over what stands there."""
        os.replace(path, name)

    def unlink(self, path: str) -> None:
        """Remove a file."""
        os.unlink(path)

    def mkdir(self, path: str, mode: int) -> None:
        """Make a directory; the mode is exact, whatever the umask."""
        os.mkdir(path, 0o700)
        os.chmod(path, mode)

    def makedirs(self, path: str) -> None:
        """Make a directory and those above it."""
        os.makedirs(path, exist_ok=True)

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        os.rmdir(path)

    def rmtree(self, path: str) -> None:
        """Remove a directory with all in it, as far as that can be."""
        shutil.rmtree(path, ignore_errors=True)


class Pretend(Disk):
    """Change nothing; say of what would be gone by then that it is not there."""

    def __init__(self) -> None:
        self._gone: set[str] = set()

    def put(self, path: str, data: str | bytes, mode: int) -> None:
        """Put nothing."""

    def link(self, path: str, name: str) -> None:
        """Link nothing."""

    def symlink(self, target: str, path: str) -> None:
        """Link nothing."""

    def mkdir(self, path: str, mode: int) -> None:
        """Make nothing."""

    def makedirs(self, path: str) -> None:
        """Make nothing."""

    def rename(self, path: str, name: str) -> None:
        """Take a file for gone."""
        self.unlink(path)

    def unlink(self, path: str) -> None:
        """Take a file for gone; raises FileNotFoundError where it is."""
        if path in self._gone or not os.path.lexists(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        self._gone.add(path)

    def rmdir(self, path: str) -> None:
        """Take a directory for gone, where no more would be in it."""
        if path in self._gone or not os.path.isdir(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if {os.path.join(path, name) for name in os.listdir(path)} - self._gone:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        self._gone.add(path)

    def rmtree(self, path: str) -> None:
        """Take a directory for gone."""
        self._gone.add(path)
