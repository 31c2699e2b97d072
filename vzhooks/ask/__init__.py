# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask the daemon, from a process that has hardly started.

It knows nothing of the rest, and imports only what an interpreter has built in.
"""
