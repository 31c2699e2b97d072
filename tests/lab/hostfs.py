# SPDX-License-Identifier: GPL-2.0-or-later
"""The file system a hardware node sees: the machine's own, with everything OpenVZ writes kept private."""

from __future__ import annotations

import os
import stat

from tests.lab import ns

# Writable trees get an overlay whose upper half dies with the namespace: nothing reaches the machine.
OVERLAID = ("etc", "run", "usr", "var")
# Installations write here; a directory in the upper half is ours, also when the machine's belongs to an outer root.
SYSTEM = (
    "/etc/iproute2",
    "/etc/sysctl.d",
    "/etc/systemd/network",
    "/etc/systemd/networkd.conf.d",
    "/etc/systemd/system",
    "/usr/local/sbin",
    "/var/log",
)
EMPTY = ("/etc/vz", "/var/lib/vzctl", "/var/lib/vzhooks", "/run/vzhooks", "/vz")
DIRECTORIES = (
    "/etc/vz/conf",
    "/etc/vz/names",
    "/var/lib/vzctl/veip",
    "/vz/root",
    "/vz/private",
    "/vz/lock",
)
VZ_CONF = """\
## Global parameters
VIRTUOZZO=yes
LOCKDIR=/vz/lock
DUMPDIR=/vz/dump
VE0CPUUNITS=1000

## Logging parameters
LOGGING=yes
LOGFILE=/var/log/vzctl.log
LOG_LEVEL=0
VERBOSE=0

## Network and defaults for VEs
NEIGHBOUR_DEVS=all
VE_ROOT=/vz/root/$VEID
VE_PRIVATE=/vz/private/$VEID
"""


def build() -> None:
    """Give the calling process a private root; it must already be in mount and network namespaces of its own."""
    ns.mount(None, "/", None, ns.MS_REC | ns.MS_PRIVATE)
    ns.mount("lab", "/sys", "tmpfs")  # any mount point does; a fresh sysfs comes later
    os.mkdir("/sys/root")
    ns.mount("lab", "/sys/root", "tmpfs", 0, "mode=755")
    for name in os.listdir("/"):
        _carry_over(name)
    os.chdir("/sys/root")
    ns.mount("/sys/root", "/", None, ns.MS_MOVE)
    os.chroot(".")
    _furnish()


def _carry_over(name: str) -> None:
    old, new = f"/{name}", f"/sys/root/{name}"
    mode = os.lstat(old).st_mode
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink(old), new)
    elif stat.S_ISDIR(mode):
        os.mkdir(new)
        _carry_over_directory(name, old, new)
    elif stat.S_ISREG(mode):
        os.close(os.open(new, os.O_CREAT | os.O_WRONLY))
        ns.mount(old, new, None, ns.MS_BIND)


def _carry_over_directory(name: str, old: str, new: str) -> None:
    if name == "sys":
        ns.mount("sysfs", new, "sysfs")  # shows the devices of the network namespace that mounts it
    elif name in OVERLAID:
        _overlay(name, old, new)
    else:
        ns.mount(old, new, None, ns.MS_BIND | ns.MS_REC)


def _overlay(name: str, old: str, new: str) -> None:
    upper, work = f"/sys/{name}-upper", f"/sys/{name}-work"
    os.mkdir(upper)
    os.mkdir(work)
    for path in [*EMPTY, *filter(os.path.isdir, SYSTEM)]:
        if path.startswith(f"{old}/"):
            os.makedirs(upper + path[len(old) :], exist_ok=True)
    options = f"lowerdir={old},upperdir={upper},workdir={work}"
    try:
        ns.mount("lab", new, "overlay", 0, options)
    except PermissionError:  # a user namespace may not write trusted.* attributes
        ns.mount("lab", new, "overlay", 0, options + ",userxattr")


def _furnish() -> None:
    for path in EMPTY:
        os.makedirs(path, exist_ok=True)
        ns.mount("lab", path, "tmpfs", 0, "mode=755")
    for path in DIRECTORIES:
        os.makedirs(path, exist_ok=True)
    with open("/etc/vz/vz.conf", "w", encoding="ascii") as file:
        file.write(VZ_CONF)
