# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure vzhooks on this machine, in namespaces of its own: `python -m bench [PART ...]`, as root.

All parts take less than ten minutes on two cores. Exit 1 where a limit is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.found import as_data, merged
from bench.ground import Given, say
from bench.table import terminal, verdicts
from vzhooks import __version__
from vzhooks.config.keys import NODE

PARTS = {"rate": "packets and round trips, by number of VEs",
         "hooks": "one hook, with the daemon and without, beside few VEs and many",
         "resyncs": "resync of 100 VEs, from nothing and in sync",
         "storms": "200 hooks, and 200 starts, at once",
         "moves": "what a running VE loses when it moves to another uplink",
         "heals": "how soon the way is back"}
QUICK = Given(rounds=3, many=1000)


def main() -> int:
    """Measure the parts named, or all; print each as it is done."""
    given = _arguments()
    for tool in ("ip", "bash", "nft"):
        if not shutil.which(tool):
            raise SystemExit(f"bench: {tool} is needed for the comparison; install it")
    data: dict[str, Any] = {**_about(), "rows": [], "limits": []}
    start = time.monotonic()
    for part in given.part or PARTS:
        say(f"{part}: {PARTS[part]}")
        found = as_data(import_module(f"bench.{part}").measure(QUICK if given.quick else Given()), part)
        print(terminal(found["rows"]), flush=True)
        for key in found:
            data[key] += found[key]
    print(f"\n{verdicts(data['limits'])}\n\nin {time.monotonic() - start:.0f} seconds")
    if given.json:
        before = json.loads(given.json.read_text("utf-8")) if given.json.exists() else {}
        given.json.write_text(json.dumps(merged(before, data, list(PARTS)), indent=1) + "\n", "utf-8")
    return 0 if all(limit["held"] for limit in data["limits"]) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__,
                                     epilog="; ".join(f"{name}: {text}" for name, text in PARTS.items()))
    parser.add_argument("part", nargs="*", help=f"{', '.join(PARTS)}; by default all of them")
    parser.add_argument("--quick", action="store_true", help="a look: 3 rounds, no more than 1,000 VEs")
    parser.add_argument("--json", metavar="FILE", type=Path,
                        help="write what was found there as well, in place of what it has of the same parts")
    given = parser.parse_args()
    unknown = [part for part in given.part if part not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)} (choose from {', '.join(PARTS)})")
    return given


def _about() -> dict[str, Any]:
    return {"vzhooks": __version__, "kernel": platform.release().partition("-")[0], "cores": os.cpu_count(),
            "python": platform.python_version(), "default": NODE["datapath"].default}


if __name__ == "__main__":
    raise SystemExit(main())
