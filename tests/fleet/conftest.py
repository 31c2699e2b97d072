"""Two nodes on one LAN, each with an sshd, and the client's computer to roll things over them from."""

import subprocess

import pytest

from pack.__main__ import build
from tests.lab import ExampleNode, Vzctl4

VES = {"node1": ("101", "192.168.18.101"), "node2": ("102", "192.168.18.102")}
SSHD = """\
ListenAddress 0.0.0.0
HostKey {keys}/host
AuthorizedKeysFile {keys}/user.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PidFile none
Subsystem sftp internal-sftp
"""


@pytest.fixture(scope="session")
def deb(tmp_path_factory):
    """The package that is rolled out."""
    return build(tmp_path_factory.mktemp("built"))[0]


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """A key of the nodes, and one of who rolls."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "sshd_config").write_text(SSHD.format(keys=folder))
    return folder


@pytest.fixture(scope="module")
def nodes(keys):
    """Both nodes by name, a VE running on each, with sshd and without vzhooks."""
    with ExampleNode(1) as one, ExampleNode(1, beside=one) as two:
        found = {"node1": one, "node2": two}
        for name, node in found.items():
            ctid, address = VES[name]
            node.create_ve(ctid, [address], uplink="isp1")
            assert Vzctl4(node).start(ctid).rc == 0
            node.hn.run(["mkdir", "-p", "/run/sshd"], check=True)
            node.hn.popen(["/usr/sbin/sshd", "-D", "-f", str(keys / "sshd_config")], stderr=subprocess.DEVNULL)
        yield found
