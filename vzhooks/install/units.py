# SPDX-License-Identifier: GPL-2.0-or-later
"""Have systemd run the daemon from the install on, and no more before the uninstall; nothing where it does not run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Iterator

from vzhooks.ask import command
from vzhooks.node.host import Paths

SERVICE, SOCKET = "vzhooks.service", "vzhooks.socket"
RUNNING = "/run/systemd/system"
"""There where systemd is the node's init (sd_booted(3))."""
TIMEOUT_S = 60
METRICS = b"""# Made by `vzhooks install`, since the ini has metrics: an internet socket, and whoever asks there.
[Service]
RestrictAddressFamilies=AF_INET AF_INET6
IPAddressAllow=any
"""
HOMES = ("/home", "/root", "/run/user")
"""What ProtectHome=yes hides (systemd.exec(5))."""


def text(template: bytes, python: str) -> bytes:
    """Return a unit for this interpreter, which must be seen by it."""
    quoted = python.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")  # systemd.service(5)
    homely = any(os.path.realpath(p).startswith(f"{h}/") for p in (python, os.path.dirname(python)) for h in HOMES)
    return template.replace(b"@PYTHON@", os.fsencode(quoted)).replace(b"@HOME@", b"read-only" if homely else b"yes")


def is_here() -> bool:
    """Tell whether systemd runs this machine."""
    return os.path.isdir(RUNNING)


def start(paths: Paths, lines: Collection[str], version: str, dry: bool) -> Iterator[str]:
    """Start the daemon, or start it anew where something of it changed; yield a line that says so.

    lines: what the install changed. VEs do not feel it: what is in the kernel stays.
    """
    if not is_here() or (not lines and command.hello(version)):
        return
    mine = (paths.boot_unit, paths.daemon_unit, paths.socket_unit, paths.metrics_unit)
    if any(f"{verb} {path}" in lines for path in mine for verb in ("put", "removed")):
        _systemctl(dry, "daemon-reload")
    why = _systemctl(dry, "start", SOCKET) or _systemctl(dry, "restart", SERVICE)
    yield f"now run: systemctl restart {SERVICE}   ({why})" if why else f"started {SERVICE}, which mends the node"


def stop(dry: bool) -> Iterator[str]:
    """Stop the daemon where systemd runs it; yield a line that says so."""
    if is_here() and not _systemctl(False, "is-active", "--quiet", SERVICE):
        _systemctl(dry, "stop", SOCKET, SERVICE)
        yield f"stopped {SERVICE}"


def forget(dry: bool) -> None:
    """Let systemd see that the units are gone."""
    if is_here():
        _systemctl(dry, "daemon-reload")


def _systemctl(dry: bool, *words: str) -> str:
    """Call systemctl(1) unless dry; return why it failed, "" where it did not."""
    if dry:
        return ""
    try:
        done = subprocess.run(["systemctl", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"systemctl: {getattr(error, 'strerror', None) or 'no answer'}"
    said = " ".join(done.stderr.split())
    return (said or f"systemctl: exit status {done.returncode}") if done.returncode else ""
