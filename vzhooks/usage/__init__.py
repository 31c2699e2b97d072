# SPDX-License-Identifier: GPL-2.0-or-later
"""Describe the command line as values: --help, man pages and completion are made of it.

Pure: it runs no command.
"""
