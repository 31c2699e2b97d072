# SPDX-License-Identifier: GPL-2.0-or-later
"""The files of a package as values: what lies where, with which mode.

Our modules and a private copy of those that we need lie in /usr/lib/vzhooks/modules. The python beside them is a link
to the system's; pyvenv.cfg makes it look for modules there and nowhere else (site(3), PEP 405), also with -I. Where
exactly it looks depends on its version: a link for each leads to the one folder.
"""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pack.release import ROOT, Release, text
from vzhooks.node.host import Paths
from vzhooks.node.packed import PREFIX
from vzhooks.usage import completion, manual
from vzhooks.usage.outline import outline

PYTHONS = range(9, 21)
"""The minor versions of Python 3 whose place for modules is linked."""
MODULES = f"{PREFIX}/modules"
DOC = "/usr/share/doc/vzhooks"
COMMAND = f'#!/bin/sh\nexec {PREFIX}/bin/python3 -I -m vzhooks "$@"\n'
VENV = "home = /usr/bin\ninclude-system-site-packages = false\n"


@dataclass(frozen=True)
class Entry:
    """Hold a file, or with `link` a symbolic link."""

    data: bytes = b""
    mode: int = 0o644
    link: str = ""


Tree = dict[str, Entry]


def tree(release: Release, wheels: Iterable[Path]) -> Tree:
    """Return what both kinds of package have, by absolute path."""
    found = {f"{MODULES}/{name}": entry for name, entry in _modules(wheels)}
    version = f"{MODULES}/vzhooks/__init__.py"
    found[version] = Entry(_versioned(found[version].data, release.version))
    return {**found, **_python(), **_pages(release.version), **_docs()}


def folders(paths: Iterable[str]) -> list[str]:
    """Return the directories above these paths, the highest first."""
    return sorted({str(parent) for path in paths for parent in Path(path).parents} - {"/"})


def compressed(data: bytes) -> bytes:
    """Return data as gzip -9n has it: no name and no time in it."""
    held = io.BytesIO()
    with gzip.GzipFile("", "wb", 9, held, mtime=0) as file:
        file.write(data)
    return held.getvalue()


def _modules(wheels: Iterable[Path]) -> Iterator[tuple[str, Entry]]:
    for path in sorted((ROOT / "vzhooks").rglob("*.py")):
        yield str(path.relative_to(ROOT)), Entry(path.read_bytes())
    for folder, names, mode in (("scripts", ("vps.*", "vz*"), 0o755), ("conf", ("*",), 0o644)):
        for path in sorted(p for name in names for p in (ROOT / folder).glob(name)):
            yield f"vzhooks/{folder}/{path.name}", Entry(path.read_bytes(), mode)
    for wheel in wheels:
        yield from _unpacked(wheel)


def _unpacked(wheel: Path) -> Iterator[tuple[str, Entry]]:
    """Give the files of a wheel that are used at run time: its modules, and what names its version."""
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            top, _, rest = name.partition("/")
            if not name.endswith("/") and (not top.endswith(".dist-info") or rest == "METADATA"):
                # What begins as a program is none here.
                yield name, Entry(re.sub(rb"\A#!.*", b"#", archive.read(name)))


def licenses(folder: str, wheels: Iterable[Path]) -> Tree:
    """Return ours and those of the wheels, below a folder; the same text once."""
    found = {f"{folder}/LICENSE": Entry(text("LICENSE").encode())}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                top, _, rest = name.partition(".dist-info/licenses/")
                if rest and Entry(archive.read(name)) not in found.values():
                    found[f"{folder}/{top.partition('-')[0]}/{rest}"] = Entry(archive.read(name))
    return found


def _versioned(module: bytes, version: str) -> bytes:
    lines = module.decode().splitlines(keepends=True)
    return "".join(f'__version__ = "{version}"\n' if line.startswith("__version__ = ") else line
                   for line in lines).encode()


def _python() -> Tree:
    links = {f"{PREFIX}/lib/python3.{n}/site-packages": Entry(link="../../modules", mode=0o777) for n in PYTHONS}
    return {**links,
            f"{PREFIX}/bin/python3": Entry(link="../../../bin/python3", mode=0o777),
            f"{PREFIX}/pyvenv.cfg": Entry(VENV.encode()),
            f"{PREFIX}/package": Entry(text("pack/package.sh").encode(), 0o755),
            "/usr/sbin/vzhooks": Entry(COMMAND.encode(), 0o755)}


def _pages(version: str) -> Tree:
    line, paths = outline(), Paths()
    pages = manual.pages(line, version).items()
    return {**{f"/usr/share/man/man{name[-1]}/{name}.gz": Entry(compressed(page.encode())) for name, page in pages},
            paths.bash: Entry(completion.bash(line).encode()), paths.fish: Entry(completion.fish(line).encode())}


def zsh(folder: str) -> Tree:
    """Return the completion of zsh in the folder where a distribution has it looked for."""
    return {f"{folder}/_vzhooks": Entry(completion.zsh(outline()).encode())}


def _docs() -> Tree:
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md",
             *sorted(p for p in (ROOT / "docs").rglob("*") if p.suffix in (".md", ".svg")),
             *sorted(p for p in (ROOT / "contrib").rglob("*") if p.is_file() and not p.name.startswith("."))]
    found = {f"{DOC}/{path.relative_to(ROOT)}": Entry(path.read_bytes()) for path in files}
    return {**found, f"{DOC}/examples/vzhooks.ini": Entry(text("conf/vzhooks.ini").encode())}
