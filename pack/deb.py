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
Comment: As it was released, but for first lines that begin a program.

Files: usr/lib/vzhooks/modules/inotify_simple*
Copyright: 2016 Chris Billington
License: BSD-2-Clause

Files: usr/lib/vzhooks/modules/prometheus_client*
Copyright: 2015 The Prometheus Authors
License: Apache-2.0
Comment: Prometheus instrumentation library for Python applications. It bundles
 decorator 4.0.10.

Files: usr/lib/vzhooks/modules/prometheus_client/decorator.py
Copyright: 2005-2016 Michele Simionato
License: BSD-2-Clause

License: GPL-2.0-or-later
 On Debian systems the full text is in /usr/share/common-licenses/GPL-2.

License: BSD-2-Clause
 Redistribution and use in source and binary forms, with or without
 modification, are permitted provided that the following conditions are met:
 .
 1. Redistributions of source code must retain the above copyright notice, this
 list of conditions and the following disclaimer.
 2. Redistributions in binary form must reproduce the above copyright notice,
 this list of conditions and the following disclaimer in the documentation
 and/or other materials provided wi6h the distribution.
 .
 THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND
 ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
 WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
 DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT OWNER OR CONTRIBUTORS BE LIABLE FOR
 ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES
 (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES;
 LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND
 ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT
 (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF THIS
 SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.

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
