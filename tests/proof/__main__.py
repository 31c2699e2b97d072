# SPDX-License-Identifier: GPL-2.0-or-later
"""Prove it: walks at random, deaths at every step, rivals, fuzzing, mutants. Prints counts and seeds."""

from __future__ import annotations

import argparse
import sys
from typing import Any

PARTS = ("walk", "deaths", "power", "fuzz", "guided", "mutants")


def arguments() -> argparse.ArgumentParser:
    """Return what the command takes."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("parts", nargs="*", default=[], help=f"of {', '.join(PARTS)}; all of them without any")
    parser.add_argument("--steps", type=int, default=400, help="steps of walks, for each generation")
    parser.add_argument("--seed", type=int, default=1, help="the first seed; each 200 steps take the next one")
    parser.add_argument("--generation", type=int, action="append", choices=(4, 9), help="of OpenVZ; both without it")
    parser.add_argument("--datapath", default="", help="what the ini says of it: rule, map, auto; nothing without it")
    parser.add_argument("--resident", action="store_true", help="with the daemon")
    parser.add_argument("--stride", type=int, default=1, help="kill at each so-manieth step")
    parser.add_argument("--inputs", type=int, default=20000, help="inputs for each target")
    parser.add_argument("--mutants", type=int, default=100, help="mutants to try")
    parser.add_argument("--only", action="append", default=[], help="a target, module, command or hook by name")
    return parser


def walk(args: argparse.Namespace) -> int:
    """Do walks; each two hundred steps are of one seed, and a node that was harmed is built anew."""
    from tests.proof import machine
    from tests.proof.walk import FAILED
    from tests.proof.world import World
    failed = 0
    for generation in args.generation or (4, 9):
        world, totals, start = World(generation, args.datapath, args.resident), dict[str, float](), args.seed
        while totals.get("steps", 0) < args.steps and not failed:
            try:
                counts, world = machine.run(world, min(200, args.steps), start)
            except BaseException as error:  # noqa: BLE001 - hypothesis raises groups as well
                failed += 1
                print(f"generation {generation}, seed {start}: {error}", *FAILED[-1:], sep="\n")
                break
            totals = {name: totals.get(name, 0) + number for name, number in counts.items()}
            print(f"walk: generation {generation}, seed {start}: {worded(counts)}", flush=True)
            start += 1
        world.close() if not failed else None
        print(f"walk: generation {generation}, seeds {args.seed} to {start - 1}: {worded(totals)}", flush=True)
    return failed


def worded(counts: dict[str, float]) -> str:
    """Return counts in words."""
    return ", ".join(f"{round(number)} {name}" for name, number in counts.items()) or "no steps"


def deaths(args: argparse.Namespace, power: bool = False) -> int:
    """Kill everything at every step."""
    from tests.proof.deaths import HOOKS, LIVES, Death
    from tests.proof.world import World
    failed = 0
    for generation in args.generation or (4, 9):
        world = World(generation, args.datapath, args.resident)
        for name in args.only or (*LIVES, *HOOKS):
            try:
                number = Death(world, name, power).every(0, args.stride)
                print(f"{'power' if power else 'deaths'}: generation {generation}: {name}: {number}", flush=True)
            except AssertionError as error:
                failed += 1
                print(f"generation {generation}: {name}: {error}", flush=True)
                world.close()
                world = world.again()
        world.close()
    return failed


def do(part: str, args: argparse.Namespace) -> Any:
    """Do one part; return what failed."""
    from tests.proof import fuzz, guided, mutants
    if part == "fuzz":
        return fuzz.main(args.inputs, args.seed, args.only)
    if part == "guided":
        return guided.main(args.inputs, args.seed, args.only)
    if part == "mutants":
        return mutants.main(args.mutants, args.seed, args.only)
    return walk(args) if part == "walk" else deaths(args, part == "power")


def main(argv: list[str]) -> int:
    """Do what is asked for; 1 where anything failed."""
    args = arguments().parse_args(argv)
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        arguments().error(f"no such part: {', '.join(sorted(unknown))}")
    failed = [do(part, args) for part in args.parts or PARTS]  # each, also after one that failed
    return int(any(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
