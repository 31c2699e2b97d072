# SPDX-License-Identifier: GPL-2.0-or-later
"""The stand-in for vzctl 4.11: same order of events, same environment for action scripts, same exit statuses."""

from __future__ import annotations

from typing import Callable, Optional

from tests.lab.actions import (
    CONF_DIR,
    Failed,
    Result,
    Streams,
    command,
    is_mounted,
    locked,
    mount_fs,
    run_script,
    umount_fs,
)
from tests.lab.files4 import Files4, environment
from tests.lab.node import ExampleNode
from tests.lab.ve import VE
from tests.lab.vznet import VEIP_DIR, net_add, net_del

NOT_MOUNTED, RUNNING = 40, 32

Pause = Optional[Callable[[], object]]


class Vzctl4(Files4):
    """Act on the VEs of a node; `stdout` is a descriptor for what scripts print, else it is in the Result."""

    def __init__(self, node: ExampleNode, stdout: int | None = None) -> None:
        self.node = node
        self.stdout = stdout

    def start(
        self, ctid: str, *, skip_hooks: bool = False, before_network: Pause = None, skip_remount: bool = False
    ) -> Result:
        """Start a VE; `before_network` is called between the mount scripts and the network set-up."""

        def body(ve: VE, streams: Streams) -> None:
            if ve.running:
                raise Failed(RUNNING, "Container is already running")
            self._prepare_fs(ve, streams, skip_hooks, skip_remount)
            if before_network:
                before_network()
            self._boot(ve)

        return self._command(ctid, body)

    def stop(
        self, ctid: str, *, skip_hooks: bool = False, before_umount: Pause = None, before_network: Pause = None
    ) -> Result:
        """Stop a VE; the pauses are between its end and the network clean-up, and before the umount scripts."""

        def body(ve: VE, streams: Streams) -> None:
            if not ve.running:
                streams.say("Unable to stop: container is not running")
                return
            ve.kill()
            if before_network:
                before_network()
            self._after_end(ctid)
            if before_umount:
                before_umount()
            self._umount(ctid, streams, skip_hooks)

        return self._command(ctid, body)

    def restart(self, ctid: str) -> Result:
        """Stop and start a VE in full."""
        stopped = self.stop(ctid)
        return stopped if stopped.rc else self.start(ctid)

    def suspend(self, ctid: str) -> Result:
        """Dump a VE: the network is taken back before the umount scripts, whose failure counts for nothing."""

        def body(ve: VE, streams: Streams) -> None:
            try:
                self._umount(ctid, streams)
            except Failed as failure:
                streams.say(str(failure))

        dumped = self.dump(ctid)
        return dumped if dumped.rc else self._command(ctid, body)

    def dump(self, ctid: str) -> Result:
        """Do `chkpnt --dump`, by which a live migration begins: no script runs."""

        def body(ve: VE, streams: Streams) -> None:
            ve.kill()
            net_del(self.node.hn, ctid, self._published(ctid), stopping=False)

        return self._command(ctid, body)

    def resume(self, ctid: str) -> Result:
        """Restore a VE: to the node the same as a start."""
        return self.start(ctid)

    def snapshot_switch(self, ctid: str, text: str) -> Result:
        """Put a running VE back to a snapshot: the umount scripts see the old config, the mount scripts the new one."""

        def body(ve: VE, streams: Streams) -> None:
            ve.kill()
            self._after_end(ctid)
            self._umount(ctid, streams)
            self._replace(ve, text)
            self._mount(ctid, streams)
            self._boot(ve)

        return self._command(ctid, body)

    def cancel_start(self, ctid: str, seconds: float) -> Result:
        """Be told to end while the mount script runs: unmount, and leave the script running."""

        def body(ve: VE, streams: Streams) -> None:
            mount_fs(self.node.hn, ctid)
            try:
                run_script(self.node.hn, f"{CONF_DIR}/vps.mount", environment(ctid), streams, seconds, abandon=True)
            finally:
                umount_fs(self.node.hn, ctid)

        return self._command(ctid, body)

    def destroy(self, ctid: str) -> Result:
        """Remove a stopped VE: no script runs, the config and the VE's own scripts are renamed."""

        def body(ve: VE, streams: Streams) -> None:
            if ve.running:
                raise Failed(RUNNING, "Container is currently running. Stop it before proceeding.")
            for ending in ("conf", "mount", "umount", "postumount"):
                path = self.node.hn.path(f"{CONF_DIR}/{ctid}.{ending}")
                if path.exists():
                    path.rename(f"{path}.destroyed")

        return self._command(ctid, body)

    def mount(self, ctid: str) -> Result:
        """Mount a VE's file system."""

        def body(ve: VE, streams: Streams) -> None:
            if not is_mounted(self.node.hn, ctid):
                self._mount(ctid, streams)

        return self._command(ctid, body)

    def umount(self, ctid: str) -> Result:
        """Unmount a stopped VE's file system."""

        def body(ve: VE, streams: Streams) -> None:
            if ve.running:
                raise Failed(RUNNING, "Container is running -- stop it first")
            if not is_mounted(self.node.hn, ctid):
                raise Failed(NOT_MOUNTED, "CT is not mounted")
            self._umount(ctid, streams)

        return self._command(ctid, body)

    def ipadd(self, ctid: str, ip: str, save: bool = False, before_route: Pause = None) -> Result:
        """Do `set --ipadd`: no action script, the config is written last; the pause is before main's route."""

        def body(ve: VE, streams: Streams) -> None:
            if ve.running:
                if ip not in ve.addresses:
                    ve.add_address(ip)
                net_add(self.node.hn, ctid, [ip], starting=False, before_route=before_route)
            if save:
                self._save(ve, [*self._configured(ve), ip])

        return self._command(ctid, body)

    def ipdel(self, ctid: str, ip: str, save: bool = False) -> Result:
        """Do `set --ipdel`: no action script, the config is written last."""

        def body(ve: VE, streams: Streams) -> None:
            if ve.running:
                net_del(self.node.hn, ctid, [ip], stopping=False)
                ve.del_address(ip)
            if save:
                self._save(ve, [each for each in self._configured(ve) if each != ip])

        return self._command(ctid, body)

    def add_ve(self, ctid: str, *addresses: str, uplink: str | None = None, extra: str = "") -> VE:
        """Create a VE and start it; an AssertionError tells what a script said when it vetoes."""
        ve = self.node.create_ve(ctid, addresses, uplink, extra)
        result = self.start(ctid)
        assert result.rc == 0, result
        return ve

    # -- what differs from the other generation ---------------------------------------------

    veip_dir = VEIP_DIR

    @staticmethod
    def environment(ctid: str) -> dict[str, str]:
        """Return the environment of an action script, each variable once."""
        return dict(word.split("=", 1) for word in environment(ctid))

    @staticmethod
    def own_script(ctid: str, action: str) -> str:
        """Tell where a VE's own action script is looked for."""
        return f"{CONF_DIR}/{ctid}.{action}"

    @staticmethod
    def complaint(action: str, path: str) -> str:
        """Say what vzctl says of an action script that fails."""
        return f"Error executing {action} script {path}"

    def sweep(self, ctid: str) -> None:
        """Take away network and mount of a VE that died, without a hook."""
        net_del(self.node.hn, ctid, self._published(ctid), stopping=True)
        umount_fs(self.node.hn, ctid)

    # -- parts ------------------------------------------------------------------------------

    def _command(self, ctid: str, body: Callable[[VE, Streams], None]) -> Result:
        def locked_body(streams: Streams) -> None:
            with locked(self.node.hn, ctid):
                body(self.node.ve(ctid), streams)

        return command(locked_body, self.stdout)

    def _after_end(self, ctid: str) -> None:
        """Take back what the start published, as vps-net_del does."""
        net_del(self.node.hn, ctid, self._published(ctid), stopping=True)

    def _boot(self, ve: VE) -> None:
        ve.boot()
        addresses = self._configured(ve)
        for address in addresses:
            ve.add_address(address)
        net_add(self.node.hn, ve.ctid, addresses, starting=True)
