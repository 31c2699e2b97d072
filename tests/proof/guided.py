# SPDX-License-Identifier: GPL-2.0-or-later
"""Fuzz with coverage as a guide (atheris), and keep what reaches lines that nothing kept reaches.

Each target has a process of its own, since vzhooks is imported there with counters in its code:
`python -m tests.proof.guided TARGET RUNS SEED FOLDER` is one.
"""

from __future__ import annotations

import importlib.util
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

LONGEST = 1024
FAILED = "failed-"
SMALL = 400
"""An input that reaches anything new is kept up to this length."""


def counted(name: str, runs: str, seed: str, folder: str) -> None:
    """Feed a target in this process, which ends with that: 0, or 77 where an input failed."""
    import atheris
    with atheris.instrument_imports(include=["vzhooks", "configparser", "shlex"]):
        from tests.proof.fuzz import restructured
        from tests.proof.targets import TARGETS

    def mutated(data: bytes, longest: int, number: int) -> bytes:
        with suppress(ValueError, RecursionError):  # what is JSON changes by values half of the time
            if number % 2 and data.startswith(b"{"):
                return restructured(data, random.Random(number))[:longest]
        return bytes(atheris.Mutate(data, longest))

    atheris.Setup([sys.argv[0], f"-runs={runs}", f"-seed={seed}", f"-max_len={LONGEST}", "-timeout=5",
                   "-rss_limit_mb=1024", f"-artifact_prefix={folder}/{FAILED}", folder], TARGETS[name].check,
                  custom_mutator=mutated)
    atheris.Fuzz()


def lines(name: str, data: bytes) -> set[tuple[str, int]]:
    """Return the lines of vzhooks that an input reaches, failing or not."""
    from tests.proof.targets import TARGETS
    found: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if f"{os.sep}vzhooks{os.sep}" not in frame.f_code.co_filename:
            return None
        if event == "line":
            found.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with suppress(Exception):
            TARGETS[name].check(data)
    finally:
        sys.settrace(before)
    return found


def new(name: str, known: list[bytes], offered: list[bytes]) -> list[bytes]:
    """Return those of the inputs offered, short ones first, that reach lines which none before them does."""
    reached = set().union(*(lines(name, data) for data in known))
    kept = []
    for data in sorted((data for data in offered if len(data) <= SMALL), key=lambda data: (len(data), data)):
        more = lines(name, data) - reached
        if more:
            reached |= more
            kept.append(data)
    return kept


def run(name: str, runs: int, seed: int) -> tuple[list[bytes], list[bytes], str]:
    """Feed one target; return what failed, what reached anything new, and the last that was said."""
    from tests.proof.fuzz import seeds_of
    known = seeds_of(name)
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(known):
            Path(folder, f"seed{number}").write_bytes(data)
        command = [sys.executable, "-m", "tests.proof.guided", name, str(runs), str(seed), folder]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        found = sorted(Path(folder).iterdir())
        failed = [file.read_bytes() for file in found if file.name.startswith(FAILED)]
        reached = [file.read_bytes() for file in found if not file.name.startswith(FAILED)]
    said = done.stderr.strip().splitlines()[-1:] if done.returncode in (0, 77) else [done.stderr[-2000:]]
    assert done.returncode == 0 or failed, said
    return failed, new(name, known, reached), "".join(said)


def main(runs: int, seed: int, names: list[str]) -> int:
    """Feed each target; print counts and findings, and keep all that is worth it; return how many inputs failed."""
    if not importlib.util.find_spec("atheris"):
        print("guided: atheris is not installed, so that nothing was done")
        return 0
    from tests.proof.fuzz import keep
    from tests.proof.targets import TARGETS
    count = 0
    for name in names or list(TARGETS):
        begin = time.monotonic()
        failed, kept, said = run(name, runs, seed)
        for data in failed + kept:
            keep(name, data)
        count += len(failed)
        print(*(f"{name}: {data!r}" for data in failed), sep="\n", end="\n" if failed else "")
        print(f"{name}: {runs} inputs guided, seed {seed}, {len(failed)} findings, {len(kept)} kept, "
              f"{time.monotonic() - begin:.1f} s: {said}", flush=True)
    return count


if __name__ == "__main__":
    counted(*sys.argv[1:5])
