# SPDX-License-Identifier: GPL-2.0-or-later
"""Turn text into values and back: the ini, and a VE's own config.

Pure: it reads no file, and knows of nothing but values and errors.
"""
