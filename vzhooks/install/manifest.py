# SPDX-License-Identifier: GPL-2.0-or-later
"""Note which files and directories we make, before making them, so that uninstall removes those and no others.

Paths are noted as the node sees them, so that what is packed below a directory says nothing of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from contextlib import suppress

from vzhooks.errors import HostError
from vzhooks.node.disk import Disk
from vzhooks.node.files import NEW, content
from vzhooks.node.host import Paths


class Manifest:
    """Hold what we made on a node, or below the root of `paths`."""

    def __init__(self, paths: Paths, disk: Disk) -> None:
        self.root, self.path, self.disk = paths.root, paths.manifest, disk
        try:
            with open(self.path, encoding="utf-8") as file:
                self.made = [os.fspath(path) for path in _a_list(json.load(file))]
        except FileNotFoundError:
            self.made = []
        except PermissionError:
            raise HostError(f"{self.path}: cannot be read; vzhooks must run as root") from None
        except (OSError, ValueError, TypeError) as error:
            raise HostError(f"{self.path}: cannot be read ({error}); remove it and install again") from None

    def claim(self, files: Collection[str], folders: Collection[str] = (), ours: Collection[str] = ()) -> None:
        """Note as ours, on the disk, those of these files that are not there, and the directories missing.

        ours: files known as ours by what stands in them. A crash after that leaves nothing of ours
        unknown to uninstall. Our own note comes first, to be removed last.
        """
        free = [p for p in (self.path, *files) if p in ours or not os.path.lexists(p)]
        new = [q for p in free for q in (*self._missing(os.path.dirname(p)), p)]
        new += [q for folder in folders for q in self._missing(folder)]
        made = list(dict.fromkeys([*self.made, *(p[len(self.root):] for p in new)]))
        if made != self.made or not os.path.exists(self.path):
            self.made = made
            self.folder(os.path.dirname(self.path), 0o700)
            self._save()

    def judge(self, path: str, ours: bool) -> None:
        """Say, by what stands there, whether a file is to be removed, whatever is noted."""
        own = path[len(self.root):]
        self.made = [p for p in self.made if p != own] + [own] * ours

    def write(self, path: str, data: bytes, mode: int = 0o644) -> Iterator[str]:
        """Put a file of ours, unless a stranger's stands there."""
        if not self.is_ours(path):
            if not os.path.isfile(path) or content(path) != data:
                yield f"left {path}: it was there before"
        elif os.path.islink(path) or not os.path.exists(path) or content(path) != data:
            self.folder(os.path.dirname(path))
            self.disk.put(path, data, mode)
            yield f"put {path}"

    def link(self, path: str, target: str) -> Iterator[str]:
        """Put a symbolic link, unless something of a stranger's stands there."""
        there = os.readlink(path) if os.path.islink(path) else ""
        if os.path.lexists(path) and not (self.is_ours(path) and there):
            if os.path.realpath(path) != os.path.realpath(os.path.join(os.path.dirname(path), target)):
                yield f"left {path}: it was there before"
        elif there != target:
            self.folder(os.path.dirname(path))
            self.disk.symlink(target, path)
            yield f"put {path}"

    def folder(self, path: str, mode: int = 0o755) -> None:
        """Make a directory and those above it; modes are exact, whatever the umask."""
        if self.root and not os.path.isdir(self.root):
            self.disk.makedirs(self.root)
        for folder in self._missing(path):
            self.disk.mkdir(folder, mode if folder == path else 0o755)

    def _missing(self, folder: str) -> list[str]:
        """Return a directory and those above it, below the root, that are not there; the highest first."""
        missing: list[str] = []
        while folder != self.root and not os.path.isdir(folder):
            missing.insert(0, folder)
            folder = os.path.dirname(folder)
        return missing

    def is_ours(self, path: str) -> bool:
        """Tell whether a file is noted as one that we made."""
        return path[len(self.root):] in self.made

    def drop(self, known: Collection[str]) -> Iterator[str]:
        """Remove the files that an older version made and this one does not know."""
        old = [p for p in self.made if self.root + p not in known and not os.path.isdir(self.root + p)]
        for path in old:
            with suppress(FileNotFoundError):
                self.disk.unlink(self.root + path)
                yield f"removed {self.root + path}: of an older version"
        if old:
            self.made = [p for p in self.made if p not in old]
            self._save()

    def _save(self) -> None:
        self.disk.put(self.path, json.dumps(self.made, indent=1) + "\n", 0o600)

    def remove(self) -> Iterator[str]:
        """Remove what was made, the last first; a directory in use by others stays."""
        for path in (self.root + p for p in reversed(self.made)):
            with suppress(OSError):
                self.disk.unlink(path + NEW)  # of an install that was cut short
            try:
                folder = os.path.isdir(path) and not os.path.islink(path)
                self.disk.rmdir(path) if folder else self.disk.unlink(path)
                yield f"removed {path}"
            except FileNotFoundError:
                continue
            except OSError as error:
                if path != os.path.dirname(self.path):
                    yield f"left {path}: {error.strerror}"
        with suppress(OSError):  # of an install or an uninstall cut short when nothing was noted
            if os.path.exists(self.path + NEW):
                self.disk.unlink(self.path + NEW)
            self.disk.rmdir(os.path.dirname(self.path))


def _a_list(data: object) -> list:
    if not isinstance(data, list):
        raise ValueError("no list of files")
    return data
