# SPDX-License-Identifier: GPL-2.0-or-later
"""The file system a hardware node sees: the machine's own, with everything OpenVZ writes kept private."""

from __future__ import annotations

import glob
import os
import shutil
import stat
import sys

from tests.lab import ns
from vzhooks.node.host import Paths

# Writable trees get an overlay whose upper half dies with the namespace: nothing reaches the machine.
OVERLAID = ("etc", "run", "usr", "var")
# Installations write here; a directory in the upper half is ours, also when the machine's belongs to an outer root.
SYSTEM = (
    "/etc/iproute2",
    "/etc/sysctl.d",
    "/etc/systemd/network",
    "/etc/systemd/networkd.conf.d",
    "/etc/systemd/system",
    "/usr/local",
    "/usr/share",
    "/var/log",
)
EMPTY = ("/etc/vz", "/var/lib/vzhooks", "/run/vzhooks", "/vz")
DIRECTORIES = ("/etc/vz/conf", "/etc/vz/names", "/vz/root", "/vz/private", "/vz/lock")
# What each generation has besides.
EMPTY_OF = {4: ("/var/lib/vzctl",), 9: ("/var/vz", "/usr/libexec/libvzctl", "/run/netns")}
DIRECTORIES_OF = {
    4: ("/var/lib/vzctl/veip",),
    9: ("/var/vz/veip", "/usr/libexec/libvzctl/scripts", "/usr/libexec/libvzctl/script.d", "/var/lock"),
}
# What a machine may have where vzhooks or a vzctl was installed: a node starts without either.
OURS = ("/var/lib/vzhooks", "/run/vzhooks", *sorted(Paths().all()), *glob.glob("/usr/share/man/man8/vzhooks-*.8"))
VZCTL = ("/usr/sbin/vzctl", "/usr/bin/vzctl", "/usr/local/bin/vzctl")
STOCK_SCRIPTS = "/usr/libexec/libvzctl/scripts"
HERE = os.path.dirname(os.path.abspath(__file__))
UPPER = "/.lab"
"""Shows, below etc-upper and its like, what the node has written over the machine's own files."""
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
VZ_CONF_9 = """\
## Global parameters
LOCKDIR=/vz/lock
VE0CPUUNITS=1000

## Logging parameters
LOGGING=yes
LOGFILE=/var/log/vzctl.log
LOG_LEVEL=0
VERBOSE=0

## Network and defaults for containers
IPV6="yes"
TRAFFIC_SHAPING="no"
VE_ROOT=/vz/root/$VEID
VE_PRIVATE=/vz/private/$VEID
"""


def build(generation: int = 4, machine: str = "") -> None:
    """Give the calling process a private root; it must already be in mount and network namespaces of its own.

    machine: a directory of files to take the machine's own for, besides those it has.
    """
    ns.mount(None, "/", None, ns.MS_REC | ns.MS_PRIVATE)
    ns.mount("lab", "/sys", "tmpfs")  # any mount point does; a fresh sysfs comes later
    os.mkdir("/sys/root")
    ns.mount("lab", "/sys/root", "tmpfs", 0, "mode=755")
    for name in os.listdir("/"):
        _carry_over(name, generation, machine)
    os.mkdir(f"/sys/root{UPPER}")
    ns.mount("/sys", f"/sys/root{UPPER}", None, ns.MS_BIND)
    os.chdir("/sys/root")
    ns.mount("/sys/root", "/", None, ns.MS_MOVE)
    os.chroot(".")
    _furnish(generation)


def _carry_over(name: str, generation: int, machine: str) -> None:
    old, new = f"/{name}", f"/sys/root/{name}"
    mode = os.lstat(old).st_mode
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink(old), new)
    elif stat.S_ISDIR(mode):
        os.mkdir(new)
        _carry_over_directory(name, old, new, generation, machine)
    elif stat.S_ISREG(mode):
        os.close(os.open(new, os.O_CREAT | os.O_WRONLY))
        ns.mount(old, new, None, ns.MS_BIND)


def _carry_over_directory(name: str, old: str, new: str, generation: int, machine: str) -> None:
    if name == "sys":
        ns.mount("sysfs", new, "sysfs")  # shows the devices of the network namespace that mounts it
    elif name in OVERLAID:
        _overlay(name, old, new, generation, machine)
    else:
        ns.mount(old, new, None, ns.MS_BIND | ns.MS_REC)


def _overlay(name: str, old: str, new: str, generation: int, machine: str) -> None:
    upper, work = f"/sys/{name}-upper", f"/sys/{name}-work"
    os.mkdir(upper)
    os.mkdir(work)
    for path in [*EMPTY, *EMPTY_OF[generation], *filter(os.path.isdir, SYSTEM)]:
        if path.startswith(f"{old}/"):
            os.makedirs(upper + path[len(old) :], exist_ok=True)
    more = machine + old
    options = f"lowerdir={f'{more}:' if machine and os.path.isdir(more) else ''}{old},upperdir={upper},workdir={work}"
    try:
        ns.mount("lab", new, "overlay", 0, options)
    except PermissionError:  # a user namespace may not write trusted.* attributes
        ns.mount("lab", new, "overlay", 0, options + ",userxattr")


def _furnish(generation: int) -> None:
    for path in (*OURS, *VZCTL):
        _hide(path)
    for path in (*EMPTY, *EMPTY_OF[generation]):
        os.makedirs(path, exist_ok=True)
        ns.mount("lab", path, "tmpfs", 0, "mode=755")
    for path in (*DIRECTORIES, *DIRECTORIES_OF[generation]):
        os.makedirs(os.path.realpath(path), exist_ok=True)  # /var/lock may be a link to nowhere yet
    with open("/etc/vz/vz.conf", "w", encoding="ascii") as file:
        file.write(VZ_CONF if generation == 4 else VZ_CONF_9)
    if generation == 9:
        _put_stock_scripts()


def _hide(path: str) -> None:
    """Remove what the machine has there from the node's sight; the machine keeps it."""
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif path in EMPTY and os.path.isdir(path):
        shutil.rmtree(path)


def _put_stock_scripts() -> None:
    """Put the stand-ins for libvzctl's scripts where it looks for them."""
    for path in [os.path.join(HERE, "packets.py"), *(e.path for e in os.scandir(os.path.join(HERE, "libvzctl")))]:
        if os.path.isfile(path):
            shutil.copy(path, STOCK_SCRIPTS)
    with open(f"{STOCK_SCRIPTS}/lab.conf", "w", encoding="utf-8") as file:
        file.write(f"PAUSE=0 PYTHON='{sys.executable}'\n")
