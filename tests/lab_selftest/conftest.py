# SPDX-License-Identifier: GPL-2.0-or-later
"""The node every self-test starts from."""

import pytest

from tests.lab import ExampleNode


@pytest.fixture(name="node")
def _node():
    with ExampleNode(rp_filter=1) as node:
        yield node
