# SPDX-License-Identifier: GPL-2.0-or-later
"""Feed targets with mutated input, and keep what fails. With coverage as a guide: guided.py.

Each input has one second, and the process a gigabyte.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.proof.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
PIECES = (b"\n", b"=", b"[", b"]", b'"', b"'", b"\0", b"  ", b"UPLINK=", b"[uplink:isp1]\n", b"{", b"}", b",", b":",
          b"#", b";", b"$(touch /x)", b"\r", b"\xef\xbb\xbf", b"export ", b"--uplink", b"--", b"-", b"eth0", b"none",
          b"main", b"table = 254\n", b"\xff", "\u2028".encode(), b"0", b"1e999", b"9" * 400, b"null",
          b"-1", b"reserved = ")
ODD = (None, True, -1, 254, 10 ** 400, 1.5, float("inf"), "", "x", "../x", "0x10", "7" * 9999, [], {}, {"a": 1}, [[]],
       "192.168.18.9", "::1", {"concat": []}, {"elem": {"val": "eth0"}}, {"set": {}}, "eth0")
SECONDS, BYTES = 1.0, 1 << 30
LONGEST = 4096


class Slow(Exception):
    """An input took longer than any may."""


def mutated(seeds: list[bytes], chance: random.Random) -> bytes:
    """Return one of the seeds with some bytes changed, doubled, dropped, or put in from elsewhere."""
    found, other = bytearray(chance.choice(seeds)), chance.choice(seeds)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at, length = chance.randrange(len(found) + 1), chance.randint(0, 16)
        start = chance.randrange(len(other) + 1)
        piece = chance.choice((bytes([chance.randrange(256)]), chance.choice(PIECES), other[start:start + length]))
        found[at:at + chance.choice((0, 0, 1, length))] = piece
    return bytes(found[:LONGEST])


def restructured(seed: bytes, chance: random.Random) -> bytes:
    """Return JSON with one value, key or member in another place or of another kind."""
    data = json.loads(seed)
    for _ in range(chance.choice((1, 1, 2, 4))):
        place = chance.choice(places(data))
        value = chance.choice((*ODD, at(data, chance.choice(places(data)))))
        data = changed(data, place, json.loads(json.dumps(value)))
    return json.dumps(data).encode()


def at(data: Any, place: tuple) -> Any:
    """Return the value at a path."""
    for key in place:
        data = data[key]
    return data


def places(data: Any, here: tuple = ()) -> list[tuple]:
    """Return the path to each value within nested data."""
    keys = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    return [here, *(place for key in keys for place in places(data[key], (*here, key)))]


def changed(data: Any, place: tuple, value: Any) -> Any:
    """Return the data with another value at a path."""
    if not place:
        return value
    if not isinstance(data, (dict, list)):
        return data
    copy = data.copy()
    copy[place[0]] = changed(data[place[0]], place[1:], value)
    return copy


def seeds_of(name: str) -> list[bytes]:
    """Return the seeds of a target: good input, and what failed once."""
    folder = CORPUS / name
    kept = [file.read_bytes() for file in sorted(folder.iterdir())] if folder.is_dir() else []
    return [*TARGETS[name].seeds, *kept]


def limit() -> None:
    """Bound this process's memory, and let an alarm raise Slow."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, most))

    def late(*_: object) -> None:
        raise Slow
    signal.signal(signal.SIGALRM, late)


def fails(name: str, data: bytes) -> str:
    """Feed one input; return what went wrong, "" for nothing."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        TARGETS[name].check(data)
        return ""
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
        return f"{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def run(name: str, count: int, start: int) -> Iterator[tuple[bytes, str]]:
    """Feed a target with so many inputs; yield each that fails, with what went wrong."""
    chance, pool = random.Random(f"{name} {start}"), seeds_of(name)
    for data in pool:
        if why := fails(name, data):
            yield data, why
    trees = [seed for seed in pool if seed.startswith(b"{")]
    for number in range(count):
        data = restructured(chance.choice(trees), chance) if trees and number % 2 else mutated(pool, chance)
        if why := fails(name, data):
            yield data, why
        if number % 50 == 0 and len(pool) < 400:
            pool.append(data)  # so that changes add up


def shortest(name: str, data: bytes) -> bytes:
    """Return a failing input with all left out that it fails without as well."""
    size = max(1, len(data) // 2)
    while size:
        at = 0
        while at < len(data):
            less = data[:at] + data[at + size:]
            if fails(name, less):
                data = less
            else:
                at += size
        size //= 2
    return data


def main(count: int, start: int, names: list[str]) -> int:
    """Feed each target; print counts and findings, keep the latter; return how many there are."""
    limit()
    found = 0
    for name in names or list(TARGETS):
        begin, kept = time.monotonic(), set()
        for data, why in run(name, count, start):
            kind = why.split("(")[0][:60]
            if kind not in kept and len(kept) < 5:
                kept.add(kind)
                less = shortest(name, data)
                print(f"{name}: {less!r}: {fails(name, less)[:300]}", flush=True)
                keep(name, less)
        found += len(kept)
        took = time.monotonic() - begin
        print(f"{name}: {count} inputs, seed {start}, {len(kept)} findings, {took:.1f} s", flush=True)
    return found


def keep(name: str, data: bytes) -> None:
    """Put an input into the corpus, under a name that tells nothing but itself."""
    import zlib
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{zlib.crc32(data):08x}").write_bytes(data)
