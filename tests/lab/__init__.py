# SPDX-License-Identifier: GPL-2.0-or-later
"""The example node of the documentation, built in network namespaces; shared by tests, demo and benchmark."""

from tests.lab.box import Box
from tests.lab.bridged import BridgedVE
from tests.lab.node import ExampleNode
from tests.lab.ve import VE
from tests.lab.ve9 import VE9
from tests.lab.vzctl4 import Vzctl4
from tests.lab.vzctl4b import Vzctl4Bridged
from tests.lab.vzctl9 import Vzctl9

__all__ = ["VE", "VE9", "Box", "BridgedVE", "ExampleNode", "Vzctl4", "Vzctl4Bridged", "Vzctl9"]
