# SPDX-License-Identifier: GPL-2.0-or-later
"""The stand-ins for vzctl, with vzhooks' own hooks run by a Python that is warm: a step costs a third.

What the hook scripts do around that Python has its own tests.
"""

from __future__ import annotations

from typing import Callable

from tests import warm
from tests.lab import Box, Vzctl4, Vzctl9
from tests.lab.actions import ACTION_SCRIPT_FAILED, CONF_DIR, Failed, Result, Streams, command
from tests.lab.actions9 import locked
from tests.lab.steps9 import FAILING, Run
from tests.lab.steps9 import environment as environment9
from tests.proof import mortal

DOOM: dict[str, int] = {}
"""After how many changes the next hook of a name dies."""


class Quick4(Vzctl4):
    """Run our own hooks of vzctl 4 quickly."""

    def _hooks(self, names: list[str], ctid: str, streams: Streams) -> None:
        for name in names:
            path = f"{CONF_DIR}/{name}"
            if not name.startswith("vps.") or not self.node.hn.exists(path):
                super()._hooks([name], ctid, streams)
            elif hook(self.node.hn, name, self.environment(ctid), streams):
                raise Failed(ACTION_SCRIPT_FAILED, self.complaint(name[len("vps."):], path))


class QuickRun(Run):
    """Run our own action scripts of OpenVZ 9 quickly; what replaces libvzctl's scripts is run whole."""

    streams: Streams

    def _hooks(self, action: str) -> int:
        path = f"{CONF_DIR}/vps.{action}"
        if not self.hn.exists(path):
            return 0
        environment = dict(word.split("=", 1) for word in environment9(self.ve.ctid))
        if hook(self.hn, f"vps.{action}", environment, self.streams):
            raise Failed(ACTION_SCRIPT_FAILED, FAILING.format(action=action, path=path))
        return 0


class Quick9(Vzctl9):
    """Run our own hooks of OpenVZ 9 quickly."""

    def _command(self, ctid: str, body: Callable[[Run], None]) -> Result:
        def locked_body(streams: Streams) -> None:
            with locked(self.node.hn, ctid, self.lock_wait_s):
                run = QuickRun(self.node.ve(ctid), streams, streams.err)
                run.streams = streams
                body(run)

        return command(locked_body)


def hook(hn: Box, name: str, environment: dict[str, str], streams: Streams) -> int:
    """Run one of our hooks; what it says goes where vzctl's own words go."""
    if name in DOOM:
        return mortal.event(hn, DOOM.pop(name), name[len("vps."):], environment)[0]
    done = warm.vzhooks(hn, "hook", name[len("vps."):], env=environment)
    assert "Traceback" not in done.stderr, done.stderr
    for line in (done.stdout + done.stderr).splitlines():
        streams.say(line)
    return done.returncode
