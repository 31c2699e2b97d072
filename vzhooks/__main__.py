# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the command line with `python -m vzhooks`."""

import gc
import os
import sys
from contextlib import suppress

if sys.version_info < (3, 9):  # noqa: UP036 - whoever runs a source tree by hand; pip looks itself
    sys.exit("vzhooks: this Python is too old; vzhooks needs Python 3.9 or later, install it for that one")

from vzhooks import __version__
from vzhooks.node import interrupt


def main() -> None:
    """Run one command and end; a Ctrl-C is no traceback even while the rest is imported."""
    interrupt.end_at_once()
    gc.disable()  # nothing is freed in so short a life, and looking for it takes a twentieth of it
    try:
        from vzhooks.ask import command
        found = command.instead(__version__, sys.argv[1:])
        if found is not None:
            os._exit(found)
        from vzhooks.cli import main
        status = main.main()  # which has flushed what was printed
    except Exception as error:  # noqa: BLE001 - the door: whatever it is, the operator reads one line
        status = _failed(error)
    os._exit(status)  # saves the fifth of the time that Python takes to end in order


def _failed(error: Exception) -> int:
    if isinstance(error, ImportError):
        line = f"{sys.executable} cannot run vzhooks ({type(error).__name__}: {error}); reinstall what is named"
    else:
        from vzhooks.kernel import lean
        line = lean.explained(error)
    with suppress(OSError):  # nobody may be there to read it
        os.write(2, f"vzhooks: {' '.join(line.split())}\n".encode("utf-8", "backslashreplace"))
    return 1


if __name__ == "__main__":
    main()
