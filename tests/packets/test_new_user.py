"""What a new user does by the README alone works from the first command to the last."""

import re

import pytest

from tests.found import differs, everything, fresh
from tests.lab import ExampleNode
from tests.lab.node import BEYOND
from tests.site import VE101, Site
from vzhooks.usage.outline import outline

CONF = "/etc/vz/conf/101.conf"


def bash(site, *words):
    """Return what the completion that is installed offers for the last word."""
    ask = ". /usr/share/bash-completion/completions/vzhooks; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _vzhooks; " \
          "echo \"${COMPREPLY[@]}\""
    return site.hn("bash", "-c", ask, "bash", "vzhooks", *words).split()


@pytest.fixture
def node():
    """A node that never had vzhooks, and a VE that ran on it before."""
    with ExampleNode(1) as lab:
        site = Site(lab)
        fresh(site)
        lab.create_ve("101", [VE101])
        assert site.vzctl.start("101").rc == 0
        assert site.vzctl.stop("101").rc == 0
        yield site


def test_from_install_to_uninstall(node):
    before, conf = everything(node), node.node.hn.read(CONF)
    assert "put /etc/vz/conf/vps.mount" in node.vzhooks("install").stdout
    assert bash(node, "set", "1") == ["101"] and bash(node, "set", "101", "--uplink", "eth") == ["eth0", "eth3", "eth4"]

    node.vzhooks("set", "101", "--uplink", "eth3", "--save")
    assert node.node.hn.read(CONF) == conf + 'UPLINK="eth3"\n'
    assert node.vzctl.start("101").rc == 0
    assert node.status("101") == "ok"
    assert re.search(r"^101 .*\beth3\b.*\bok\b", node.vzhooks("status").stdout, re.MULTILINE)
    node.leaves_by("101", "eth3")
    assert node.ping("101") == 3

    node.vzhooks("set", "101", "--uplink", "eth4", "--save")
    node.leaves_by("101", "eth4")
    said = node.vzhooks("route", "101", BEYOND).stdout
    assert re.search("^device +eth4 via 192.168.18.1$", said, re.MULTILINE)
    assert re.search("^why +.*gateway", said, re.MULTILINE)
    assert node.vzhooks("doctor").stdout == ""
    assert node.vzhooks("resync").stdout == ""

    node.end_announcers()
    assert node.vzctl.stop("101").rc == 0
    node.vzhooks("uninstall")
    assert node.node.hn.read(CONF) == conf + 'UPLINK="eth4"\n'
    node.node.hn.write(CONF, conf)
    assert differs(before, everything(node)) == []


def test_help_leads_to_every_command(node):
    said = node.vzhooks("--help").stdout
    for command in outline().commands:
        assert re.search(rf"^ +{command.name}\b", said, re.MULTILINE)
        text = node.vzhooks(command.name, "--help").stdout
        assert text.startswith(f"usage: vzhooks {command.name} ")
