# SPDX-License-Identifier: GPL-2.0-or-later
"""Stand around the real vzctl for `vzctl set VE --uplink NAME`.

All that is not ours is handed on unchanged.
"""
