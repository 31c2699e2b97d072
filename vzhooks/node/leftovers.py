# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the scripts and files that make ip rules of their own. They are read as text, never executed or edited."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from vzhooks.node import host
from vzhooks.node.host import Paths

MAX_BYTES = 1 << 18
RULE = re.compile(r"^(?!\s*[#;]).*?(?:\bip\b[^#\n]*\bru(?:le)?\b[^#\n]*\ba(?:dd)?\b|\[RoutingPolicyRule\]"
                  r"|routing-rule\d*\s*=)", re.MULTILINE)
BARE = re.compile(r"^(?!\s*#).*\bfrom\b", re.MULTILINE)
STARTS, BOOT, NETWORKD = "at each start of a VE", "at each boot", "whenever systemd-networkd sets up its link"
PLACES = {
    **dict.fromkeys((f"{folder}/systemd/network/{name}" for folder in ("/etc", "/run", "/usr/lib")
                     for name in ("*.network", "*.network.d/*.conf")), NETWORKD),
    **dict.fromkeys((
        "/etc/sysconfig/network-scripts/rule*-*", "/etc/sysconfig/network/ifrule*", "/etc/network/interfaces",
        "/etc/network/interfaces.d/*", "/etc/network/if-*.d/*", "/etc/NetworkManager/system-connections/*",
        "/etc/NetworkManager/dispatcher.d/*", "/etc/rc.local", "/etc/rc.d/rc.local"), BOOT),
}
"""Where such rules are made on the distributions, and when."""


@dataclass(frozen=True)
class Leftover:
    """Hold one file that makes ip rules: where it does first, and when that is run."""

    file: str
    line: int
    when: str

    def __str__(self) -> str:
        """Return what is to be done about it, as one line."""
        return f"{self.file}:{self.line}: makes ip rules {self.when}; take that out by hand"


def find(paths: Paths) -> list[Leftover]:
    """Return the files that make ip rules, of vzctl's scripts and of the distributions' own."""
    places = dict.fromkeys(_scripts(paths), STARTS)
    places.update({f: when for pattern, when in PLACES.items() for f in sorted(glob.glob(paths.root + pattern))})
    found = [Leftover(file, line, when) for file, when in places.items() if (line := _line(file))]
    real: dict[str, Leftover] = {}
    for left in found:  # one file may have two names
        real.setdefault(os.path.realpath(left.file), left)
    return list(real.values())


def _scripts(paths: Paths) -> Iterator[str]:
    """Return scripts of an administrator that vzctl runs on the node, those kept by `install` too."""
    folder = glob.escape(paths.conf_dir)
    kept = sorted(glob.glob(f"{folder}/before-vzhooks/*")) + sorted(glob.glob(f"{folder}/*.before-vzhooks"))
    own = [file for action in ("mount", "umount", "postumount") for file in sorted(glob.glob(f"{folder}/*.{action}"))]
    yield from (file for file in [*kept, *own] if not host.is_hook(file))
    for config in host.read_configs(paths).values():  # OpenVZ 9 has a VE's own scripts in its private area
        private = getattr(config, "private", "")
        if private:
            yield from sorted(glob.glob(f"{glob.escape(paths.root + private)}/scripts/*mount"))


def _line(file: str) -> int:
    """Return the first line that makes a rule, 0 where there is none or the file cannot be read."""
    try:
        with open(file, encoding="utf-8", errors="replace") as opened:
            text = opened.read(MAX_BYTES)
    except OSError:
        return 0
    match = RULE.search(text) or (BARE.search(text) if "/rule" in file or "/ifrule" in file else None)
    return text.count("\n", 0, match.end()) + 1 if match else 0
