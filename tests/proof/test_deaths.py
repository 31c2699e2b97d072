# SPDX-License-Identifier: GPL-2.0-or-later
"""Some of the steps at which hooks and commands are killed; all of them are killed by `tox -e proof`."""

import pytest

from tests.proof.deaths import HOOKS, LIVES, Death
from tests.proof.world import World


@pytest.fixture(scope="module")
def world():
    world = World(4)
    yield world
    world.close()


@pytest.mark.parametrize("name", [*LIVES, *HOOKS])
def test_what_is_killed_is_brought_to_its_end(world, name):
    assert [Death(world, name).once(steps) for steps in (1, 7)][0]


@pytest.mark.parametrize("name, steps", [("set", 3), ("set", 12), ("harden", 2), ("undo", 5), ("undo", 9),
                                         ("uninstall", 9), ("install", 5), ("mount", 4)])
def test_a_power_loss_is_outlived(world, name, steps):
    assert Death(world, name, power=True).once(steps)
