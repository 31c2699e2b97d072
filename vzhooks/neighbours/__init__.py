# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell the LAN where an address is, and ask it who answers.

It sends frames and changes nothing in the kernel.
"""
