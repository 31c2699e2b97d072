# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the command line with `python -m vzhooks`."""

from vzhooks.cli import main

raise SystemExit(main())
