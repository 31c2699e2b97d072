# SPDX-License-Identifier: GPL-2.0-or-later
"""How vzctl 4 mounts and unmounts a VE with its scripts, and what it keeps of it in files."""

from __future__ import annotations

import re

from tests.lab.actions import (
    CONF_DIR,
    PATH,
    Failed,
    Streams,
    is_mounted,
    mount_fs,
    run_script,
    umount_fs,
)
from tests.lab.node import ExampleNode
from tests.lab.ve import VE, addresses_in
from tests.lab.vznet import VEIP_DIR

NO_PRIVATE = 43


class Files4:
    """Hold the file system's part of vzctl 4; `node` is the example node."""

    node: ExampleNode

    def _prepare_fs(self, ve: VE, streams: Streams, skip_hooks: bool, skip_remount: bool) -> None:
        """Mount for a start; a file system left mounted is unmounted first, and stays so if a script fails."""
        if not self.node.hn.exists(f"/vz/private/{ve.ctid}"):
            raise Failed(NO_PRIVATE, f"Container private area /vz/private/{ve.ctid} does not exist")
        if is_mounted(self.node.hn, ve.ctid) and not skip_remount:
            try:
                self._umount(ve.ctid, streams, skip_hooks)
            except Failed as failure:
                streams.say(str(failure))
        if not is_mounted(self.node.hn, ve.ctid):
            self._mount(ve.ctid, streams, skip_hooks)

    def _mount(self, ctid: str, streams: Streams, skip_hooks: bool = False) -> None:
        """Run the global script first at each step; a veto after mounting unmounts without umount scripts."""
        if not skip_hooks:
            self._hooks(["vps.premount", f"{ctid}.premount"], ctid, streams)
        mount_fs(self.node.hn, ctid)
        if skip_hooks:
            return
        try:
            self._hooks(["vps.mount", f"{ctid}.mount"], ctid, streams)
        except Failed:
            umount_fs(self.node.hn, ctid)
            raise

    def _umount(self, ctid: str, streams: Streams, skip_hooks: bool = False) -> None:
        """Run the VE's own script first at each step; a failed umount script leaves all mounted."""
        if not skip_hooks:
            self._hooks([f"{ctid}.umount", "vps.umount"], ctid, streams)
        umount_fs(self.node.hn, ctid)
        if not skip_hooks:
            self._hooks([f"{ctid}.postumount", "vps.postumount"], ctid, streams)

    def _hooks(self, names: list[str], ctid: str, streams: Streams) -> None:
        for name in names:
            run_script(self.node.hn, f"{CONF_DIR}/{name}", environment(ctid), streams)

    def _published(self, ctid: str) -> list[str]:
        file = f"{VEIP_DIR}/{ctid}"
        return self.node.hn.read(file).split() if self.node.hn.exists(file) else []

    def _configured(self, ve: VE) -> list[str]:
        return addresses_in(self.node.hn.read(ve.conf))

    def _save(self, ve: VE, addresses: list[str]) -> None:
        """Replace the IP_ADDRESS line as vzctl does: a new file under the old name."""
        line = f'IP_ADDRESS="{" ".join(addresses)}"'
        text, replaced = re.subn(r"^IP_ADDRESS=.*$", line, self.node.hn.read(ve.conf), count=1, flags=re.MULTILINE)
        self._replace(ve, text if replaced else f"{text}{line}\n")

    def _replace(self, ve: VE, text: str) -> None:
        self.node.hn.write(f"{ve.conf}.tmp", text)
        self.node.hn.path(f"{ve.conf}.tmp").rename(self.node.hn.path(ve.conf))


def environment(ctid: str) -> list[str]:
    """Return the environment of an action script, PATH twice, as vzctl 4 builds it."""
    return [
        "HOME=/",
        "TERM=linux",
        f"PATH={PATH}",
        f"VEID={ctid}",
        f"VE_CONFFILE={CONF_DIR}/{ctid}.conf",
        f"PATH={PATH}",
    ]
