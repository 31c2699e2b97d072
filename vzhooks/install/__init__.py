# SPDX-License-Identifier: GPL-2.0-or-later
"""Put our files on a node and take them away again.

Each file is noted before it is made, and what stood there is given back.
"""
