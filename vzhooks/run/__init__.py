# SPDX-License-Identifier: GPL-2.0-or-later
"""Walk the one path by which the kernel is changed: lock, read, decide, note down, apply.

Whoever wants a change makes a Request and gets a Report; nothing above calls `apply`.
"""
