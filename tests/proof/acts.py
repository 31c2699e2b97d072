# SPDX-License-Identifier: GPL-2.0-or-later
"""What can be done to a node in one step, to the node itself and to its model."""

from __future__ import annotations

import re
from typing import Callable

from tests.lab.actions import Result
from tests.proof.configs import CTIDS, LINES, everything, second
from tests.proof.model import Model
from tests.proof.values import MOUNTED, OK, REFUSED, RUNNING, STOPPED, Ve
from tests.proof.world import World


class Acts:
    """Hold a world; each public method is one act. An act that makes no sense now does nothing.

    cut_short: VEs whose start or end no hook saw to its end, of which something stays for some seconds.
    """

    def __init__(self, world: World) -> None:
        self.world, self.site, self.node = world, world.site, world.node
        self.cut_short: set[str] = set()

    @property
    def model(self) -> Model:
        """Return the model of now; a reset makes a new one."""
        return self.world.model

    def ve(self, ctid: str) -> Ve:
        return self.model.ves[ctid]

    def gone(self, *ctids: str) -> None:
        """Assert that nothing of these VEs is left in the kernel."""
        lines = [line for part in self.world.kernel().values() for line in part]
        for ctid in ctids:
            left = [line for line in lines for a in everything(ctid) if has_word(line, a)]
            assert left == [], f"left of VE {ctid}: {left}"

    # -- vzctl ------------------------------------------------------------------------------

    def start(self, ctid: str) -> None:
        if self.ve(ctid).phase != RUNNING:
            self._begin(ctid, self.world.vzctl.start, RUNNING)

    def mount(self, ctid: str) -> None:
        if self.ve(ctid).phase == STOPPED:
            self._begin(ctid, self.world.vzctl.mount, MOUNTED)

    def _begin(self, ctid: str, command: Callable[[str], Result], phase: str) -> None:
        self.cut_short.discard(ctid)
        verdict = self.model.verdict(ctid)
        done = command(ctid)
        got = REFUSED if done.rc else OK
        assert got in verdict, f"{got}, not {verdict}: {done}"
        if got == OK:
            self.model.started(ctid, phase)
        else:
            self._ended(ctid)

    def umount(self, ctid: str) -> None:
        if self.ve(ctid).phase == MOUNTED:
            assert self.world.vzctl.umount(ctid).rc == 0
            self._ended(ctid)

    def _ended(self, ctid: str) -> None:
        self.model.stopped(ctid)
        self.cut_short |= {ctid} if self.model.full else set()

    def stop(self, ctid: str) -> None:
        if self.ve(ctid).phase == RUNNING:
            done = self.world.vzctl.stop(ctid)
            assert done.rc == 0, done
            self._ended(ctid)
            if self.model.installed and not self.model.dirty and not self.model.full:
                self.gone(ctid)

    def restart(self, ctid: str) -> None:
        self.stop(ctid)
        self.start(ctid)

    def crash(self, ctid: str) -> None:
        """End a VE from inside: vzctl 4 tells no hook, OpenVZ 9 does."""
        if self.ve(ctid).phase != RUNNING:
            return
        if self.world.generation == 9:
            assert self.world.vzctl.halt(ctid).rc == 0
        else:
            self.node.ve(ctid).kill()
            self.world.vzctl.sweep(ctid)
            self.cut_short.add(ctid)
        self._ended(ctid)

    def ipadd(self, ctid: str, save: bool) -> None:
        ve = self.ve(ctid)
        for address in second(ctid):
            if ve.phase == RUNNING and address not in ve.live:
                done = self.world.vzctl.ipadd(ctid, address, save=save)
                if done.rc and self._may_refuse(ve):
                    continue
                assert done.rc == 0, done
                ve.live.add(address)
                ve.loose.add(address)
                self._saved(ve, address, save)
                self.model.dirty = True

    def _may_refuse(self, ve: Ve) -> bool:
        """Tell whether a new address may be refused: on OpenVZ 9, to a VE whose uplink cannot be or be noted."""
        ini = self.model.effective()
        return self.model.own_device and (ini is None or not ve.sure or self.model.full or not all(
            self.model.resolve(name, ini) for name in ve.names))

    def ipdel(self, ctid: str, save: bool) -> None:
        ve = self.ve(ctid)
        for address in second(ctid):
            if ve.phase == RUNNING and address in ve.live:
                assert self.world.vzctl.ipdel(ctid, address, save=save).rc == 0
                ve.live.discard(address)
                ve.loose.discard(address)
                if save:
                    ve.addresses = tuple(a for a in ve.addresses if a != address)
                self.model.dirty = True

    def _saved(self, ve: Ve, address: str, save: bool) -> None:
        if save and address not in ve.addresses:
            ve.addresses = (*ve.addresses, address)

    def migrate(self, ctid: str) -> None:
        """Take a VE away from the node, and give it a new config on it later: all in one step."""
        self.stop(ctid)
        self.umount(ctid)
        self.node.hn.path(f"/etc/vz/conf/{ctid}.conf").unlink()
        self.site.vzhooks("resync", rc=None)
        self.world.write_conf(ctid, self.ve(ctid).uplink, 0)
        self.model.edit(ctid, self.ve(ctid).uplink)

    # -- the administrator ------------------------------------------------------------------

    def configure(self, ctid: str, uplink: str, line: int) -> None:
        """Write another UPLINK into a VE's config."""
        line = line % len(LINES) if uplink else 0
        self.world.write_conf(ctid, uplink, line)
        self.model.edit(ctid, uplink, sure=line == 0)

    def ini(self, number: int) -> None:
        self.world.make_room()  # else nobody knows which one the last good copy is of
        self.world.write_ini(number)
        self.model.changed()

    def assign(self, ctid: str, uplink: str, save: bool) -> None:
        """`vzhooks set`."""
        model, ve = self.model, self.ve(ctid)
        done = self.site.vzhooks("set", ctid, "--uplink", uplink or "none", *(["--save"] if save else []), rc=None)
        can = model.ini.usable and (not uplink or model.resolve(uplink, model.ini) is not None)
        if done.returncode == 0:
            assert can or not uplink, done
            model.changed_others()
            model.loaded()
            model.moved(ctid, uplink, save)
        else:
            assert done.returncode == 1 and (not can or model.troubles() or not ve.sure or model.full), done
            model.changed_others()
            if "would cut off" in done.stderr:  # it was done, looked at, and taken back
                self.world.moment(lambda tried: tried.moved(ctid, uplink, save))

    def resync(self, force: bool = False) -> None:
        done = self.site.vzhooks("resync", *(["--force"] if force else []), rc=None)
        assert done.returncode in (0, 1), done
        if not self.model.ini.usable:
            assert done.returncode == 1, done
            return
        if self.model.full and done.returncode == 1:
            self.model.changed()
            return
        if "nothing was changed" in done.stderr:
            assert not force and (self.model.troubles(self.cut_short) or self.model.loses()), done.stderr
            self.model.loaded()
            return
        assert done.returncode == 0 or self.model.troubles(self.cut_short), done.stderr
        self.model.synced()
        if self.model.installed:
            again = self.site.vzhooks("resync", "--dry-run", rc=None)
            assert again.stdout == "", again
            self.gone(*(c for c in CTIDS if self.ve(c).phase == STOPPED and c not in self.cut_short))

    def resync_one(self, ctid: str) -> None:
        self.site.vzhooks("resync", ctid, rc=None)
        self.model.changed_others()

    def uninstall(self) -> None:
        if self.model.installed:
            self.world.make_room()
            self.site.vzhooks("uninstall", "--force")
            self.model.installed = False
            text = "\n".join(self.site.state().values())
            assert "vzhooks" not in text, text

    def install(self) -> None:
        """Put vzhooks back, with all that its administrator does then."""
        if not self.model.installed:
            self.site.install()
            self.site.vzhooks("harden", rc=None)
            self.model.installed_again()
            self.resync(force=True)


def has_word(line: str, address: str) -> bool:
    """Tell whether an address stands in a line by itself."""
    return bool(re.search(rf"(?<![\w:.]){re.escape(address)}(?![\w:.])", line))
