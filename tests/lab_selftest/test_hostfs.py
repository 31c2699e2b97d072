# SPDX-License-Identifier: GPL-2.0-or-later
"""A node of the lab begins without what is installed on the machine, and changes nothing there."""

import os
from functools import partial

import pytest

from tests.lab import Box, hostfs
from vzhooks.install import install
from vzhooks.node.host import Paths

NOT_OURS = {"/etc/vz/conf", "/etc/vz/vz.conf", "/var/lib/vzctl/veip", "/var/vz", "/var/vz/veip"}


@pytest.fixture
def machine(tmp_path):
    """Where vzhooks is installed with its wrapper before a real vzctl, and has notes of a busy life."""
    paths = Paths(str(tmp_path))
    list(install.install(paths, "/usr/bin/python3", True))
    vzctl = tmp_path / "usr/sbin/vzctl"
    for path in (*paths.all(), vzctl):
        if str(path)[len(str(tmp_path)):] not in NOT_OURS:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if not os.path.lexists(path):
                with open(path, "w", encoding="ascii") as file:
                    file.write("{}\n")
    return tmp_path


@pytest.mark.parametrize("generation", [4, 9])
def test_a_node_has_nothing_of_a_vzhooks_that_is_on_the_machine(machine, generation):
    before = {path: path.lstat().st_mtime_ns for path in machine.rglob("*")}
    node = Box("hn", partial(hostfs.build, generation, str(machine)))
    try:
        assert [path for path in Paths().all() - NOT_OURS if node.exists(path)] == []
        assert node.run(["sh", "-c", "PATH=$PATH:/usr/sbin:/usr/local/sbin; command -v vzctl"]).stdout == ""
        for path in ("/var/lib/vzhooks", "/run/vzhooks"):  # as a node that never had vzhooks is made
            node.run(["sh", "-c", f"umount {path} && rmdir {path}"], check=True)
    finally:
        node.close()
    assert {path: path.lstat().st_mtime_ns for path in machine.rglob("*")} == before
