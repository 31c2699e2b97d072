# SPDX-License-Identifier: GPL-2.0-or-later
"""Find what would break a node.

One part gathers, the checks are pure and share only `findings`.
"""
