# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold the only doors to the kernel: rtnetlink, nftables, /proc/sys, conntrack.

It carries out ops and answers questions; what should be is told from elsewhere.
"""
