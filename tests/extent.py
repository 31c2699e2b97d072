# SPDX-License-Identifier: GPL-2.0-or-later
"""How much is tried: a slice for each change, or everything (`tox -e full`)."""

from __future__ import annotations

import os

FULL = os.environ.get("VZHOOKS_TESTS") == "full"
EACH_RP_FILTER = (0, 1, 2) if FULL else (1,)
"""With what a test of every node runs that is no core promise; the core promises always take all three."""
PRIORITIES = (32000, 32763, 32764, 32765) if FULL else (32763, 32765)
"""Where an administrator's rules stand."""
ROUNDS = 100 if FULL else 30
"""How often a race is run."""
