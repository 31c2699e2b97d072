# SPDX-License-Identifier: GPL-2.0-or-later
"""What hardware, other managers and SIGKILL do to a node in one step."""

from __future__ import annotations

from tests.lab.actions import Failed, is_mounted
from tests.lab.node import NICS as NODE
from tests.proof import breaking, mortal
from tests.proof.acts import Acts
from tests.proof.quick import DOOM
from tests.proof.values import MOUNTED, NFT, RULES, RUNNING, STOPPED

MACS = ("00:0c:29:b3:a2:77", "00:0c:29:b3:a2:78")


class Harm(Acts):
    """Add acts that nobody asked for."""

    # -- links ------------------------------------------------------------------------------

    def link(self, nic: str) -> None:
        """Bring a NIC down, or up again with what its manager gives it."""
        # eth0 stays: main's default tells that the lab's NICs, which are veths, lead off the node.
        if nic in self.model.nics and nic != "eth0":
            now = self.model.nics[nic]
            now.up = not now.up
            self.world.bring_up(nic) if now.up else self.node.link(nic, up=False)
            self._links_changed()

    def carrier(self, nic: str) -> None:
        """Plug a cable out or in."""
        if nic in self.model.nics:
            now = self.model.nics[nic]
            now.carrier = not now.carrier
            self.node.carrier(nic, now.carrier)
            self._links_changed()

    def address(self, nic: str) -> None:
        """Take a NIC's addresses, or give them again."""
        now = self.model.nics.get(nic)
        if now is None or not now.up:
            return
        if now.addresses:
            for cidr in NODE[nic][1:]:
                self.node.del_address(nic, cidr)
            now.addresses = frozenset()
        else:
            self.world.give_addresses(nic)
            now.addresses = frozenset(cidr.split("/")[0] for cidr in NODE[nic][1:])
            if nic not in self.model.ini.devices:
                self.model.strange.add(nic)  # its network alone tells that it leads off the node, to the next run
        self._links_changed()

    def rename(self) -> None:
        """Give eth3 another name, or its own again."""
        old, new = ("eth3", "eth5") if "eth3" in self.model.nics else ("eth5", "eth3")
        nic = self.model.nics.get(old)
        if nic and nic.up and nic.carrier and nic.addresses:
            self.world.rename(old, new)
            self.model.nics[new] = self.model.nics.pop(old)
            self.model.strange.add(new)
            self._links_changed()

    def replace(self, nic: str, number: int) -> None:
        """Plug another NIC in under the name of one; in between there is none, and a backup may stand in."""
        now = self.model.nics.get(nic)
        if now and now.works and now.addresses:
            if self.world.resident:
                now.up = False
                self.model.changed()
                now.up = True
            self.world.replace(nic, MACS[number % 2])
            # Without main's default nothing tells that the lab's NICs lead off the node.
            self.model.strange |= set(self.model.nics) if nic == "eth0" and self.world.resident else {nic}
            self._links_changed()

    def _links_changed(self) -> None:
        self.model.shaken = True
        self.model.gateway = self.model.nics["eth0"].works
        self.model.changed()

    # -- other managers ---------------------------------------------------------------------

    def flush(self, what: str, number: int) -> None:
        """Take away a part of one layer, or published addresses; both layers at once are never lost."""
        layer = RULES if what in ("rules", "routes") else NFT if what == "nft" else ""
        if layer and self.model.lost - {layer}:
            return
        getattr(breaking, what)(self.world, number)
        self.model.lost |= {layer} - {""}
        self.model.dirty = True

    # -- the disk ---------------------------------------------------------------------------

    def disk(self) -> None:
        """Let the disks that hold our notes be full, or have room again."""
        if self.model.installed:
            self.model.full = not self.model.full
            self.model.dirty = True
            self.world.fill(self.model.full)

    # -- SIGKILL ----------------------------------------------------------------------------

    def hook_dies(self, ctid: str, name: str, steps: int) -> None:
        """Start or stop a VE, and kill its hook after so many changes."""
        ve = self.ve(ctid)
        if not self.model.installed or (ve.phase != STOPPED if name == "vps.mount" else ve.phase != RUNNING):
            return
        DOOM[name] = steps
        done = self.world.vzctl.start(ctid) if name == "vps.mount" else self.world.vzctl.stop(ctid)
        ended = DOOM.pop(name, None)
        self._after_death(ctid, name, done.rc, ended)

    def _after_death(self, ctid: str, name: str, status: int, ended: int | None) -> None:
        self.model.changed_others()
        self.model.dirty = True
        self.cut_short.add(ctid)
        if name == "vps.mount" and status == 0:
            self.model.started(ctid)
        elif name == "vps.umount" and status:
            self.model.stopped(ctid)
            self.model.ves[ctid].phase = MOUNTED
            self.model.ves[ctid].ways = self.model.wanted(self.model.ves[ctid])
        else:
            self.model.stopped(ctid)

    def resync_dies(self, steps: int) -> None:
        """Kill a resync after so many changes."""
        if self.model.installed:
            mortal.command(self.node.hn, steps, "resync", "--force")
            self.model.changed()

    def set_dies(self, ctid: str, uplink: str, steps: int) -> None:
        """Kill a `set` without --save after so many changes: the VE has its old way or the new one."""
        if not self.model.installed or not uplink or not self.model.resolve(uplink, self.model.ini):
            return
        old = self.ve(ctid).ways
        status, _ = mortal.command(self.node.hn, steps, "set", ctid, "--uplink", uplink)
        if status == 0:
            self.model.changed_others()
            self.model.moved(ctid, uplink, False)
        elif status == mortal.DEAD and self.ve(ctid).phase != STOPPED:
            self.model.moved(ctid, uplink, False)
            self.ve(ctid).edited = True
            self.ve(ctid).ways = old | self.model.wanted(self.ve(ctid))
            self.model.changed()

    def vzctl_dies(self, ctid: str, starting: bool) -> None:
        """Kill vzctl itself, in a start after the mount hook or in a stop before the umount hook."""
        def die() -> None:
            raise Failed(137, "Killed")
        phase = self.ve(ctid).phase
        if starting and phase == STOPPED:
            self.world.vzctl.start(ctid, before_network=die)
            self.model.stopped(ctid)
            self.model.dirty = True
        elif not starting and phase == RUNNING:
            self.world.vzctl.stop(ctid, before_umount=die)
            self.model.stopped(ctid)
            self.model.dirty = True
        self.cut_short.add(ctid)
        self._note_mount(ctid)

    def _note_mount(self, ctid: str) -> None:
        if self.ve(ctid).phase == STOPPED and is_mounted(self.node.hn, ctid):
            self.ve(ctid).phase = MOUNTED
            self.ve(ctid).ways = self.model.wanted(self.ve(ctid))
