# SPDX-License-Identifier: GPL-2.0-or-later
"""What vzhooks costs and how fast it is, on the example node, beside what else does the same: `python -m bench`.

Only figures of one run are compared, as ratios to those of a rival that took turns with it. Each part is a module with
`measure`, gives rows and limits, and knows nothing of the others.
"""
