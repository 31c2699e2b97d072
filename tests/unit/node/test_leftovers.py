"""Files that make ip rules are found by their text, with the line, and never run."""

import pytest

from vzhooks.node.host import HOOK_HEAD, Paths
from vzhooks.node.leftovers import find

NETWORKD = "[Match]\nName=eth3\n[RoutingPolicyRule]\nFrom=10.0.0.1\n"


@pytest.mark.parametrize("path, text, line", [
    ("etc/vz/conf/vps.mount", "#!/bin/sh\nip rule add from $x table 6\n", 2),
    ("etc/vz/conf/before-vzhooks/vps.mount", "#!/bin/sh\n# ip rule add: see below\n/sbin/ip -6 rule add from $x\n", 3),
    ("etc/vz/conf/101.mount", "#!/bin/bash\nfor i in a; do ip ru a from $i lookup 6; done\n", 2),
    ("etc/vz/conf/vps.mount", HOOK_HEAD.decode() + "x\nip rule add from 1 table 2\n", 0),
    ("etc/vz/conf/vps.mount", "#!/bin/sh\nip rule list\n# ip rule add\nip route add default\nip rule del from 1\n", 0),
    ("etc/vz/conf/101.start", "ip rule add from 1 table 2\n", 0),
    ("etc/systemd/network/50-eth3.network", NETWORKD, 3), ("etc/systemd/network/eth3.network.d/x.conf", NETWORKD, 3),
    ("etc/systemd/network/eth3.link", NETWORKD, 0), ("usr/lib/systemd/network/a.network", NETWORKD, 3),
    ("etc/sysconfig/network-scripts/rule-eth3", "# made by hand\nfrom 10.0.0.1 table 6\n", 2),
    ("etc/sysconfig/network-scripts/rule6-eth3", "from fd00::1 table 6\n", 1),
    ("etc/sysconfig/network-scripts/route-eth3", "default via 10.0.0.1 from 1\n", 0),
    ("etc/network/interfaces", "iface eth3 inet static\n    up ip rule add from 10.0.0.1 table 6 || true\n", 2),
    ("etc/NetworkManager/system-connections/eth3.nmconnection", "[ipv4]\nrouting-rule1=priority 5 from 1 table 6\n", 2),
    ("etc/rc.local", "touch /tmp/executed; ip rule add from 10.0.0.1 table 6\n", 1),
])
def test_a_file_is_found_with_its_line(root, path, text, line):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    found = find(Paths(str(root)))
    assert [(left.file, left.line) for left in found] == ([(str(root / path), line)] if line else [])


def test_a_ve_s_own_scripts_are_found_by_its_private_area(root):
    (root / "etc/vz/conf/101.conf").write_text('VE_PRIVATE="/private"\nVE_ROOT="/r"\n')
    (root / "private/scripts").mkdir(parents=True)
    (root / "private/scripts/mount").write_text("ip rule add from 1 table 2\n")
    assert [left.file for left in find(Paths(str(root)))] == [f"{root}/private/scripts/mount"]


def test_what_cannot_be_read_or_has_two_names_is_no_trouble(root):
    (root / "etc/vz/conf/vps.mount").mkdir()
    (root / "etc/vz/conf/102.mount").symlink_to("nowhere")
    (root / "etc/vz/conf/103.mount").write_bytes(b"\xff\0 ip rule add from 1 table 2\n")
    (root / "etc/vz/conf/104.mount").symlink_to("103.mount")
    assert [left.line for left in find(Paths(str(root)))] == [1]
