"""The example node with vzhooks installed, for each rp_filter or for the default of EL."""

from contextlib import suppress

import pytest

pytest.register_assert_rewrite("tests.site", "tests.told")

from tests.lab import ExampleNode  # noqa: E402
from tests.site import Site  # noqa: E402
from tests.told import running  # noqa: E402

FILES = ("/etc/vz/vzhooks.ini", "/var/lib/vzhooks/vzhooks.ini.good", "/etc/vz/conf/101.conf")


@pytest.fixture(params=[0, 1, 2], ids=lambda n: f"rp_filter{n}")
def every(request):
    """The node with each value of rp_filter."""
    with ExampleNode(request.param) as node:
        site = Site(node)
        site.install()
        yield site


@pytest.fixture
def site():
    """The node with rp_filter 1, as EL has it."""
    with ExampleNode(1) as node:
        site = Site(node)
        site.install()
        yield site


class Shared:
    """Lend one node, VE 102 running on it, to many tests; one that leaves it changed gets the next a new one."""

    def __init__(self):
        self.site = None

    def lend(self):
        if self.site is None:
            node = ExampleNode(1).__enter__()
            self.site = Site(node)
            self.site.install()
            running(self.site)
            self.clean = self.site.state()
        return self.site

    def take_back(self):
        hn = self.site.node.hn
        for path in FILES:
            with suppress(FileNotFoundError):
                hn.path(path).unlink()
        self.site.vzhooks("resync", rc=None)
        if self.site.state() != self.clean:
            self.close()

    def close(self):
        if self.site:
            self.site.node.close()
        self.site = None


@pytest.fixture(scope="module")
def shared():
    lender = Shared()
    yield lender
    lender.close()


@pytest.fixture
def busy(shared):
    """A node on which VE 102 runs by eth4, and on which a test starts nothing more."""
    yield shared.lend()
    shared.take_back()
