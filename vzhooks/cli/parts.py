# SPDX-License-Identifier: GPL-2.0-or-later
"""What a maintainer needs to know of a node, part by part; a part that cannot be had hinders no other."""

from __future__ import annotations

import os
import platform
import re
import stat
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from vzhooks import __version__
from vzhooks.config.vzconf import VeConfig
from vzhooks.errors import HostError, VzhooksError
from vzhooks.kernel import lean, sysctl
from vzhooks.node import host, programs
from vzhooks.node.host import Paths

MOST = 1 << 23
DAY_LINES = 20000
# Of a VE's config and of vz.conf what concerns us: nothing of what is inside, no limits, no passwords.
CONFIG = re.compile(r"^[\ufeff \t]*(?:export[ \t]+)?(?:UPLINK|IP_ADDRESS|NETIF|VE_ROOT|VE_PRIVATE|NAME|ONBOOT|LOCKDIR"
                    r"|NEIGHBOUR_DEVS|IPV6|DEF_OSTEMPLATE)[ \t]*=.*$", re.IGNORECASE | re.MULTILINE)
HOSTNAME = re.compile(r"^[ \t]*HOSTNAME=[\"']?([^\"'\s#]+)", re.MULTILINE)
FOUR = ("rp_filter", "arp_ignore", "arp_announce", "arp_filter", "proxy_arp", "forwarding", "src_valid_mark",
        "ignore_routes_with_linkdown")
SIX = ("disable_ipv6", "forwarding", "proxy_ndp", "accept_ra", "ignore_routes_with_linkdown")
MORE = ("net/ipv4/ip_forward", "net/ipv4/fwmark_reflect", "net/ipv4/tcp_fwmark_accept",
        "net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-arptables")
PROGRAMS = {
    "ip/rules4.txt": "ip -d rule", "ip/rules6.txt": "ip -d -6 rule", "ip/routes4.txt": "ip -d route show table all",
    "ip/routes6.txt": "ip -d -6 route show table all", "ip/links.txt": "ip -d link", "ip/addresses.txt": "ip addr",
    "ip/proxies4.txt": "ip neigh show proxy", "ip/proxies6.txt": "ip -6 neigh show proxy",
    "ip/neighbours.txt": "ip neigh", "nft/inet.txt": "nft list table inet vzhooks",
    "nft/arp.txt": "nft list table arp vzhooks", "nft/tables.txt": "nft list tables",
    "nft/chains.txt": "nft list chains", "versions/ip.txt": "ip -V", "versions/nft.txt": "nft --version",
}
"""Programs that only tell; of the nft tables of others and their chains, their names alone."""
PACKAGES = ("rpm -q vzctl libvzctl vzkernel nftables iproute", "dpkg-query -W vzctl nftables iproute2")
LOGS = ("/var/log/messages", "/var/log/syslog")
Part = Callable[[], str]


def parts(paths: Paths) -> Iterator[tuple[str, Part]]:
    """Give each part's name and how to get it."""
    yield "versions/about.txt", _about
    for name in ("ini", "good_ini", "tried_ini", "tables", "harden", "ves", "trial", "manifest", "sysctl_d"):
        path = getattr(paths, name)
        if os.path.lexists(path):
            yield f"files/{os.path.basename(path)}", partial(_text, path)
    yield "versions/packages.txt", _packages
    yield "files/hooks.txt", partial(_hooks, paths)
    yield "status.json", partial(_status, paths, True)
    yield "status.txt", partial(_status, paths, False)
    yield "doctor.json", partial(_doctor, paths)
    for name, line in PROGRAMS.items():
        yield name, partial(programs.said, *line.split())
    yield "sysctls.txt", _sysctls
    yield "journal.txt", _journal
    yield "ves/vz.conf", partial(_reduced, paths.vz_conf)
    for ctid in _ctids(paths):
        yield f"ves/{ctid}.conf", partial(_reduced, os.path.join(paths.conf_dir, f"{ctid}.conf"))


