# SPDX-License-Identifier: GPL-2.0-or-later
"""A node for each module, used again by each of its tests; one that a test harmed is built anew."""

import pytest

pytest.register_assert_rewrite("tests.site")

from tests.proof.world import World  # noqa: E402


class Lender:
    def __init__(self, generation, datapath):
        self.world = World(generation, datapath)

    def renew(self):
        old, self.world = self.world, self.world.again()
        old.close()


@pytest.fixture(scope="module", params=[(4, "rule"), (9, "map")], ids=["vz4-rule", "vz9-map"])
def lender(request):
    lender = Lender(*request.param)
    yield lender
    lender.world.close()


@pytest.fixture
def world(lender, request):
    failed = request.session.testsfailed
    yield lender.world
    if request.session.testsfailed > failed:
        lender.renew()
