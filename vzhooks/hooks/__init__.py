# SPDX-License-Identifier: GPL-2.0-or-later
"""Do what vzctl's hook scripts call: its environment in, an exit status out.

Thin doors to a run; a start is refused only as `on_error` says.
"""
