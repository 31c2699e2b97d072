# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the command line with `python -m vzhooks`."""

import gc
import os
import sys

if sys.version_info < (3, 9):  # noqa: UP036 - whoever runs a source tree by hand; pip looks itself
    sys.exit("vzhooks: this Python is too old; vzhooks needs Python 3.9 or later, install it for that one")

from vzhooks import interrupt


def main() -> None:
    """Run one command and end; a Ctrl-C is no traceback even while the rest is imported."""
    interrupt.end_at_once()
    gc.disable()  # nothing is freed in so short a life, and looking for it takes a twentieth of it
    from vzhooks import cli
    status = cli.main()  # which has flushed what was printed
    os._exit(status)  # saves the fifth of the time that Python takes to end in order


if __name__ == "__main__":
    main()
