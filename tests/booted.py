# SPDX-License-Identifier: GPL-2.0-or-later
"""The example node with systemd as its first process, which knows no other units than a test gives it.

It runs in namespaces of its own: what it mounts, makes in /dev and /tmp, and starts goes with it. None of the
machine's units and generators is found, so that nothing of the machine is set up or tidied by it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.lab import ns
from tests.resident import until
from tests.site import Site

SYSTEMD = "/lib/systemd/systemd"
UNITS, LOG = "/etc/systemd/system", "/run/systemd.log"
TARGETS = ("sysinit", "basic", "sockets", "multi-user", "shutdown", "network-online")
NEEDS = {"basic": "Requires=sysinit.target\nWants=sockets.target\nAfter=sysinit.target sockets.target\n",
         "multi-user": "Requires=basic.target\nAfter=basic.target\n"}
WHOLE = str((1 << 32) - 1)
"""So many users has a user namespace that is the machine's own."""
VZ = """[Unit]
After=network-online.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c "ip rule >/vz/rules-at-start"
[Install]
WantedBy=multi-user.target
"""
OUTER = """
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$0"
echo $$ >"/sys/fs/cgroup/$0/cgroup.procs"
exec unshare --pid --fork --kill-child --mount --propagation slave --cgroup --ipc --uts sh -ec "$1"
"""
INNER = f"""
umount /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /dev
mkdir /dev/home /dev/base
mount --bind "$HOME_OF_PYTHON" /dev/home
mount --bind "$BASE_OF_PYTHON" /dev/base
mount -t tmpfs tmpfs /tmp
mkdir -p "$HOME_OF_PYTHON" "$BASE_OF_PYTHON"
mount --move /dev/home "$HOME_OF_PYTHON"
mount --move /dev/base "$BASE_OF_PYTHON"
rmdir /dev/home /dev/base
mkdir /dev/shm /dev/net
mknod -m 666 /dev/null c 1 3
mknod -m 666 /dev/urandom c 1 9
ln -s pts/ptmx /dev/ptmx
exec env -i PATH="$PATH" container=lab SYSTEMD_UNIT_PATH={UNITS} SYSTEMD_GENERATOR_PATH=/vz/none \
    SYSTEMD_ENVIRONMENT_GENERATOR_PATH=/vz/none {SYSTEMD} --system --unit=multi-user.target --show-status=no \
    --log-target=null --default-standard-output=null
"""


def missing() -> str:
    """Return what this machine lacks to run systemd in namespaces, "" for nothing."""
    if not os.path.exists(SYSTEMD) or not shutil.which("systemctl"):
        return "no systemd is installed"
    with open("/proc/filesystems", encoding="ascii") as kinds, open("/proc/self/uid_map", encoding="ascii") as ids:
        if "cgroup2" not in kinds.read():
            return "this kernel has no cgroup2"
        return "" if os.geteuid() == 0 and ids.read().split()[2] == WHOLE else "it takes the machine's own root"


class Booted:
    """Hold a systemd that runs on a site."""

    def __init__(self, site: Site) -> None:
        self.site, self.name = site, f"vzhooks-test-{site.node.hn.pid}"
        self.log = open(site.node.hn.path(LOG), "w", encoding="utf-8")  # noqa: SIM115
        # The tests may lie in /tmp themselves.
        command = ["env", f"HOME_OF_PYTHON={sys.prefix}", f"BASE_OF_PYTHON={sys.base_prefix}", "unshare",
                   "--mount", "--propagation", "slave", "sh", "-ec", OUTER, self.name, INNER]
        self.process = site.node.hn.popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        until(lambda: self.process.poll() is not None or self.systemctl("is-active", "multi-user.target") == "active")
        assert self.process.poll() is None, site.node.hn.read(LOG)

    @property
    def first(self) -> str:
        """Return the process id of systemd, "" where it is not there yet."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            return file.read().strip()

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program as somebody who has logged in there."""
        return subprocess.run(["nsenter", "-t", self.first or "0", "-a", *argv], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)

    def vzhooks(self, *words: str) -> str:
        """Run a vzhooks command, which must succeed; return what it prints."""
        done = self.run(sys.executable, "-I", "-m", "vzhooks", *words)
        assert done.returncode == 0, done
        return done.stdout

    def systemctl(self, *words: str) -> str:
        """Return what systemctl says."""
        return self.run("systemctl", *words).stdout.strip()

    def show(self, unit: str, *names: str) -> list[str]:
        """Return properties of a unit."""
        lines = self.systemctl("show", unit, *(f"-p{name}" for name in names)).splitlines()
        texts = dict(line.split("=", 1) for line in lines)
        return [texts[name] for name in names]

    def close(self) -> None:
        """End systemd and all that it started; the cgroups go too."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self.log.close()
        self.site.node.hn.call(_remove, self.name)


def _remove(name: str) -> None:
    ns.unshare(ns.CLONE_NEWNS)
    ns.mount("cgroup2", "/sys/fs/cgroup", "cgroup2")

    def gone() -> bool:
        for folder, _, _ in os.walk(f"/sys/fs/cgroup/{name}", topdown=False):
            with suppress(OSError):  # until its last process is gone
                os.rmdir(folder)
        return not os.path.exists(f"/sys/fs/cgroup/{name}")
    until(gone)


def clear(site: Site) -> None:
    """Let the node have no units but targets, and vz.service, which leaves a note of the rules that it finds."""
    site.hn("mount", "-t", "tmpfs", "tmpfs", UNITS)
    site.hn("mount", "--make-rshared", "/")  # as systemd has it, so that services see what vzctl mounts later
    for name in TARGETS:
        text = "[Unit]\n" + NEEDS.get(name, "DefaultDependencies=no\n")
        site.node.hn.write(f"{UNITS}/{name}.target", text)
    site.node.hn.write(f"{UNITS}/vz.service", VZ)
    if sys.prefix.startswith("/tmp/"):  # which the daemon would not see
        site.node.hn.write(f"{UNITS}/vzhooks.service.d/tmp.conf", "[Service]\nPrivateTmp=no\n")
    site.hn("systemctl", "--root=/", "enable", "vz.service")


@contextmanager
def booted(site: Site) -> Iterator[Booted]:
    """Run systemd on a site whose units were cleared."""
    found = Booted(site)
    try:
        yield found
    finally:
        found.close()
