# SPDX-License-Identifier: GPL-2.0-or-later
"""What is shown in the pages: each scene plays on an example node of its own, with vzctl 4, and real packets."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable

from tests.lab import ExampleNode, Vzctl4
from tests.lab.demo import VES, exits
from tests.lab.node import BEYOND, CLIENT, MACS
from tests.lab.wire import flush_neighbours, ping, who_has

INI = "/etc/vz/vzhooks.ini"


class Stage:
    """Hold a node, and what was typed and said on it, by the name of the block that shows it."""

    def __init__(self, node: ExampleNode) -> None:
        self.node, self.vzctl = node, Vzctl4(node)
        self.said: dict[str, str] = {}
        for ctid, address, _ in VES:
            node.create_ve(ctid, [address])
            self.vzctl.start(ctid)

    def type(self, block: str, line: str) -> None:
        """Give a command, and keep it with what it says; of vzctl the start and stop of a VE."""
        self.said[block] = self.said.get(block, "") + f"# {line}\n" + self.quietly(line)

    def quietly(self, line: str) -> str:
        """Give a command that is not shown; return what it says."""
        words = line.split()
        if words[0] == "vzctl":
            result = getattr(self.vzctl, words[1])(words[2])
            return f"{result.stdout}{result.stderr}"
        script = f'vzhooks() {{ "{sys.executable}" -I -m vzhooks "$@"; }}; {line}'
        done = self.node.hn.run(["/bin/sh", "-c", f"{{ {script}; }} 2>&1"])
        return done.stdout

    def ready(self) -> None:
        """Bring it to where both VEs go by their uplinks, and their gateways are known."""
        self.quietly("vzhooks install")
        for ctid, _, uplink in VES:
            self.quietly(f"vzhooks set {ctid} --uplink {uplink} --save")
            ping(self.node.ve(ctid).box, BEYOND)


@contextmanager
def stage(rp_filter: int = 1) -> Iterator[Stage]:
    """Give a stage with both VEs running, on a node without vzhooks."""
    with ExampleNode(rp_filter) as node:
        yield Stage(node)


def start() -> dict[str, str]:
    """Show the first five minutes."""
    with stage() as on:
        on.type("install", "vzhooks install >/dev/null")
        on.type("set", "vzhooks set 101 --uplink eth3 --save")
        on.type("set", "vzhooks set 102 --uplink eth4 --save")
        for ctid, _, _ in VES:
            ping(on.node.ve(ctid).box, BEYOND)
        on.type("status", "vzhooks status")
        on.type("route", f"vzhooks route 101 {BEYOND}")
        on.type("route", "vzhooks route 101 192.168.18.102")
        on.type("doctor", "vzhooks doctor")
        return on.said


def changes() -> dict[str, str]:
    """Show what one more VE adds to a node."""
    with stage() as on:
        on.quietly("vzhooks install")
        on.quietly("vzhooks set 101 --uplink eth3 --save")
        on.type("one-more", "vzhooks set 102 --uplink eth4 -v")
        on.type("guard", "nft list set inet vzhooks exits4")
        return on.said


def trouble() -> dict[str, str]:
    """Show what operators see when something is wrong, and how it is mended."""
    with stage() as on:
        on.ready()
        on.type("drift", "nft flush ruleset")
        on.type("drift", "vzhooks status 101")
        on.type("drift", "vzhooks resync >/dev/null")
        on.node.link("eth3", False)
        on.type("down", "vzhooks status 101")
        on.node.link("eth3", True)
        on.type("up", "vzhooks resync >/dev/null")
        with on.node.hn.ipr() as ipr:
            ipr.rule("add", family=2, src="192.168.18.101", src_len=32, table=254, priority=900)
        on.type("diverted", "vzhooks status 101")
        with on.node.hn.ipr() as ipr:
            ipr.rule("del", family=2, priority=900)
        on.node.hn.write(INI, "[uplink:eth3]\ndevise = eth3\n")
        on.type("ini", "vzhooks resync >/dev/null")
        on.node.hn.path(INI).unlink()
        on.vzctl.stop("102")
        on.node.write_conf("102", ["192.168.18.102"], "eth9")
        on.type("refused", "vzctl start 102")
        return on.said


def numbers() -> dict[str, str]:
    """Show what Prometheus gets."""
    with stage() as on:
        on.ready()
        on.type("all", "vzhooks status --prometheus | grep -v -e '^#' -e hook_seconds")
        return on.said


DIRECTORIES = " ".join((
    "/usr/share/fish/vendor_completions.d", "/usr/local/share/zsh/site-functions",
    "/usr/share/bash-completion/completions", "/usr/share/man/man5", "/usr/share/man/man8",
    "/etc/systemd/networkd.conf.d", "/etc/systemd/system/sockets.target.wants",
    "/etc/systemd/system/multi-user.target.wants", "/etc/iproute2/rt_tables.d", "/etc/iproute2/rt_protos.d"))
"""What one machine has and another one has not, and uninstall counts where install made it."""


def leave() -> dict[str, str]:
    """Show how a node is given back."""
    with stage() as on:
        on.quietly(f"mkdir -p {DIRECTORIES}")
        on.ready()
        on.type("refused", "vzhooks uninstall")
        on.type("forced", "vzhooks uninstall --force >/dev/null")
        return on.said


def migrate() -> dict[str, str]:
    """Show a VE that goes by a rule of an old script, and is taken over."""
    with stage() as on:
        with on.node.hn.ipr() as ipr:
            ipr.route("add", dst="0.0.0.0/0", gateway="192.168.18.1", oif=on.node.hn.index("eth3"), table=103)
            ipr.rule("add", family=2, src="192.168.18.101", src_len=32, table=103, priority=32765)
        on.quietly("vzhooks install")
        on.type("take", "vzhooks set 101 --uplink eth3 --save")
        ping(on.node.ve("101").box, BEYOND)
        with on.node.hn.ipr() as ipr:
            ipr.rule("del", family=2, src="192.168.18.101", src_len=32, table=103, priority=32765)
        on.type("look", "vzhooks status 101")
        on.type("look", "vzhooks doctor")
        return on.said


OLD_SCRIPT = """#!/bin/sh
[ "$VEID" = 101 ] && ip rule add from 192.168.18.101 table 103
[ "$VEID" = 102 ] && ip rule add from 192.168.18.102 table 104
exit 0
"""


def moved() -> dict[str, str]:
    """Show VEs that go by rules of an old script, and are taken over."""
    with stage() as on:
        on.node.hn.write("/etc/vz/conf/vps.mount", OLD_SCRIPT, 0o755)
        with on.node.hn.ipr() as ipr:
            for n, ((_, address, uplink), table) in enumerate(zip(VES, (103, 104))):
                ipr.route("add", dst="0.0.0.0/0", gateway="192.168.18.1", oif=on.node.hn.index(uplink), table=table)
                ipr.rule("add", family=2, src=address, src_len=32, table=table, priority=32765 - n)
        on.quietly("vzhooks install")
        on.type("show", "vzhooks migrate")
        on.type("write", "vzhooks migrate --write >/dev/null")
        for ctid, _, _ in VES:
            ping(on.node.ve(ctid).box, BEYOND)
        on.type("look", "vzhooks status")
        return on.said


NEW = """[node]
reserved = eth0

