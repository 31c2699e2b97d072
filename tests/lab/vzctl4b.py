# SPDX-License-Identifier: GPL-2.0-or-later
"""The stand-in for vzctl 4.11 on a kernel without OpenVZ, which is the only way it runs on a kernel of today."""

from __future__ import annotations

from tests.lab.actions import Result
from tests.lab.bridged import del_idle_bridge
from tests.lab.vzctl4 import Vzctl4


class Vzctl4Bridged(Vzctl4):
    """Act as vzctl 4 does there: a stop takes back neither routes nor proxies nor the list of addresses."""

    def ipdel(self, ctid: str, ip: str, save: bool = False) -> Result:
        """Do `set --ipdel`; venet0 goes with the last address on it."""
        result = super().ipdel(ctid, ip, save)
        del_idle_bridge(self.node.hn)
        return result

    def tidy(self, *ctids: str) -> None:
        """Take away what stopped VEs left, as an administrator does by hand."""
        for ctid in ctids:
            super()._after_end(ctid)
        del_idle_bridge(self.node.hn)

    def _after_end(self, ctid: str) -> None:
        """Do nothing: vps-net_del runs under an OpenVZ kernel alone (vps_stop in env.c)."""
