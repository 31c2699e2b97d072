"""The thin door fits between single quotes, starts by builtins alone, and agrees with the daemon on its place."""

import subprocess
import sys
from pathlib import Path

from vzhooks.ask import thin
from vzhooks.daemon.protocol import MOST
from vzhooks.node.host import Paths

TEXT = Path(thin.__file__).read_text()


def test_it_can_stand_in_a_hook_script():
    assert "'" not in TEXT and TEXT.isascii() and "@" not in TEXT


def test_it_asks_where_the_daemon_is():
    assert (Paths().socket, MOST) == (thin.PLACE, thin.MOST)


def test_it_imports_nothing_that_takes_time():
    """Whatever a python brings along without its site, os and socket come later."""
    code = f"{TEXT}\nask('0', 'hello')\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-E", "-c", code], capture_output=True, text=True, check=True)
    assert not {"os", "socket", "re", "json", "site", "selectors", "signal"} & set(done.stdout.split())
