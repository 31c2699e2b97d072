# SPDX-License-Identifier: GPL-2.0-or-later
"""Others who manage rules and nft beside vzhooks, also a vzhooks of another version: nothing leaks while they fight."""

import shutil
import sys
from pathlib import Path

import pytest

import vzhooks
from tests.proof.probe import chatting
from tests.proof.world import World
from tests.site import pair

ROUNDS = 12
RULESET = """\
flush ruleset
table inet filter { chain forward { type filter hook forward priority 0; policy accept; ct state invalid drop; }; }
table ip nat { chain post { type nat hook postrouting priority 100; }; }
"""
NETWORKD = """\
for family in -4 -6; do
    ip $family rule list | sed -n 's/^\\([0-9]*\\):.*/\\1/p' | sort -u | while read -r at; do
        case $at in 0|32766|32767) ;; *) while ip $family rule del priority "$at"; do :; done ;; esac
    done
done
ip rule add from 198.51.100.7 lookup 77 priority 900
"""
TAILSCALE = """\
for family in -4 -6; do
    for rule in "5210 fwmark 0x80000/0xff0000 lookup main" "5270 lookup 52"; do
        while ip $family rule del priority "${rule%% *}"; do :; done
        ip $family rule add priority $rule
    done
done
ip route replace 100.100.100.100 dev eth0 table 52
"""
FIREWALLD = """\
nft delete table inet firewalld
nft 'table inet firewalld { chain f { type filter hook forward priority 10; ct state established,related accept; }; }'
"""
RIVALS = {"networkd": NETWORKD, "tailscale": TAILSCALE, "firewalld": FIREWALLD, "ruleset": "nft -f /vz/ruleset"}
OTHER = "import runpy, sys; sys.path.insert(0, '/vz/other'); sys.argv[1:] = ['resync']; " \
        "runpy.run_module('vzhooks', run_name='__main__', alter_sys=True)"


@pytest.fixture(scope="module")
def running():
    """A node where VE 101 goes by eth3, and 102 by eth4."""
    world = World(4)
    for ctid, uplink in (("101", "eth3"), ("102", "eth4")):
        world.write_conf(ctid, uplink)
        assert world.vzctl.start(ctid).rc == 0
    world.end_announcers()
    world.site.vzhooks("resync")
    world.node.hn.write("/vz/ruleset", RULESET)
    yield world
    world.close()


def settles(world):
    """Assert that one resync brings all back."""
    world.site.vzhooks("resync")
    world.site.settled()
    world.site.leaves_by("101", "eth3")
    world.site.leaves_by("102", "eth4")


@pytest.mark.parametrize("name", RIVALS)
def test_nothing_leaks_while_another_manager_has_its_way(running, name):
    """Once before and once after a resync in each round; what is the other's stays."""
    site = running.site
    with site.only_by("eth3", src=pair("101")), site.only_by("eth4", src=pair("102")), \
            chatting(running.running()) as chatter:
        for _ in range(ROUNDS // 3):
            running.node.hn.run(["sh", "-c", RIVALS[name]])
            site.vzhooks("resync")
        theirs = running.node.hn.popen(["sh", "-c", f"for n in $(seq {ROUNDS}); do {RIVALS[name]}\ndone"],
                                       stdout=-3, stderr=-3)
        while theirs.poll() is None:
            site.vzhooks("resync", rc=None)
    assert chatter.sent > 100
    settles(running)
    if name == "tailscale":
        assert "5270" in site.hn("ip", "rule")
    if name in ("ruleset", "firewalld"):
        assert "ct state" in site.hn("nft", "list", "ruleset")


def test_two_versions_at_once_leak_nothing(running):
    """The other one makes another guard under the same name, as an older version does; the last word settles it."""
    site, other = running.site, running.node.hn.path("/vz/other/vzhooks")
    shutil.copytree(Path(vzhooks.__file__).parent, other, ignore=shutil.ignore_patterns("__pycache__"))
    guard = other / "policy/guard.py"
    guard.write_text(guard.read_text().replace("priority -10", "priority -11").replace("counter drop", "drop"))
    loop = f'for n in $(seq {ROUNDS}); do "$0" -I -c "$1"; done'
    with site.only_by("eth3", src=pair("101")), site.only_by("eth4", src=pair("102")), chatting(running.running()):
        theirs = running.node.hn.popen(["sh", "-c", loop, sys.executable, OTHER], stdout=-3, stderr=-1)
        while theirs.poll() is None:
            site.vzhooks("resync")
        said = theirs.communicate()[1]
    assert "Traceback" not in said, said
    settles(running)
