# SPDX-License-Identifier: GPL-2.0-or-later
"""The stand-in for OpenVZ 9 (libvzctl): same order of events, environment, descriptors and exit statuses.

Network set-up goes by executable scripts, so that script.d can replace each of them.
"""

from __future__ import annotations

from typing import Callable

from tests.lab.actions import Failed, Result, Streams, command, is_mounted
from tests.lab.actions9 import locked
from tests.lab.hostfs import STOCK_SCRIPTS
from tests.lab.node import ExampleNode
from tests.lab.steps9 import FAILING, Run, environment
from tests.lab.ve import addresses_in
from tests.lab.ve9 import PRIVATE_DIR, VE9, netifs_in, new_netif, with_addresses, with_netifs
from tests.lab.vzctl4 import NOT_MOUNTED, RUNNING, Pause


class Vzctl9:
    """Act on the VEs of a node; `stdout` is a descriptor for what scripts print, else it is in Result.stderr.

    pause: seconds for each of the two waits of vz-netns_dev_add, about 2.0 on a real node.
    """

    def __init__(self, node: ExampleNode, stdout: int | None = None, pause: float = 0, lock_wait_s: float = 0) -> None:
        self.node, self.stdout, self.lock_wait_s = node, stdout, lock_wait_s
        lab_conf = f"{STOCK_SCRIPTS}/lab.conf"
        node.hn.write(lab_conf, f"{node.hn.read(lab_conf)}PAUSE={pause}\n")

    # -- commands ---------------------------------------------------------------------------

    def start(self, ctid: str, *, skip_hooks: bool = False, before_network: Pause = None, fail_late: bool = False,
              skip_arpdetect: bool = False) -> Result:
        """Start a VE, or restore a suspended one; `before_network` is called after the mount scripts.

        fail_late: the start fails when the network is up, as with a bad script inside.
        """
        more = {"SKIP_ARPDETECT": "yes"} if skip_arpdetect else {}

        def body(run: Run) -> None:
            if run.ve.running:
                raise Failed(RUNNING, "Container is already running")
            run.begin(skip_hooks, before_network, fail_late, more)

        return self._command(ctid, body)

    def stop(self, ctid: str, *, skip_hooks: bool = False, before_umount: Pause = None, before_network: Pause = None,
             skip_umount: bool = False, force: bool = False) -> Result:
        """Stop a VE; the pauses are before the umount scripts, and between them and the network clean-up.

        force: clean up after one that does not run, too.
        """

        def body(run: Run) -> None:
            if run.ve.running:
                run.mark_running(False)
                run.ve.kill()
            elif not force:
                run.say("Unable to stop: Container is not running")
                return
            if before_umount:
                before_umount()
            run.end(skip_hooks, skip_umount, before_network)

        return self._command(ctid, body)

    def restart(self, ctid: str) -> Result:
        """Stop and start a VE in full."""
        stopped = self.stop(ctid)
        return stopped if stopped.rc else self.start(ctid)

    def halt(self, ctid: str, noticed: bool = True) -> Result:
        """End a VE from inside, by a halt or a crash; the ve-stop event is lost where nobody listens."""
        self.node.ve(ctid).kill()
        return self.stop(ctid, force=True) if noticed else Result(0)

    def reboot(self, ctid: str) -> Result:
        """Reboot a VE from inside: the ve-reboot event starts it, mounted as it is."""
        self.node.ve(ctid).kill()
        return self.start(ctid)

    def suspend(self, ctid: str) -> Result:
        """Dump a VE; what is left of it is taken away as after a stop."""

        def body(run: Run) -> None:
            run.mark_running(False)
            run.ve.kill()
            run.ve.suspended = True
            run.end()

        return self._command(ctid, body)

    def resume(self, ctid: str) -> Result:
        """Bring a suspended VE back, which a start does as well."""
        return self.start(ctid)

    def snapshot_switch(self, ctid: str, text: str) -> Result:
        """Go over to a snapshot with this config; a VE that runs is killed, and restored from it."""

        def body(run: Run) -> None:
            ran = run.ve.running
            run.ve.kill()
            if is_mounted(run.hn, ctid):
                run.umount()
            run.save(text)
            if ran:
                run.text, run.ve.suspended = text, True
                run.begin()

        return self._command(ctid, body)

    def mount(self, ctid: str) -> Result:
        """Mount a VE's file system; also what creation does, before the config has its link."""
        return self._command(ctid, lambda run: None if is_mounted(run.hn, ctid) else run.mount())

    def umount(self, ctid: str) -> Result:
        """Unmount a stopped VE's file system."""

        def body(run: Run) -> None:
            if run.ve.running:
                raise Failed(RUNNING, "Container is running, stop it first")
            if not is_mounted(run.hn, ctid):
                raise Failed(NOT_MOUNTED, "Container is not mounted")
            run.umount()

        return self._command(ctid, body)

    def ipadd(self, ctid: str, ip: str, save: bool = False, inside_first: bool = False) -> Result:
        """Do `set --ipadd`: vz-netns_dev_add and no action script; the config is saved after it.

        inside_first: the VE has the address before the script runs, as one that takes it by itself.
        """

        def body(run: Run) -> None:
            if run.ve.running:
                run.give(run.venet0(), [ip], "running", inside_first)
            if save:
                run.save(with_addresses(run.read(), [*addresses_in(run.text), ip]))

        return self._command(ctid, body)

    def ipdel(self, ctid: str, ip: str, save: bool = False) -> Result:
        """Do `set --ipdel`: vz-netns_dev_add and no action script; the config is saved after it."""

        def body(run: Run) -> None:
            if run.ve.running:
                run.network("vz-netns_dev_add", run.venet0(), IP_DEL=ip, VE_STATE="running")
                run.ve.del_address(ip)
            if save:
                run.save(with_addresses(run.read(), [each for each in addresses_in(run.text) if each != ip]))

        return self._command(ctid, body)

    def netif_add(self, ctid: str, name: str, *addresses: str) -> Result:
        """Give a VE one more routed NIC, whose addresses stand in NETIF alone."""

        def body(run: Run) -> None:
            nic = new_netif(ctid, name, addresses)
            if run.ve.running:
                run.give(nic, addresses, "running")
                run.set_rate("running")
            run.save(with_netifs(run.read(), [*netifs_in(run.text), nic]))

        return self._command(ctid, body)

    def netif_del(self, ctid: str, name: str) -> Result:
        """Take a NIC from a VE; what was published of its addresses stays."""

        def body(run: Run) -> None:
            if run.ve.running:
                run.network("vz-netns_dev_del", run.ve.nics[name], IP_DEL="all", VE_STATE="running")
                run.ve.unplug(name)
            run.save(with_netifs(run.read(), [nic for nic in netifs_in(run.text) if nic.name != name]))

        return self._command(ctid, body)

    def add_ve(self, ctid: str, *addresses: str, uplink: str | None = None, extra: str = "") -> VE9:
        """Create a VE and start it; an AssertionError tells what a script said when it vetoes."""
        ve = self.node.create_ve(ctid, addresses, uplink, extra)
        result = self.start(ctid)
        assert result.rc == 0, result
        return ve

    # -- what differs from the other generation ---------------------------------------------

    veip_dir = "/var/vz/veip"

    @staticmethod
    def environment(ctid: str) -> dict[str, str]:
        """Return the environment of an action script."""
        return dict(word.split("=", 1) for word in environment(ctid))

    @staticmethod
    def own_script(ctid: str, action: str) -> str:
        """Tell where a VE's own action script is looked for."""
        return f"{PRIVATE_DIR}/{ctid}/scripts/{action}"

    @staticmethod
    def complaint(action: str, path: str) -> str:
        """Say what vzctl says of an action script that fails."""
        return FAILING.format(action=action, path=path)

    def sweep(self, ctid: str) -> None:
        """Take away network and mount of a VE that died, without a hook."""
        self._command(ctid, lambda run: run.end(skip_hooks=True))

    def _command(self, ctid: str, body: Callable[[Run], None]) -> Result:
        def locked_body(streams: Streams) -> None:
            with locked(self.node.hn, ctid, self.lock_wait_s):
                said = streams.err if self.stdout is None else self.stdout
                body(Run(self.node.ve(ctid), streams, said))

        return command(locked_body)
