"""The example node with vzhooks installed, for each rp_filter or for the default of EL."""

import pytest

pytest.register_assert_rewrite("tests.site", "tests.told")

from tests.lab import ExampleNode  # noqa: E402
from tests.site import Site  # noqa: E402


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
