# SPDX-License-Identifier: GPL-2.0-or-later
"""Do steps on a node, and let the model judge each by what is seen on the wire."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Sequence

from tests.lab.tap import Frame
from tests.proof.harm import Harm
from tests.proof.model import Model, wrong
from tests.proof.probe import chatting
from tests.proof.values import ANYWHERE, Fact
from tests.proof.world import World

WITHIN_S = 4.0
FAILED: list[str] = []
"""What went wrong in this process, also where it does not again: packets are late on a busy machine."""
Step = tuple[object, ...]
"""An act and its arguments, such as ("start", "101")."""


class Walk:
    """Hold a world, the steps done so far, and what was counted."""

    def __init__(self, world: World) -> None:
        self.world, self.acts, self.trace = world, Harm(world), list[Step]()
        self.counts = {"steps": 0, "packets": 0, "frames": 0, "facts": 0, "seconds": 0.0}

    def step(self, act: str, *arguments: object) -> None:
        """Do one act while running VEs send; then ask on the wire. Raises AssertionError with all steps so far."""
        self.trace.append((act, *arguments))
        begin, before = time.monotonic(), copy.deepcopy(self.world.model)
        try:
            with chatting({} if act == "rename" else self.world.running()) as chatter:  # the tap tells names of now
                getattr(self.acts, act)(*arguments)
            self._judge(before)
        except AssertionError as error:
            FAILED.append(f"{error}\nafter\n{script(self.trace)}")
            raise AssertionError(FAILED[-1]) from None
        self.counts["steps"] += 1
        self.counts["packets"] += chatter.sent
        self.counts["seconds"] += time.monotonic() - begin

    def _judge(self, before: Model) -> None:
        model, probe = self.world.model, self.world.probe
        frames = probe.frames()
        self._refuse(wrong(before, model, probe.left(frames)), frames)
        self._refuse(answered_wrongly(probe.facts(frames), before, model), frames)
        deadline, needed = time.monotonic() + WITHIN_S, set(model.needed())
        while True:
            facts, frames = probe.ask(self.world.running(), self.world.own())
            self.counts["frames"] += len(frames)
            self._refuse(wrong(model, model, probe.left(frames)), frames)
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
            raise AssertionError("\n".join([*complaints, *(str(f) for f in frames if f.src in named and f.outgoing)]))


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
