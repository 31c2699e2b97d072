# SPDX-License-Identifier: GPL-2.0-or-later
"""Do after a hook what cannot be done in it, without keeping vzctl waiting: bounded, and detached.

vzctl publishes and announces a VE's addresses from all NICs two to seven seconds after the mount
hook, so what neighbours learn is put right when the VE's route appears, not by a clock. vzctl reads
the hook's output until every descriptor of it is closed (libvzctl lib/exec.c), and leaks some of its
own into us: whatever is left behind closes all of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vzhooks.errors import VzhooksError
from vzhooks.model import Element
from vzhooks.neighbours import announce
from vzhooks.node import evidence, interrupt, log, notes
from vzhooks.node.descriptors import close_all
from vzhooks.node.host import Paths
from vzhooks.run import events, near
from vzhooks.run.request import HOOK, Report, Request

if TYPE_CHECKING:
    from vzhooks.kernel.netlink import Kernel

ROUTE_WAIT_S = 90.0
"""How long a started VE's route may take; vzctl 4 and OpenVZ 9 need 0.1 to 7 s."""
UNLOCKED_WAIT_S = 30.0
"""The same for an address given to a running VE by a vzctl that holds no lock."""
UNLOCKED_SAVE_S = 5.0
"""How long such a vzctl may take from the script that takes an address away until it has saved the config."""
LOOK_S = 0.05
"""How often to look whether vzctl is done, while announcing."""
REPEAT_S = (0.1, 0.3, 0.6, 1.0, 2.0)
"""Pauses before each announcement: several, since frames get lost and vzctl's own may come after."""


def announce_moved(report: Report) -> None:
    """Announce at once what a run moved, and some times more from a process of its own."""
    if report.moved:
        announce.send(report.moved)
        detach(lambda: _repeat(report.moved))


def after_mount(paths: Paths, ctid: str, addresses: frozenset[str]) -> None:
    """Wait, in a process of its own, for a route to one of the addresses; then publish and announce them."""
    detach(lambda: _follow(paths, ctid, addresses))


def after_change(paths: Paths, ctid: str, added: frozenset[str], expected: frozenset[str]) -> None:
    """Wait, in a process of its own, until vzctl is done with a running VE's addresses; then settle what they are.

    expected: those whose expectation ends with that.
    """
    held = locked_in(paths, ctid)
    detach(lambda: settle(paths, ctid, added, expected, held))


def locked_in(paths: Paths, ctid: str) -> list[str]:
    """Return the folders with the lock of the vzctl at work, none where it holds no lock, as with --skiplock.

    To be asked before `settle` begins in a process of its own: vzctl may be done very soon.
    """
    folders = evidence.lock_dirs(paths, evidence.vz_conf(paths))
    return folders if evidence.is_locked(folders, ctid) else []


def settle(paths: Paths, ctid: str, added: frozenset[str], expected: frozenset[str], held: list[str]) -> None:
    """Do so; held: what `locked_in` told before."""
    from vzhooks.kernel.arrival import wait_for_route
    deadline = time.monotonic() + (ROUTE_WAIT_S if held else UNLOCKED_WAIT_S)
    change = _Change(paths, ctid, expected, held)

    def goes_on() -> bool:
        return time.monotonic() < deadline and not change.is_over()

    came = False
    try:
        while added and not came and goes_on():
            came = wait_for_route(added, 0.5)
        if came:
            _tell(paths, ctid, added, change.pause)
        while held and goes_on():
            time.sleep(0.1)
        if not held and not added:
            time.sleep(UNLOCKED_SAVE_S)
        change.end()
    except VzhooksError as error:
        log.say(f"after a change of addresses: VE {ctid}: {error}", quiet=True)


