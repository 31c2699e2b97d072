# SPDX-License-Identifier: GPL-2.0-or-later
"""Remember who took what is ours, so that the log can name him: by socket number and process, as far as they tell.

A netlink socket's number is its process's, for the first one of each process (net/netlink/af_netlink.c,
netlink_autobind); nftables tells the process itself.
"""

from __future__ import annotations

from contextlib import suppress

from vzhooks.kernel.told import GUARD, Told
from vzhooks.model import PROTOCOL
from vzhooks.node import host

MOST = 8


class Rivals:
    """Hold the names of those who changed what is ours, since they were told last."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}
        self._seen: dict[int, str] = {}

    def hear(self, told: Told) -> None:
        """Note who made a change of ours, or of nftables."""
        if told.sender and (told.what == GUARD or (told.gone and told.protocol == PROTOCOL)):
            name = told.process or self._name(told.sender)
            if len(self._names) < MOST:
                self._names[f"{name}({told.sender})"] = None

    def _name(self, sender: int) -> str:
        """Return the name of a process; it may be gone when we hear of it, so what was found is kept for a while."""
        if len(self._seen) > 256:
            self._seen.clear()
        if sender not in self._seen:
            found = "?"
            with suppress(OSError):
                found = host.read(f"/proc/{sender}/comm").decode("utf-8", "replace").strip() or "?"
            self._seen[sender] = found
        return self._seen[sender]

    def told(self) -> str:
        """Return the names, and begin anew."""
        names, self._names = ",".join(self._names), {}
        return names
