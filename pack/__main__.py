# SPDX-License-Identifier: GPL-2.0-or-later
"""Build the deb and the RPM into a folder: `python -m pack [FOLDER]`, by default dist.

The modules that they carry are the wheels that pack/bundled.txt pins by their hash; pip(1) gets them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pack import deb, rpm
from pack.release import ROOT, release
from pack.tree import tree


@contextmanager
def wheels() -> Iterator[list[Path]]:
    """Give the wheels that the packages carry, for a while."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                        "--only-binary", ":all:", "--require-hashes", "--dest", folder,
                        "--requirement", str(ROOT / "pack/bundled.txt")], check=True, stdout=subprocess.DEVNULL)
        yield sorted(Path(folder).glob("*.whl"))


def build(folder: Path, version: str = "") -> list[Path]:
    """Build both packages, of this tree's version or of another; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    of = release(version)
    with wheels() as found:
        common = tree(of, found)
        return [deb.write(folder, of, common), rpm.write(folder, of, common, found)]


def main() -> None:
    """Build what the command line says."""
    given = argparse.ArgumentParser(prog="python -m pack", description="Build the deb and the RPM.")
    given.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist", help="where they go; default: dist")
    for path in build(given.parse_args().folder):
        print(path)


if __name__ == "__main__":
    main()
