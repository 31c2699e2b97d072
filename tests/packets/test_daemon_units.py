"""Where systemd runs, install starts the daemon, an upgrade restarts it, and uninstall stops it, each said."""

import os
import signal
import socket
import sys

import pytest

from tests.resident import Resident, until
from tests.site import pair

pytestmark = pytest.mark.generation(4)

SYSTEMCTL = '#!/bin/sh\necho "$*" >>/vz/called\n[ "$1" != is-active ] || [ -e /vz/active ]\n'


@pytest.fixture
def booted(bare):
    """A node that systemd runs, whose systemctl notes what it is told."""
    bare.node.hn.path("/run/systemd/system").mkdir(parents=True, exist_ok=True)
    bare.node.hn.write("/usr/local/bin/systemctl", SYSTEMCTL, 0o755)
    return bare


def called(site):
    """Return what systemctl was told since the last time."""
    path = site.node.hn.path("/vz/called")
    found = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return found


def test_install_starts_it_and_uninstall_stops_it(booted):
    said = booted.vzhooks("install", "--dry-run").stdout
    assert "started vzhooks.service" in said and called(booted) == []
    assert booted.vzhooks("install").stdout == said
    assert called(booted) == ["daemon-reload", "start vzhooks.socket", "restart vzhooks.service"]
    assert booted.node.hn.path("/etc/systemd/system/sockets.target.wants/vzhooks.socket").is_symlink()
    booted.node.hn.write("/vz/active", "")
    assert "stopped vzhooks.service" in booted.vzhooks("uninstall").stdout
    assert called(booted)[1:] == ["stop vzhooks.socket vzhooks.service", "daemon-reload"]
    assert not booted.node.hn.exists("/etc/systemd/system/vzhooks.service")


def test_an_upgrade_restarts_it(booted):
    booted.vzhooks("install")
    called(booted)
    script = booted.node.hn.read("/etc/vz/conf/vps.mount")
    booted.node.hn.write("/etc/vz/conf/vps.mount", script.replace("status", "state"), 0o755)
    assert "started vzhooks.service" in booted.vzhooks("install").stdout
    assert called(booted) == ["start vzhooks.socket", "restart vzhooks.service"]


def test_a_systemctl_that_fails_is_named_and_the_rest_is_done(booted):
    booted.node.hn.write("/usr/local/bin/systemctl", "#!/bin/sh\necho Failed: no bus >&2\nexit 1\n", 0o755)
    said = booted.vzhooks("install").stdout
    assert "now run: systemctl restart vzhooks.service   (Failed: no bus)" in said
    assert booted.node.hn.exists("/etc/vz/conf/vps.mount")


# Hands over a listening socket as systemd does (sd_listen_fds(3)), and a watchdog of half a second.
LAUNCHER = """
import os, socket, sys
line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
line.bind("/run/vzhooks/daemon.sock")
line.listen(99)
if line.fileno() != 3:
    os.dup2(line.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), NOTIFY_SOCKET="/run/notify", WATCHDOG_USEC="500000")
os.execv(sys.executable, [sys.executable, "-I", "-m", "vzhooks", "daemon"])
"""


def test_it_speaks_to_systemd_and_takes_its_socket(site):
    notify = site.node.hn.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(os.fspath(site.node.hn.path("/run/notify")))
    notify.settimeout(20)
    daemon = Resident(site, [sys.executable, "-I", "-c", LAUNCHER])
    try:
        assert notify.recv(99) == b"READY=1"
        assert [notify.recv(99) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        site.both("101", uplink="eth3")
        site.comes_by("eth3", *pair("101"))
        daemon.signal(signal.SIGHUP)
        until(lambda: notify.recv(99) == b"RELOADING=1")
        assert notify.recv(99) == b"READY=1"
        daemon.close()
        until(lambda: notify.recv(99) == b"STOPPING=1")
        assert daemon.process.returncode == 0 and site.node.hn.exists("/run/vzhooks/daemon.sock")
    finally:
        daemon.close()
        notify.close()


def test_metrics_get_their_socket_from_the_next_install(booted):
    booted.vzhooks("install")
    dropin = "/etc/systemd/system/vzhooks.service.d/10-metrics.conf"
    assert not booted.node.hn.exists(dropin)
    booted.ini("[node]\nmetrics = 127.0.0.1:9188\n")
    called(booted)
    booted.vzhooks("install")
    assert "AF_INET AF_INET6" in booted.node.hn.read(dropin) and called(booted)[0] == "daemon-reload"
    booted.vzhooks("uninstall")
    assert not booted.node.hn.exists(dropin)
