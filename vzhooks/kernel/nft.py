# SPDX-License-Identifier: GPL-2.0-or-later
"""The only file that runs nft(8): load a transaction, and read what is not as we write it.

Everything goes in one `nft -f -`, which the kernel takes whole or not at all.
"""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import suppress

from vzhooks.errors import SUPPORTED, HostError, KernelError
from vzhooks.kernel import tables
from vzhooks.kernel.monitor import Generation
from vzhooks.kernel.tables import Unread
from vzhooks.model import Item
from vzhooks.policy import guard, layout, nat
from vzhooks.policy.nat import Nat
from vzhooks.policy.plan import address_of

# vzctl's PATH for hooks ends in "." on OpenVZ 9 (libvzctl lib/util.c), so nothing is searched by it.
_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin", "LC_ALL": "C"}
TIMEOUT_S = 20
TRIES = 5


def found(near: frozenset[str] | None = None) -> frozenset[Item]:
    """Return the Skeleton and Elements of our tables, nothing where there are none.

    near: of VEs' addresses these alone. Raises HostError without nft(8), KernelError where it cannot tell.
    """
    with suppress(KernelError, Unread):  # nft(8) knows more, and says what is wrong
        return _as_written(near)
    items = _listed_by_nft()
    return items if near is None else frozenset(i for i in items if address_of(i) in ("", *near))


def _as_written(near: frozenset[str] | None = None) -> frozenset[Item]:
    """Return what `found` does, of tables that are as we write them; raises KernelError or Unread for all else."""
    generation = Generation()
    try:
        for _ in range(TRIES):
            before, parts = generation.now(), {f: tables.parts(f) for f in layout.FAMILIES}
            skeleton = guard.parse({f: json.dumps({"nftables": p}) for f, p in parts.items() if p})
            if guard.ALTERED in skeleton:
                raise Unread("altered")
            here = {guard.key_of(f, i["set"]["name"]) for f, p in parts.items() for i in p if "set" in i}
            found = skeleton.union(*(tables.elements(n, k, near) for n, k in layout.SETS.items() if n in here))
            if generation.now() == before:
                return found
    finally:
        generation.close()
    raise KernelError("nft: changes faster than it can be read; nothing was changed, try again")


def _listed_by_nft() -> frozenset[Item]:
    listings = {}
    for family in layout.FAMILIES:
        result = _run(["-j", "list", "table", family, guard.NAME], "")
        if result.returncode == 0:
            listings[family] = result.stdout
        elif not _says_absent(result):
            line = f"{_first_line(result.stderr)}; nothing was changed{_hint(result.stderr)}"
            raise KernelError(f"nft list table {family} {guard.NAME}: {line}")
    return guard.parse(listings)


def dropped() -> dict[str, tuple[int, int]]:
    """Return packets and bytes that the guard dropped, by reason; nothing without a guard, or one of an older version.

    Raises HostError without nft(8), KernelError where its output cannot be read.
    """
    results = [_run(["-j", "list", "counters", "table", family, guard.NAME], "") for family in layout.FAMILIES]
    return guard.counted(r.stdout for r in results if r.returncode == 0)


def _says_absent(result: subprocess.CompletedProcess[str]) -> bool:
    """Tell whether nft(8) itself says that there is no such table; a loader that lacks a library words it alike."""
    return result.returncode == 1 and bool(re.search("^Error: No such file or directory", result.stderr, re.MULTILINE))


def load(text: str) -> None:
    """Carry out a transaction in nft(8) syntax; raises KernelError, nothing then being changed."""
    before = _state()
    result = _run(["-f", "-"], text)
    if not result.returncode and before and before == _state():
        raise KernelError("nft: said that it was done, and changed nothing; reinstall the package nftables")
    if result.returncode:
        raise KernelError(f"nft: {_first_line(result.stderr)}; the guard was left as it was{_hint(result.stderr)}")


def _state() -> int:
    """Return the number of the state that nftables is in, 0 where it does not tell."""
    generation = Generation()
    try:
        return generation.now()
    except KernelError:
        return 0
    finally:
        generation.close()


def check() -> None:
    """Ask nft(8) and the kernel whether they can hold our tables, changing nothing; raises as `load` does."""
    result = _run(["-c", "-f", "-"], guard.full(layout.layout().skeleton, ()))
    if result.returncode:
        raise KernelError(f"nft: {_first_line(result.stderr)}{_hint(result.stderr) or '; run as root'}")


def _hint(stderr: str) -> str:
    """Return what to say of an nft or a kernel that does not know what we ask for."""
    if "not permitted" in stderr:
        return "; run as root with CAP_NET_ADMIN"
    return f"; {SUPPORTED}" if "syntax error" in stderr or "not supported" in stderr else ""


def _run(args: list[str], text: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["nft", *args], input=text, env=_ENV, capture_output=True, text=True, timeout=TIMEOUT_S)
    except OSError as error:
        line = f"nft: cannot be run ({error.strerror}); install the package nftables. {SUPPORTED}"
        raise HostError(line) from None
    except subprocess.TimeoutExpired:
        raise KernelError(f"nft: no answer within {TIMEOUT_S} s; nothing is known to be changed") from None


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "failed without a word")


def translations() -> tuple[Nat, ...]:
    """Return the rules of others that change sources; raises HostError or KernelError where it cannot tell.

    Only the tables that have such a chain are read: a whole ruleset can be long.
    """
    found: list[Nat] = []
    for family, table in nat.nat_tables(_listed("chains")):
        found += nat.parse(_listed("table", family, table))
    return tuple(found)


def _listed(*what: str) -> str:
    result = _run(["-j", "list", *what], "")
    if result.returncode:
        raise KernelError(f"nft list {' '.join(what)}: {_first_line(result.stderr)}{_hint(result.stderr)}")
    return result.stdout
