"""pyroute2 is imported in part, and whole where that cannot be; both serve, each in a fresh interpreter."""

import subprocess
import sys

import pytest

READ = "from vzhooks.kernel.netlink import Kernel\nwith Kernel() as kernel: print('lo' in kernel.facts().nics)\n"


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_the_part_does_not_bring_the_rest():
    assert run(READ + "import sys\nprint(any(n.startswith('pyroute2.ndb') for n in sys.modules))") == ["True", "False"]


FIRST = ["import vzhooks.kernel.lean\nvzhooks.kernel.lean.PART = 'pyroute2.no.such'\n", "import pyroute2\n"]


@pytest.mark.parametrize("first", FIRST)
def test_the_whole_serves_where_the_part_cannot(first):
    assert run(first + READ) == ["True"]


def test_who_imports_pyroute2_after_us_gets_the_whole():
    assert run(READ + "import pyroute2\nprint(hasattr(pyroute2, 'NDB'))") == ["True", "True"]
