# SPDX-License-Identifier: GPL-2.0-or-later
"""Build the RPM and the deb of vzhooks from this tree: the same bytes each time, without git and without root."""
