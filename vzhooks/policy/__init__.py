# SPDX-License-Identifier: GPL-2.0-or-later
"""Say what should be, what is ours, and the changes between.

Pure: facts, settings and notes come in as values; only what was decided goes out.
"""
