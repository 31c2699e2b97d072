# SPDX-License-Identifier: GPL-2.0-or-later
"""Write a deb, deb(5): an ar archive of two tars. No tool of Debian's is needed."""

from __future__ import annotations

import hashlib
import io
import tarfile
import textwrap
from pathlib import Path

from pack.release import DESCRIPTION, MAINTAINER, SUMMARY, Release, changes, text
from pack.tree import DOC, PREFIX, Entry, Tree, compressed, folders, zsh

CONTROL = """\
Package: vzhooks
Version: {version}
Architecture: all
Maintainer: {maintainer}
Installed-Size: {size}
Depends: python3 (>= 3.9), nftables (>= 1.0)
Enhances: vzctl
Section: admin
Priority: optional
Description: {summary}
{description}
"""
SCRIPTS = {
    "postinst": f"""\
#!/bin/sh
set -e
case $1 in
    configure | triggered | abort-upgrade) {PREFIX}/package after ;;
esac
""",
    "prerm": f"""\
#!/bin/sh
set -e
case $1 in
    remove) {PREFIX}/package before ;;
    upgrade) {PREFIX}/package clear ;;
esac
""",
    # Whoever puts scripts where vzctl looks may have replaced ours; with vzctl itself the place comes into being.
    "triggers": "interest-noawait /etc/vz/conf\n",
}
COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: vzhooks

Files: *
Copyright: 2026 The vzhooks authors
License: GPL-2.0-or-later

Files: usr/lib/vzhooks/modules/pyroute2*
Copyright: 2010-2026 Peter V. Saveliev
License: GPL-2.0-or-later or Apache-2.0
Comment: A copy of pyroute2 as it was released, but for first lines that begin
 a program.

License: GPL-2.0-or-later
 On Debian systems the full text is in /usr/share/common-licenses/GPL-2.

License: Apache-2.0
 On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.
"""


def write(folder: Path, release: Release, common: Tree) -> Path:
    """Write the deb into a folder; return its path."""
    files = {**common, **zsh("/usr/share/zsh/vendor-completions"), **_docs(release)}
    data = _tar(files, release.epoch)
    control = _tar(_control(files, release), release.epoch)
    path = folder / f"vzhooks_{release.version}_all.deb"
    members = {"debian-binary": b"2.0\n", "control.tar.gz": compressed(control), "data.tar.gz": compressed(data)}
    path.write_bytes(b"!<arch>\n" + b"".join(_member(n, d, release.epoch) for n, d in members.items()))
    return path


def _docs(release: Release) -> Tree:
    return {f"{DOC}/changelog.gz": Entry(compressed(_changelog(release).encode())),
            f"{DOC}/CHANGELOG.md": Entry(text("CHANGELOG.md").encode()),
            f"{DOC}/copyright": Entry(COPYRIGHT.encode())}


def _changelog(release: Release) -> str:
    """Return the newest part of CHANGELOG.md as deb-changelog(5) has it."""
    lines = [textwrap.fill(p, 78, initial_indent="  * ", subsequent_indent="    ") for p in changes()]
    when = release.date.strftime("%a, %d %b %Y %H:%M:%S +0000")
    return "\n".join([f"vzhooks ({release.version}) unstable; urgency=medium", "", *lines, "",
                      f" -- {MAINTAINER}  {when}", ""])


def _control(files: Tree, release: Release) -> Tree:
    blocks = sum(-(-len(entry.data) // 1024) for entry in files.values()) + len(folders(files))
    lines = "".join(f" {line}\n" for line in DESCRIPTION.splitlines())
    control = CONTROL.format(version=release.version, maintainer=MAINTAINER, size=blocks, summary=SUMMARY,
                             description=lines.rstrip("\n"))
    sums = "".join(f"{hashlib.md5(entry.data, usedforsecurity=False).hexdigest()}  {path.lstrip('/')}\n"
                   for path, entry in sorted(files.items()) if not entry.link)
    scripts = {f"/{name}": Entry(data.encode(), 0o644 if name == "triggers" else 0o755)
               for name, data in SCRIPTS.items()}
    return {"/control": Entry(control.encode()), "/md5sums": Entry(sums.encode()), **scripts}


def _tar(files: Tree, epoch: int) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for folder in ["", *folders(files)]:
            tar.addfile(_info(f"{folder}/", tarfile.DIRTYPE, 0o755, epoch))
        for path, entry in sorted(files.items()):
            info = _info(path, tarfile.SYMTYPE if entry.link else tarfile.REGTYPE, entry.mode, epoch)
            info.linkname, info.size = entry.link, len(entry.data)
            tar.addfile(info, io.BytesIO(entry.data))
    return held.getvalue()


def _info(path: str, kind: bytes, mode: int, epoch: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(f".{path}")
    info.type, info.mode, info.mtime, info.uname, info.gname = kind, mode, epoch, "root", "root"
    return info


def _member(name: str, data: bytes, epoch: int) -> bytes:
    head = f"{name:<16}{epoch:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n"
    return head.encode() + data + b"\n" * (len(data) % 2)