[uplink:eth3]
%s = 192.168.18.1
backup = eth4

[uplink:eth4]
"""


def change() -> dict[str, str]:
    """Show how a new ini is judged and tried."""
    with stage() as on:
        on.ready()
        on.node.hn.write("/etc/vz/new.ini", NEW % "gatewey")
        on.type("bad", "vzhooks check /etc/vz/new.ini")
        on.node.hn.write("/etc/vz/new.ini", NEW % "gateway")
        on.type("good", "vzhooks check /etc/vz/new.ini")
        on.type("diff", "vzhooks resync --dry-run --diff --ini /etc/vz/new.ini")
        on.type("try", "vzhooks resync --confirm 60 --ini /etc/vz/new.ini >/dev/null")
        on.type("confirm", "vzhooks confirm")
        return on.said


SCENES: dict[str, Callable[[], dict[str, str]]] = {
    "start": start, "changes": changes, "trouble": trouble, "numbers": numbers, "leave": leave,
    "migrate": migrate, "moved": moved, "change": change}


def measured() -> dict[str, dict[str, dict[str, str]]]:
    """Return by which NICs the VEs' packets leave and come in, and who answers for them, before and after."""
    with stage(rp_filter=0) as on:
        before = _ways(on.node)
        on.ready()
        return {"before": before, "after": _ways(on.node)}


def _ways(node: ExampleNode) -> dict[str, dict[str, str]]:
    names, found = {mac: nic for nic, mac in MACS.items()}, {}
    flush_neighbours(node.client)
    for ctid, address, _ in VES:
        out, back = exits(node, ctid, address)
        answers = sorted({names[mac] for mac in who_has(node.client, "eth0", address, CLIENT)})
        found[ctid] = {"out": out, "in": back, "answers": " ".join(answers)}
    return found
