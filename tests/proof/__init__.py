# SPDX-License-Identifier: GPL-2.0-or-later
"""Proof by trial: an independent model as the judge, and what can be done to a node as the trial."""