@dataclass
class _Change:
    """Hold what vzctl does to a running VE's addresses; see `settle`."""

    paths: Paths
    ctid: str
    expected: frozenset[str]
    held: list[str]
    ended: bool = False

    def is_over(self) -> bool:
        """Tell whether vzctl has given back its lock; one that holds none tells nobody."""
        return bool(self.held) and not evidence.is_locked(self.held, self.ctid)

    def end(self) -> None:
        """Let the VE's addresses be what its config and its routes say."""
        if not self.ended and os.path.exists(self.paths.ves):
            over = not self.held or self.is_over()  # else its time ends it: see census
            done = {self.ctid: self.expected if over else frozenset()}
            _heal(self.paths, Request(ctids=frozenset({self.ctid}), expect=done, door=HOOK, wait_s=30.0), self.ctid)
        self.ended = True

    def pause(self, seconds: float) -> None:
        """Wait so long, and end it as soon as vzctl is done: what is expected follows no edit of a config."""
        until = time.monotonic() + seconds
        while self.held and not self.ended and time.monotonic() < until:
            self.end() if self.is_over() else time.sleep(LOOK_S)
        time.sleep(max(0.0, until - time.monotonic()))


def _follow(paths: Paths, ctid: str, addresses: frozenset[str]) -> None:
    from vzhooks.kernel.arrival import wait_for_route
    try:
        if wait_for_route(addresses, ROUTE_WAIT_S):
            _tell(paths, ctid, addresses)
    except VzhooksError as error:
        log.say(f"after mount: VE {ctid}: {error}", quiet=True)


def _heal(paths: Paths, request: Request, ctid: str) -> Report:
    event = events.Event("heal", ctid)
    report = near.run(paths, request)
    if report.ops or report.changed or report.unnoted:
        event.done(report)
    if report.changed:
        announce.send(report.moved)
    return report


def _tell(paths: Paths, ctid: str, addresses: frozenset[str], pause: Callable[[float], None] = time.sleep) -> None:
    """Publish and announce what is routed of a VE, now and some times more."""
    if os.path.exists(paths.ves):  # without our notes vzhooks was uninstalled meanwhile, and must not come back
        request = Request(ctids=frozenset({ctid}), door=HOOK, wait_s=30.0)
        _repeat((), lambda: places(_heal(paths, request, ctid), ctid, addresses), len(addresses), pause)


def places(report: Report, ctid: str, addresses: frozenset[str]) -> list[tuple[str, str]]:
    """Return where to announce those of a VE's addresses that a run found routed."""
    ways = (w for w in report.ways if w.ve.ctid == ctid and w.uplink)
    routed = {a for a in addresses if a in report.facts.local}
    return [(a, w.uplink.device) for w in ways if w.uplink for a in w.ve.addresses if a in routed]


def _repeat(places: Sequence[tuple[str, str]], more: Callable[[], Sequence[tuple[str, str]]] | None = None,
            whole: int = 0, pause: Callable[[float], None] = time.sleep) -> None:
    """Announce some times; ask for more places until they are whole: routes come one after the other."""
    for seconds in REPEAT_S:
        pause(seconds)
        if more and len(places) < whole:
            places = more()
        announce.send(_standing_now(places))


def _standing_now(places: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    from vzhooks.kernel.nearby import near_to
    with near_to([a for a, _ in places]) as kernel:
        return standing(places, kernel)


def standing(places: Sequence[tuple[str, str]], kernel: Kernel) -> list[tuple[str, str]]:
    """Return what still holds of these places: the VE may have stopped, moved or left the node meanwhile.

    An address that fell to main is announced from there while it is routed and has no uplink again.
    """
    facts = kernel.facts()
    exits = {i.value for i in kernel.guard() if isinstance(i, Element) and i.set.startswith("exits")}
    held, routed = {a for a, _ in exits}, {r.dst.partition("/")[0] for r in facts.main if r.dst != "default"}
    own, hard = {a: n.name for n in facts.nics.values() for a in n.owns}, _is_hardened()
    return [(a, d) for a, d in places if ((own[a] == d) == hard if a in own else
                                          a in routed and ((a, d) in exits or a not in held))]


def _is_hardened() -> bool:
    """Tell whether the node's own addresses are answered by their own NICs: not after an undo or uninstall."""
    with suppress(VzhooksError):
        return notes.load_hardening(Paths().harden).on
    return False


def detach(work: Callable[[], Any]) -> None:
    """Run work in a process that has nothing to do with the caller any more: no parent, no descriptors."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        interrupt.release()
        os.chdir("/")
        close_all()
        for _ in range(3):
            os.open(os.devnull, os.O_RDWR)
        work()
    except Exception as error:  # noqa: BLE001 - nobody is left to raise to
        log.say(f"after the hook: internal error: {error!r}; report this line", log.ERROR, quiet=True)
    finally:
        os._exit(0)
