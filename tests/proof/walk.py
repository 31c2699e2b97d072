# SPDX-License-Identifier: GPL-2.0-or-later
"""Do steps on a node, and let the model judge each by what is seen on the wire."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Iterable, Sequence

from tests.lab.tap import Frame
from tests.proof.harm import Harm
from tests.proof.model import Model, wrong
from tests.proof.probe import chatting
from tests.proof.values import ANYWHERE, Fact
from tests.proof.world import World

WITHIN_S = 4.0
QUEUED_S = 5.0
"""How long ago the kernel may have taken a frame that leaves now: it waits three seconds for a neighbour."""
FAILED: list[str] = []
"""What went wrong in this process, also where it does not again: packets are late on a busy machine."""
Step = tuple[object, ...]
"""An act and its arguments, such as ("start", "101")."""


class Walk:
    """Hold a world, the steps done so far, and what was counted; past: how many moments are of former steps."""

    def __init__(self, world: World) -> None:
        self.world, self.acts, self.trace = world, Harm(world), list[Step]()
        self.past = 0
        self.counts = {"steps": 0, "packets": 0, "frames": 0, "facts": 0, "seconds": 0.0}

    def step(self, act: str, *arguments: object) -> None:
        """Do one act while running VEs send; then ask on the wire. Raises AssertionError with all steps so far."""
        self.trace.append((act, *arguments))
        begin, before = time.monotonic(), copy.deepcopy(self.world.model)
        self._remember(before)
        try:
            running = {} if act == "rename" else self.world.running()  # the tap tells names of now
            with chatting(running, self._moment(before, self.world.model)) as chatter:
                getattr(self.acts, act)(*arguments)
            self._judge(before)
        except AssertionError as error:
            FAILED.append(f"{error}\nafter\n{script(self.trace)}")
            if len(FAILED) == 1:
                print(FAILED[0], file=sys.stderr, flush=True)  # to make it short takes minutes
            raise AssertionError(FAILED[-1]) from None
        self.counts["steps"] += 1
        self.counts["packets"] += chatter.sent
        self.counts["seconds"] += time.monotonic() - begin

    def _moment(self, *models: Model) -> int:
        """Begin a moment of which these states are right; return its number."""
        number = self.world.probe.tick()
        self.world.moments[number] = (time.monotonic(), list(models))
        return number

    def _remember(self, before: Model) -> None:
        """Keep the state of now for what was sent until now, and nothing of what is long past."""
        kept = {}
        for number, (since, models) in self.world.moments.items():
            if time.monotonic() - since < QUEUED_S + WITHIN_S:
                kept[number] = (since, [before if m is self.world.model else m for m in models])
        self.world.moments, self.past = kept, len(kept)

    def _leaks(self, frames: Iterable[Frame], *models: Model) -> list[str]:
        """Return what left by a NIC that no state since it was sent allows; models: for what does not say when."""
        found, moments = [], list(self.world.moments)
        for born, left in self.world.probe.left(frames).items():
            if born in self.world.over:
                continue
            since = moments[moments.index(born):] if born in moments else []
            states = [m for number in since for m in self.world.moments[number][1]]
            if born in moments[:self.past]:  # of a VE that has stopped since, it may have come back from the LAN
                left = {(source, nic) for source, nic in left if all(m.owner(source) for m in states)}
            found += wrong(states or models, left)
        return found

    def _judge(self, before: Model) -> None:
        model, probe = self.world.model, self.world.probe
        frames = probe.frames()
        self._refuse(self._leaks(frames, before, model), frames)
        self._refuse(answered_wrongly(probe.facts(frames), before, model), frames)
        deadline, needed = time.monotonic() + WITHIN_S, set(model.needed())
        while True:
            self._moment(model)
            facts, frames = probe.ask(self.world.running(), self.world.own())
            self.counts["frames"] += len(frames)
            self._refuse(self._leaks(frames, model), frames)
            self._refuse(answered_wrongly(facts, model), frames)
            missing = needed - facts
            if not missing:
                break
            assert time.monotonic() < deadline, f"not seen: {sorted(missing)[:12]}"
        self.counts["facts"] += len(needed)
        if not self.world.resident:
            self.world.end_announcers()

    @staticmethod
    def _refuse(complaints: Sequence[str], frames: Iterable[Frame]) -> None:
        if complaints:
            named = {word for c in complaints for word in c.split()}
            seen = dict.fromkeys(str(f) for f in frames if f.src in named and f.outgoing)
            raise AssertionError("\n".join([*complaints, *seen]))


def answered_wrongly(facts: Iterable[Fact], *models: Model) -> list[str]:
    """Return which NICs answered for a VE's address though no state allows it."""
    found = []
    for kind, address, nic in (f for f in facts if f[0] == "answer" and f[2] != ANYWHERE):
        judges = [m for m in models if m.owner(address)]
        if judges and not any(m.may_answer(address, nic) for m in judges):
            found.append(f"{kind} for {address} by {nic}")
    return sorted(found)


def script(steps: Iterable[Step]) -> str:
    """Write steps as a list that `replay` takes."""
    return "".join(f"    {step!r},\n" for step in steps)


def replay(world: World, steps: Iterable[Step]) -> Walk:
    """Do steps that were found or thought of, and reset the node."""
    walk = Walk(world)
    for act, *arguments in steps:
        walk.step(str(act), *arguments)
    left = world.reset()
    assert left == [], "\n".join([*left, script(walk.trace)])
    return walk
