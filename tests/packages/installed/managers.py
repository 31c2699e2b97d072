# SPDX-License-Identifier: GPL-2.0-or-later
"""The package managers of a node, as its administrator calls them: dpkg(1) and rpm(8), the machine's own.

What they write, their databases as well, stays in the node's overlays. rpm is not asked for dependencies: on a
Debian it knows nothing of what is installed. Its own database would lie in root's home there.
"""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess

from tests.lab import Box

DATABASES = ("/var/lib/dpkg", "/var/lib/rpm", "/var/log/dpkg.log", "/usr/lib/sysimage", "/var/cache")


class Dpkg:
    """Install and remove debs, as on a Debian with vzctl 4."""

    ending, generation = "deb", 4

    def put(self, hn: Box, path: Path) -> CompletedProcess[str]:
        """Install a package, or upgrade to it."""
        return self._run(hn, "-i", str(path))

    def remove(self, hn: Box) -> CompletedProcess[str]:
        """Remove vzhooks."""
        return self._run(hn, "-r", "vzhooks")

    def files(self, hn: Box) -> list[str]:
        """Name the files that the package says are its own."""
        return sorted(p for p in self._run(hn, "-L", "vzhooks").stdout.split() if not hn.path(p).is_dir())

    def _run(self, hn: Box, *words: str) -> CompletedProcess[str]:
        return hn.run(["dpkg", *words], timeout=60, env={"PATH": PATH, "DEBIAN_FRONTEND": "noninteractive",
                                                         "LC_ALL": "C"})


class Rpm:
    """Install and remove RPMs, as on OpenVZ 9."""

    ending, generation = "rpm", 9

    def put(self, hn: Box, path: Path) -> CompletedProcess[str]:
        """Install a package, or upgrade to it."""
        return self._run(hn, "-U", "--nodeps", str(path))

    def remove(self, hn: Box) -> CompletedProcess[str]:
        """Remove vzhooks."""
        return self._run(hn, "-e", "vzhooks")

    def files(self, hn: Box) -> list[str]:
        """Name the files that the package says are its own."""
        return sorted(p for p in self._run(hn, "-ql", "vzhooks").stdout.split() if not hn.path(p).is_dir())

    def _run(self, hn: Box, *words: str) -> CompletedProcess[str]:
        return hn.run(["rpm", "--dbpath", "/var/lib/rpm", *words], timeout=60, env={"PATH": PATH, "LC_ALL": "C"})


PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MANAGERS = {"deb": Dpkg(), "rpm": Rpm()}
