# SPDX-License-Identifier: GPL-2.0-or-later
"""The steps of libvzctl's commands, in its order: scripts, mounts, network, config."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator, Sequence

from tests.lab import actions9
from tests.lab.actions import ACTION_SCRIPT_FAILED, Failed, Streams, is_mounted, mount_fs, umount_fs
from tests.lab.actions9 import PATH
from tests.lab.files4 import NO_PRIVATE
from tests.lab.hostfs import STOCK_SCRIPTS
from tests.lab.ve import addresses_in
from tests.lab.ve9 import CONF_DIR, VE9, Netif, netifs_in, new_netif, register, with_netifs
from tests.lab.vzctl4 import Pause

SKIP, IN_USE, NETWORK_FAILED, START_FAILED = 39, 78, 136, 6
FAILING = "Error on executing the {action} script {path}"
OVERRIDES = "/usr/libexec/libvzctl/script.d"
BASE = ["HOME=/", "TERM=linux", f"PATH={PATH}"]


class Run:
    """Do the steps of one command on one VE, its config as it was when the command began."""

    def __init__(self, ve: VE9, streams: Streams, said: int) -> None:
        self.ve, self.hn, self.say, self._said = ve, ve.hn, streams.say, said
        self.text = self.read()

    def begin(self, skip_hooks: bool = False, before_network: Pause = None, fail_late: bool = False,
              more: dict[str, str] | None = None) -> None:
        """Mount and start; a VE still mounted is unmounted first, and stays so if its scripts fail."""
        if not self.hn.exists(self.ve.private):
            raise Failed(NO_PRIVATE, f"Container private area {self.ve.private} does not exist")
        if is_mounted(self.hn, self.ve.ctid):
            self.umount(skip_hooks)
        self.mount(skip_hooks)
        if before_network:
            before_network()
        if self.script("vz-start"):  # it stays mounted then
            raise Failed(ACTION_SCRIPT_FAILED, "Failed to start the Container: vz-start")
        with self._undone_on_failure(skip_hooks):
            self.ve.boot()
            self._network("restoring" if self.ve.suspended else "starting", more or {})
            if fail_late:
                raise Failed(START_FAILED, "Failed to start the Container")
        self.ve.suspended = False
        self.mark_running(True)

    @contextlib.contextmanager
    def _undone_on_failure(self, skip_hooks: bool) -> Iterator[None]:
        """Kill and unmount a VE whose start fails late; vz-stop does not run, so what it published stays."""
        try:
            yield
        except Failed:
            self.ve.kill()
            with contextlib.suppress(Failed):
                self.umount(skip_hooks)
            raise

    def _network(self, state: str, more: dict[str, str]) -> None:
        venet0, listed = self.venet0() if addresses_in(self.text) else None, netifs_in(self.text)
        first = [] if venet0 is None or venet0 in listed else [venet0]
        for nic in [*first, *(n for n in listed if n.routed)]:  # the lab has no bridge for the others
            mine = addresses_in(self.text) if nic.name == "venet0" else nic.addresses
            self.give(nic, mine, state, **more)
        if self.ve.nics:
            self.set_rate(state)

    def venet0(self) -> Netif:
        """Return the VE's first routed NIC; libvzctl makes it with the first address, and saves it at once."""
        found = self.ve.nics.get("venet0") or next((n for n in netifs_in(self.text) if n.name == "venet0"), None)
        if found is None:
            found = new_netif(self.ve.ctid, "venet0")
            self.save(with_netifs(self.read(), [found, *netifs_in(self.read())]))
        return found

    def give(self, nic: Netif, addresses: Sequence[str], state: str, inside_first: bool = False, **more: str) -> None:
        """Have the node make a NIC where it is not there, and publish addresses; then, or before, tell the VE."""
        given = {"IP_ADD": " ".join(addresses)} if addresses else {}
        if inside_first:
            self._tell(nic, addresses)
        self.network("vz-netns_dev_add", nic, **given, **more, VE_STATE=state)
        if nic.name not in self.ve.nics:
            self.ve.plug(nic)
        if not inside_first:
            self._tell(nic, addresses)

    def _tell(self, nic: Netif, addresses: Sequence[str]) -> None:
        for address in addresses:
            self.ve.add_address(address, nic.name)

    def network(self, script: str, nic: Netif, **more: str) -> None:
        """Run a network script for a NIC of the VE."""
        status = self.script(script, VNAME=nic.name, VMAC=nic.mac, HMAC=nic.host_mac, HNAME=nic.host_name,
                             NETWORK_TYPE="routed", **more)
        if status:
            known = status if status == IN_USE else NETWORK_FAILED
            self.ve.nics.setdefault(nic.name, nic)  # so that its end goes with the VE
            raise Failed(known, f"Failed to configure the network: {script} exited with {status}")

    def set_rate(self, state: str) -> None:
        """Mark the VE's packets; vzctl goes on where that fails."""
        devices = {"VETH": " ".join(n.host_name for n in self.ve.nics.values()),
                   "VMAC": " ".join(n.mac for n in self.ve.nics.values())}
        self.script("vz-setrate", "add", VE_STATE=state, TRAFFIC_SHAPING="no", **devices)

    def end(self, skip_hooks: bool = False, skip_umount: bool = False, before_network: Pause = None) -> None:
        """Unmount, then clean up the network whether that went well or not."""
        try:
            if not skip_umount and is_mounted(self.hn, self.ve.ctid):
                self.umount(skip_hooks)
        finally:
            if before_network:
                before_network()
            self._vz_stop()

    def mount(self, skip_hooks: bool = False) -> None:
        """Mount with the scripts around it; a veto after mounting unmounts without umount scripts."""
        if skip_hooks:
            return mount_fs(self.hn, self.ve.ctid)
        if self._hooks("premount") != SKIP:
            mount_fs(self.hn, self.ve.ctid)
        try:
            if self._hooks("mount") == SKIP:
                raise Failed(SKIP, "The mount script asked to skip")
        except Failed:
            if is_mounted(self.hn, self.ve.ctid):
                umount_fs(self.hn, self.ve.ctid)
            raise

    def umount(self, skip_hooks: bool = False) -> None:
        """Unmount with the scripts around it, the network first where the VE has ended by itself."""
        if self.hn.exists(f"{self.ve.private}/.running"):
            self._vz_stop()
            self.mark_running(False)
        self._end_hooks("umount", skip_hooks)
        umount_fs(self.hn, self.ve.ctid)
        self._end_hooks("postumount", skip_hooks)

    def _end_hooks(self, action: str, skip_hooks: bool) -> None:
        if not skip_hooks and self._hooks(action) == SKIP:
            raise Failed(SKIP, f"The {action} script asked to skip")

    def _vz_stop(self) -> None:
        nics = self.ve.nics.values()
        self.script("vz-stop", VETH=" ".join(n.host_name for n in nics), HMAC=" ".join(n.host_mac for n in nics))

    def _hooks(self, action: str) -> int:
        """Run the global script and the VE's own, which comes first on the way out; the last one's status counts."""
        paths = [f"{CONF_DIR}/vps.{action}", f"{self.ve.private}/scripts/{action}"]
        status = 0
        for path in paths if action in ("premount", "mount") else reversed(paths):
            if not self.hn.followed(path).exists():
                continue
            status = actions9.run(self.hn, [path], environment(self.ve.ctid), self._said)
            if status not in (0, SKIP):
                raise Failed(ACTION_SCRIPT_FAILED, FAILING.format(action=action, path=path))
        return status

    def script(self, name: str, *arguments: str, **variables: str) -> int:
        """Run one of libvzctl's scripts, or what stands in for it in script.d."""
        override = f"{OVERRIDES}/{name}"
        path = override if self.hn.followed(override).exists() else f"{STOCK_SCRIPTS}/{name}"
        words = [f"{key}={value}" for key, value in {"VEID": self.ve.ctid, **variables}.items()]
        return actions9.run(self.hn, [path, *arguments], [*words, *BASE], self._said)

    # -- files ------------------------------------------------------------------------------

    def mark_running(self, on: bool) -> None:
        """Put or take the mark of a running VE in its private area."""
        mark = self.hn.path(f"{self.ve.private}/.running")
        mark.touch() if on else mark.unlink(missing_ok=True)

    def read(self) -> str:
        """Read the config; one in creation has no link to it yet."""
        with actions9.config_locked(self.hn, self.ve.ctid, fcntl.LOCK_SH):
            path = self.ve.conf if self.hn.exists(self.ve.conf) else f"{self.ve.private}/ve.conf"
            return self.hn.read(path)

    def save(self, text: str) -> None:
        """Write a new file over the config in the private area; a plain file instead of the link becomes one again."""
        path = f"{self.ve.private}/ve.conf"
        with actions9.config_locked(self.hn, self.ve.ctid, fcntl.LOCK_EX):
            self.hn.write(f"{path}.tmp", text)
            self.hn.path(f"{path}.tmp").rename(self.hn.path(path))
            register(self.hn, self.ve.ctid)


def environment(ctid: str) -> list[str]:
    """Return the environment of an action script."""
    return [f"VEID={ctid}", f"VE_CONFFILE={CONF_DIR}/{ctid}.conf", *BASE]
