# SPDX-License-Identifier: GPL-2.0-or-later
"""Let hypothesis choose what is done to a node, and in which order."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.proof.configs import CTIDS, INIS, NAMES
from tests.proof.walk import Walk, script
from tests.proof.world import World

VES = st.sampled_from(CTIDS)
UPLINKS = st.sampled_from((*NAMES, "eth3", "eth4"))
GOOD = st.sampled_from(("eth3", "eth4", ""))
NICS = st.sampled_from(("eth0", "eth3", "eth4"))
SMALL = st.integers(0, 40)
SAVE = st.booleans()
KINDS = st.sampled_from(("rules", "routes", "nft", "proxies"))
EXAMPLE_STEPS = 40


class Machine(RuleBasedStateMachine):
    """Do one walk on the node of `world`, which the next walk uses again."""

    world: World
    totals: dict[str, float]

    def __init__(self) -> None:
        super().__init__()
        self.walk = Walk(self.world)

    @initialize(ini=st.sampled_from((0, 0, 1, 2, 3, 4, 5)), uplinks=st.tuples(GOOD, GOOD))
    def begin(self, ini: int, uplinks: tuple[str, str]) -> None:
        """Let two VEs run, or be refused, so that there is traffic in each walk."""
        self.walk.step("ini", ini)
        self.walk.step("resync", True)
        for ctid, uplink in zip(CTIDS, uplinks):
            self.start_with(ctid, uplink)

    @rule(ctid=VES)
    def start(self, ctid: str) -> None:
        self.walk.step("start", ctid)

    @rule(ctid=VES, uplink=UPLINKS)
    def start_with(self, ctid: str, uplink: str) -> None:
        self.walk.step("configure", ctid, uplink, 0)
        self.walk.step("start", ctid)

    @rule(ctid=VES)
    def mount(self, ctid: str) -> None:
        self.walk.step("mount", ctid)

    @rule(ctid=VES)
    def umount(self, ctid: str) -> None:
        self.walk.step("umount", ctid)

    @rule(ctid=VES)
    def stop(self, ctid: str) -> None:
        self.walk.step("stop", ctid)

    @rule(ctid=VES)
    def restart(self, ctid: str) -> None:
        self.walk.step("restart", ctid)

    @rule(ctid=VES)
    def crash(self, ctid: str) -> None:
        self.walk.step("crash", ctid)

    @rule(ctid=VES)
    def migrate(self, ctid: str) -> None:
        self.walk.step("migrate", ctid)

    @rule(ctid=VES, save=SAVE)
    def ipadd(self, ctid: str, save: bool) -> None:
        self.walk.step("ipadd", ctid, save)

    @rule(ctid=VES, save=SAVE)
    def ipdel(self, ctid: str, save: bool) -> None:
        self.walk.step("ipdel", ctid, save)

    @rule(ctid=VES, uplink=UPLINKS, line=st.sampled_from((0, 0, 0, 1, 2, 3)))
    def configure(self, ctid: str, uplink: str, line: int) -> None:
        self.walk.step("configure", ctid, uplink, line)

    @rule(ctid=VES, uplink=UPLINKS, save=SAVE)
    def assign(self, ctid: str, uplink: str, save: bool) -> None:
        self.walk.step("assign", ctid, uplink, save)

    @rule(number=st.integers(0, len(INIS) - 1))
    def ini(self, number: int) -> None:
        self.walk.step("ini", number)

    @rule(force=SAVE)
    def resync(self, force: bool) -> None:
        self.walk.step("resync", force)

    @rule()
    def mend(self) -> None:
        self.walk.step("resync", True)

    @rule(ctid=VES)
    def resync_one(self, ctid: str) -> None:
        self.walk.step("resync_one", ctid)

    @rule(nic=st.sampled_from(("eth3", "eth4")))
    def link(self, nic: str) -> None:
        self.walk.step("link", nic)

    @rule(nic=NICS)
    def carrier(self, nic: str) -> None:
        self.walk.step("carrier", nic)

    @rule(nic=st.sampled_from(("eth3", "eth4")))
    def address(self, nic: str) -> None:
        self.walk.step("address", nic)

    @rule()
    def rename(self) -> None:
        self.walk.step("rename")

    @rule(nic=NICS, number=st.integers(0, 1))
    def replace(self, nic: str, number: int) -> None:
        self.walk.step("replace", nic, number)

    @rule(what=KINDS, number=SMALL)
    def flush(self, what: str, number: int) -> None:
        self.walk.step("flush", what, number)

    @rule(ctid=VES, name=st.sampled_from(("vps.mount", "vps.umount", "vps.postumount")), steps=SMALL)
    def hook_dies(self, ctid: str, name: str, steps: int) -> None:
        self.walk.step("hook_dies", ctid, name, steps)

    @rule(steps=SMALL)
    def resync_dies(self, steps: int) -> None:
        self.walk.step("resync_dies", steps)

    @rule(ctid=VES, uplink=UPLINKS, steps=SMALL)
    def set_dies(self, ctid: str, uplink: str, steps: int) -> None:
        self.walk.step("set_dies", ctid, uplink, steps)

    @rule(ctid=VES, starting=SAVE)
    def vzctl_dies(self, ctid: str, starting: bool) -> None:
        self.walk.step("vzctl_dies", ctid, starting)

    @rule()
    def disk(self) -> None:
        self.walk.step("disk")

    @rule(ctid=VES, stop=SAVE)
    def reinstall(self, ctid: str, stop: bool) -> None:
        self.walk.step("uninstall")
        self.walk.step("stop" if stop else "start", ctid)
        self.walk.step("install")

    def teardown(self) -> None:
        """Make the node as it was; whatever is left is a failure, and the next walk gets a new node."""
        for name, number in self.walk.counts.items():
            self.totals[name] = self.totals.get(name, 0) + number
        try:
            left = self.world.reset()
        except BaseException:
            self.renew()
            raise
        if left:
            self.renew()
            raise AssertionError("\n".join(["after the last step and a reset", *left, script(self.walk.trace)]))

    @classmethod
    def renew(cls) -> None:
        """Build the node anew."""
        old, cls.world = cls.world, cls.world.again()
        old.close()


def run(world: World, steps: int, start: int, **more: Any) -> tuple[dict[str, float], World]:
    """Do about so many steps on a node, chosen by this seed; return what was counted, and the node to go on with.

    Raises AssertionError with the shortest steps found that go wrong.
    """
    machine = type("Walks", (Machine,), {"world": world, "totals": {}})
    chosen = settings(max_examples=max(1, steps // EXAMPLE_STEPS), stateful_step_count=min(steps, EXAMPLE_STEPS),
                      deadline=None, database=None, suppress_health_check=list(HealthCheck), verbosity=Verbosity.normal,
                      phases=more.pop("phases", (Phase.generate, Phase.shrink)), print_blob=False)
    run_state_machine_as_test(seed(start)(machine), settings=chosen)
    return machine.totals, machine.world  # type: ignore[attr-defined]
