# SPDX-License-Identifier: GPL-2.0-or-later
"""A package of somebody else's, which puts a script of its own where vzctl looks."""

from __future__ import annotations

import subprocess
from pathlib import Path

SCRIPT = "#!/bin/sh\nexit 0\n"
CONTROL = "Package: stranger\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: a stranger\n"
SPEC = """\
Name: stranger
Version: 1
Release: 1
Summary: a stranger
License: none
BuildArch: noarch
AutoReqProv: no
%description
A stranger.
%install
mkdir -p %{buildroot}/etc/vz/conf
printf '#!/bin/sh\\nexit 0\\n' >%{buildroot}/etc/vz/conf/vps.mount
%files
%attr(0755, root, root) /etc/vz/conf/vps.mount
"""


def stranger(folder: Path) -> list[Path]:
    """Build it as deb and RPM."""
    return [_deb(folder), _rpm(folder)]


def _deb(folder: Path) -> Path:
    script = folder / "deb/etc/vz/conf/vps.mount"
    script.parent.mkdir(parents=True)
    script.write_text(SCRIPT)
    script.chmod(0o755)
    (folder / "deb/DEBIAN").mkdir()
    (folder / "deb/DEBIAN/control").write_text(CONTROL)
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", folder / "deb", folder / "stranger.deb"], check=True,
                   stdout=subprocess.DEVNULL)
    return folder / "stranger.deb"


def _rpm(folder: Path) -> Path:
    (folder / "stranger.spec").write_text(SPEC)
    subprocess.run(["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {folder}/rpm", folder / "stranger.spec"],
                   check=True, capture_output=True)
    return next((folder / "rpm").rglob("*.rpm"))
