# SPDX-License-Identifier: GPL-2.0-or-later
"""What makes the pages: the outputs that they show, and their pictures."""
