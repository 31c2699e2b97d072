# SPDX-License-Identifier: GPL-2.0-or-later
"""Judge each VE and lay out the answer for `status` and `route`.

Pure: what was seen comes in as a View, and rows or lines of text go out.
"""
