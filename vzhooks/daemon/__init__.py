# SPDX-License-Identifier: GPL-2.0-or-later
"""Stay on the node: answer hooks and commands, watch, and mend what others break.

It is a door to the one path of a run, made of parts that a loop lets work in turn.
"""
