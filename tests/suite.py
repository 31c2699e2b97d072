# SPDX-License-Identifier: GPL-2.0-or-later
"""Run all tests; a few that fail get one more try, alone, and are named.

Packets come late on a machine with other work. What fails twice fails; many failures are no bad luck.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".tox/.pytest_cache"
FAILED = CACHE / "v/cache/lastfailed"
FEW = 12
# What needs programs that a node has no use for, and environments of their own.
ALL = ("tests", "--ignore", "tests/packages/installed", "--ignore", "tests/fleet")
# Three processes for two cores, since packets are waited for; a test that hangs fails; the whole is cut off in time.
ONCE = ("-n", "3", "--dist", "worksteal")
FIRST_S, AGAIN_S = 1400, 240


def main(arguments: list[str]) -> int:
    """Run pytest with these arguments, on all tests without any; return its exit status, of the last try.

    There is a second try only where nothing is named: whoever names tests looks at them.
    """
    FAILED.unlink(missing_ok=True)
    status = _pytest(FIRST_S, *ONCE, *(arguments or ALL))
    failed = list(json.loads(FAILED.read_text())) if status == 1 and FAILED.exists() else []
    if arguments or not 0 < len(failed) <= FEW:
        return status
    print("", f"{len(failed)} failed; one more try, alone:", *failed, sep="\n", flush=True)
    return _pytest(AGAIN_S, *failed)


def _pytest(seconds: int, *arguments: str) -> int:
    command = ["timeout", "--signal=INT", "--kill-after=20", str(seconds), sys.executable, "-m", "pytest",
               "-o", f"cache_dir={CACHE}", "--timeout", "150", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
