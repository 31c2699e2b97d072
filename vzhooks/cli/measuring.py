# SPDX-License-Identifier: GPL-2.0-or-later
"""Gather what `vzhooks status --prometheus` counts, with the daemon's counts where it left any."""

from __future__ import annotations

from vzhooks import __version__
from vzhooks.cli import overview
from vzhooks.kernel import nft
from vzhooks.node import traffic, uplink_notes
from vzhooks.node.host import Paths
from vzhooks.status.metrics import Measured


def measure(paths: Paths) -> Measured:
    """Return it; raises as `overview.gather`, and HostError or KernelError where a counter cannot be read."""
    view = overview.gather(paths, ())
    counts = uplink_notes.load_counts(paths.counts)
    return Measured(view, __version__, counts, nft.dropped(), traffic.bytes_by_device())
