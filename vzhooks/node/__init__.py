# SPDX-License-Identifier: GPL-2.0-or-later
"""Read and write this machine's files, notes and locks.

It knows no netlink and decides nothing about routing.
"""
