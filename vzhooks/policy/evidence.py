# SPDX-License-Identifier: GPL-2.0-or-later
"""What a census goes by: configs as read, what shows life, and what a hook or a command says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Union

from vzhooks.config.vzconf import VeConfig
from vzhooks.model import Problem
from vzhooks.policy.records import Expected

Reading = Union[VeConfig, Problem]
Asked = Union[Expected, frozenset]
"""What vzctl is about to give a VE, or the addresses with which it is done."""


@dataclass(frozen=True)
class Evidence:
    """Hold what files and the kernel show of live VEs.

    locked: vzctl is at work on them; starting: and means to start them; veip: addresses by VE as
    vzctl's state directory has them; routed: addresses with a host route on the VEs' side; looked: VEs of which
    `mounted` tells, since it is known where they would be.
    """

    mounted: frozenset[str] = frozenset()
    starting: frozenset[str] = frozenset()
    locked: frozenset[str] = frozenset()
    veip: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    routed: frozenset[str] = frozenset()
    looked: frozenset[str] = frozenset()

    def is_dead(self, ctid: str) -> bool:
        """Tell whether a VE surely does not live: a route that was left behind is no life."""
        return ctid in self.looked and ctid not in self.mounted


@dataclass(frozen=True)
class Event:
    """Tell what a hook was called for: mount, umount or postumount of one VE, or refused by us at its mount."""

    name: str
    ctid: str


def may_have_uplink(reading: Reading) -> bool:
    """Tell whether a VE names an uplink; one whose config cannot be read may."""
    return isinstance(reading, Problem) or bool(reading.uplink)
