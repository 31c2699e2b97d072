# SPDX-License-Identifier: GPL-2.0-or-later
"""Write an RPM with rpmbuild(8), which is told all that it would else take from the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pack.release import DESCRIPTION, MAINTAINER, Release, bundled, changes, text
from pack.tree import DOC, Entry, Tree, folders, licenses, zsh

LICENSES = "/usr/share/licenses/vzhooks"
STANDARD = {"/usr", "/usr/lib", "/usr/sbin", "/usr/share", "/usr/share/doc", "/usr/share/man",
            "/usr/share/man/man5", "/usr/share/man/man8"}
"""Directories that every distribution has; all others are ours, be it with other packages."""
SETTINGS = {
    "_buildhost": "localhost",
    "_binary_payload": "w9.gzdio",
    "_source_filedigest_algorithm": "8",
    "_binary_filedigest_algorithm": "8",
    "use_source_date_epoch_as_buildtime": "1",
    "clamp_mtime_to_source_date_epoch": "1",
    "_build_id_links": "none",
    "packager": MAINTAINER,
}


def write(folder: Path, release: Release, common: Tree, wheels: Sequence[Path]) -> Path:
    """Write the RPM into a folder, with the licenses of the wheels inside; return its path.

    Raises FileNotFoundError where rpmbuild is missing, CalledProcessError where it fails.
    """
    files = {**common, **zsh("/usr/share/zsh/site-functions"),
             f"{DOC}/CHANGELOG.md": Entry(text("CHANGELOG.md").encode()), **licenses(LICENSES, wheels)}
    with tempfile.TemporaryDirectory() as made:
        top = Path(made)
        _lay_out(top / "tree", files, release.epoch)
        (top / "vzhooks.spec").write_text(_spec(files, release), encoding="utf-8")
        _rpmbuild(top, release.epoch)
        built = next((top / "RPMS").rglob("*.rpm"))
        return Path(shutil.copy(built, folder / built.name))


def _rpmbuild(top: Path, epoch: int) -> None:
    given = {**SETTINGS, "_topdir": str(top), "_sourcedir": str(top), "_tmppath": str(top), "_builddir": str(top),
             "_rpmdir": str(top / "RPMS")}
    words = [word for name, value in given.items() for word in ("--define", f"{name} {value}")]
    done = subprocess.run(["rpmbuild", "-bb", "--quiet", "--target", "noarch-linux", *words, str(top / "vzhooks.spec")],
                          env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "LC_ALL": "C", "TZ": "UTC"},
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"pack: rpmbuild failed:\n{done.stdout}{done.stderr}")


def _lay_out(top: Path, files: Tree, epoch: int) -> None:
    for path, entry in files.items():
        place = Path(f"{top}{path}")
        place.parent.mkdir(parents=True, exist_ok=True)
        if entry.link:
            place.symlink_to(entry.link)
        else:
            place.write_bytes(entry.data)
        os.utime(place, (epoch, epoch), follow_symlinks=False)
    for folder in folders(files):
        os.utime(f"{top}{folder}", (epoch, epoch))


def _spec(files: Tree, release: Release) -> str:
    values = {
        "VERSION": release.version, "DESCRIPTION": DESCRIPTION, "MAINTAINER": MAINTAINER,
        "PROVIDES": "\n".join(f"Provides: bundled(python3dist({n})) = {v}" for n, v in bundled().items()),
        "DATE": release.date.strftime("%a %b %d %Y"), "FILES": "\n".join(_listed(files)),
        "CHANGES": "\n".join(f"- {point.replace('%', '%%')}" for point in changes()),
    }
    spec = text("pack/vzhooks.spec")
    for name, value in values.items():
        spec = spec.replace(f"@{name}@", value)
    return spec


def _listed(files: Tree) -> list[str]:
    own = [folder for folder in folders(files) if folder not in STANDARD]
    return [*(f"%dir %attr(0755, root, root) {folder}" for folder in own),
            *(_file(path, entry) for path, entry in sorted(files.items()))]


def _file(path: str, entry: Entry) -> str:
    kind = "%license " if path.startswith(LICENSES) else "%doc " if path.startswith((DOC, "/usr/share/man")) else ""
    return f"{kind}{path}" if entry.link else f"{kind}%attr({entry.mode:04o}, root, root) {path}"
