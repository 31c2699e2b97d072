# SPDX-License-Identifier: GPL-2.0-or-later
"""Kill every command and every hook after each of its steps, and hold that the next one ends right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.lab.wire import flush_neighbours, ping
from tests.proof import breaking, mortal
from tests.proof.probe import chatting
from tests.proof.world import World, differences
from tests.site import OWN, pair

FOUR, SIX = pair("101")
SYSCTL_D = "/etc/sysctl.d/90-vzhooks.conf"
LIVES = {"set": ("set", "101", "--uplink", "eth4", "--save"), "resync": ("resync",), "harden": ("harden",),
         "undo": ("harden", "--undo"), "uninstall": ("uninstall",), "boot": ("hook", "boot"), "install": ("install",)}
HOOKS = ("mount", "umount", "postumount")


@dataclass
class Death:
    """Hold a node on which a command or hook is killed again and again.

    name: of LIVES or HOOKS; power: by a power loss, which ends the node and is followed by its boot.
    """

    world: World
    name: str
    power: bool = False

    def __post_init__(self) -> None:
        self.site, self.hn = self.world.site, self.world.node.hn
        self.deaths = 0

    def every(self, first: int = 0, stride: int = 1) -> int:
        """Kill at each step from the first on; return how often that was. Raises AssertionError."""
        steps = first
        while self.once(steps):
            steps += stride
        return self.deaths

    def once(self, steps: int) -> bool:
        """Kill at one step; tell whether there was one."""
        self.prepare()
        with self.leaks_not():
            status, _ = self.run(steps)
        died = status == mortal.DEAD
        assert died or status == 0, f"{self.name} ended with {status}"
        self.deaths += died
        with self.leaks_not():
            self.boot() if self.power else None
            self.mend()
        try:
            self.reached()
        except AssertionError as error:
            raise AssertionError(f"{self.name} killed after {steps} steps: {error}") from None
        self.end(steps)
        return died

    # -- before -----------------------------------------------------------------------------

    def prepare(self) -> None:
        """Bring the node to where the command is given."""
        world, self.wanted = self.world, "eth3"
        world.write_conf("101", "eth3")
        if self.name in ("set", "resync", "umount", "postumount"):
            assert world.vzctl.start("101").rc == 0
            world.end_announcers()
            self.site.vzhooks("resync")
        if self.name == "resync":
            world.write_conf("101", "eth4")
        if self.name in ("umount", "postumount"):
            self._half_stop()
        if self.name == "harden":
            self.site.vzhooks("harden", "--undo")
        if self.name == "install":
            self.site.vzhooks("uninstall")
        if self.name == "boot":
            self._lose_kernel()

    def _half_stop(self) -> None:
        """Stop the VE up to the hook in question."""
        with suppress(AssertionError):
            self.world.vzctl.stop("101", skip_hooks=True)
        if self.name == "postumount":
            mortal.event(self.hn, None, "umount", self.world.vzctl.environment("101"))

    def run(self, steps: int) -> tuple[int, int]:
        """Do what is killed."""
        if self.name in HOOKS:
            environment = self.world.vzctl.environment("101")
            return mortal.event(self.hn, steps, self.name, environment, power=self.power, files=True)
        return mortal.command(self.hn, steps, *LIVES[self.name], power=self.power, files=True)

    # -- after ------------------------------------------------------------------------------

    @contextmanager
    def leaks_not(self) -> Iterator[None]:
        """Fail where what the VE sends meanwhile leaves by any NIC but its old and new uplink."""
        with self.site.only_by("eth3", "eth4", src=(FOUR, SIX)), chatting(self.world.running()):
            yield

    def boot(self) -> None:
        """Start the node again: what the kernel held is gone, and the boot unit runs."""
        self._lose_kernel()
        if self.hn.exists("/etc/systemd/system/vzhooks-boot.service"):
            self.site.vzhooks("hook", "boot", rc=None if self.name in ("install", "uninstall") else 0)

    def _lose_kernel(self) -> None:
        world = self.world
        world.end_announcers()
        self.site.hn("rm", "-f", "/vz/lock/101.lck")  # vzctl itself sees that its holder is dead
        world.vzctl.stop("101", skip_hooks=True)
        world.node.hn.run(["umount", "/vz/root/101"])
        for what in ("rules", "routes", "nft", "proxies"):
            getattr(breaking, what)(world, 0)
        self.site.hn("sh", "-c", "rm -f /run/vzhooks/*")
        for line in world.bare["sysctls"]:
            key, _, value = line.partition(" = ")
            self.hn.sysctl(key, value)
        for line in self.hn.read(SYSCTL_D).splitlines() if self.hn.exists(SYSCTL_D) else ():
            key, eq, value = line.partition("=")
            if eq and not line.startswith("#"):
                with suppress(FileNotFoundError):  # as sysctl(8) has it: of a device that comes later
                    self.hn.sysctl(key.strip().lstrip("-").replace(".", "/"), value.strip())

    def mend(self) -> None:
        """Do what comes next on a real node, without a word about what happened."""
        if self.name in ("uninstall", "install"):
            self.site.vzhooks(self.name)
        elif self.name in ("harden", "undo"):
            self.site.vzhooks(*LIVES[self.name])
        elif self.name == "set" and not self.power:
            self.site.vzhooks("set", "101", "--uplink", "eth4", "--save")
        else:
            self.site.vzhooks("resync")

    def reached(self) -> None:
        """Assert that the node is reached at each of its addresses, and that the VE goes its way from its start on."""
        for own in OWN:
            assert any(self._answers(own) for _ in range(4)), own
        if self.name in ("uninstall", "install", "harden", "undo"):
            return
        if not self.world.node.ve("101").running:
            assert self.world.vzctl.start("101").rc == 0
            self.world.end_announcers()
            self.site.vzhooks("resync")
        uplink = "eth4" if 'UPLINK="eth4"' in self.hn.read("/etc/vz/conf/101.conf") else "eth3"
        self.site.leaves_by("101", uplink, count=1)
        self.site.settled()

    def _answers(self, own: str) -> bool:
        flush_neighbours(self.world.node.client)
        return bool(ping(self.world.node.client, own, count=2))

    def end(self, steps: int) -> None:
        """Bring the node back to its beginning; nothing may be left."""
        world = self.world
        if world.node.ve("101").running:
            assert world.vzctl.stop("101").rc == 0
        if self.name in ("uninstall", "undo"):
            parts = ("sysctls",) if self.name == "undo" else tuple(world.bare)
            left = differences({part: world.bare[part] for part in parts}, world.state())
            assert left == [], "\n".join([f"{self.name} killed after {steps} steps", *left])
            self.site.vzhooks("install")
        left = world.reset()
        assert left == [], "\n".join([f"{self.name} killed after {steps} steps", *left])
