# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the command line: one function a verb.

Data goes to stdout, talk to stderr, and no verb changes the kernel but by a run.
"""