def names(paths: Paths) -> Iterator[str]:
    """Give the names of VEs, which a mask hides: those that vzctl shows, and what they call themselves."""
    with suppress(VzhooksError):
        for config in host.read_configs(paths).values():
            if isinstance(config, VeConfig):
                yield config.name
    for ctid in _ctids(paths):
        with suppress(OSError):
            yield from HOSTNAME.findall(_text(os.path.join(paths.conf_dir, f"{ctid}.conf")))


def _ctids(paths: Paths) -> list[str]:
    try:
        found = [os.path.splitext(name) for name in sorted(os.listdir(paths.conf_dir))]
    except OSError:
        return []
    return [ctid for ctid, ext in found if ext == ".conf" and ctid != "0" and host.CTID.fullmatch(ctid)]


def _about() -> str:
    system = os.uname()
    with suppress(OSError):
        distribution = re.findall(r'^PRETTY_NAME="?([^"\n]*)', _text("/etc/os-release"), re.MULTILINE)
    lines = [f"vzhooks {__version__} in {os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}",
             f"python {platform.python_version()} {sys.executable}", f"pyroute2 {lean.installed()}",
             f"kernel {system.sysname} {system.release} {system.machine}",
             f"distribution {next(iter(distribution), '?')}",
             f"init {'systemd' if os.path.isdir('/run/systemd/system') else 'other than systemd'}"]
    return "\n".join(lines) + "\n"


def _text(path: str) -> str:
    with open(path, "rb") as file:
        return file.read(MOST).decode("utf-8", "backslashreplace")


def _reduced(path: str) -> str:
    return "".join(f"{line.strip()}\n" for line in CONFIG.findall(_text(path)))


def _hooks(paths: Paths) -> str:
    """Return which scripts vzctl finds, and whose they are: what is in those of others is nobody's business."""
    lines = []
    folders = [paths.conf_dir, os.path.join(paths.conf_dir, "before-vzhooks"), os.path.dirname(paths.override9)]
    for folder in filter(os.path.isdir, folders):
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if name.endswith(("mount", "netns_dev_add")):
                found = os.lstat(path)
                whose = "of vzhooks" if host.is_hook(path) else "of others"
                lines.append(f"{stat.filemode(found.st_mode)} {found.st_uid} {found.st_size} {path} {whose}")
    return "\n".join(lines) + "\n"


def _status(paths: Paths, as_json: bool) -> str:
    from vzhooks.cli import overview
    from vzhooks.status import rows, table
    view = overview.gather(paths, [])
    return (rows.as_json(view) if as_json else table.render(view)) + "\n"


def _doctor(paths: Paths) -> str:
    from vzhooks.doctor import checks, gather
    return checks.as_json(checks.examine(gather.gather(paths, False))) + "\n"


def _packages() -> str:
    """Return which of the packages that matter there are, by whichever package manager there is."""
    found = []
    for line in PACKAGES:
        with suppress(HostError):
            found.append(programs.said(*line.split(), must=False))
    return "".join(found)


def _sysctls() -> str:
    nics = ["all", "default", *sorted(os.listdir("/sys/class/net"))]
    keys = [f"net/{family}/conf/{nic}/{name}" for nic in nics for family, of in (("ipv4", FOUR), ("ipv6", SIX))
            for name in of]
    return "".join(f"{key} = {value}\n" for key, value in sysctl.read([*MORE, *keys]).items())


def _journal() -> str:
    """Return what we logged in the last day, or where there is no journal the end of the system's log."""
    try:
        return programs.said("journalctl", "-q", "-t", "vzhooks", "--since=-1day", "-o", "short-iso")
    except HostError as error:
        for path in filter(os.path.exists, LOGS):
            with open(path, encoding="utf-8", errors="backslashreplace") as file:
                return "".join(deque((line for line in file if "vzhooks" in line), DAY_LINES))
        raise HostError(f"{error}, and there is none of {', '.join(LOGS)}") from None
