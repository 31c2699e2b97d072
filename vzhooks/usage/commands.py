# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands and their arguments: the one source of --help, man page and completion."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from vzhooks import __version__
from vzhooks.errors import BUSY, DONE, DRIFT, FAILED, USAGE, UsageError
from vzhooks.words import NEEDS_NAME

VERBOSE = "say each change as it is made, as the ip(8), nft(8) or sysctl(8) command it equals"
CONFIRM = "give all back after so many seconds, unless `vzhooks confirm` comes in time"
LONGEST_S = 86400
DIFF = "print the changes by VE, with + - ~ before what comes, goes and changes"
LOUD = {**dict.fromkeys(("resync", "set", "harden", "uninstall"), VERBOSE),
        "status": "also say each change that is due, as the command it equals"}


STATUSES = {
    str(DONE): "done", str(FAILED): "failed, a VE is cut off, or check found an error", str(USAGE): "wrong usage",
    str(DRIFT): "drift, findings, or changes due (also with --dry-run and --check)",
    "21": "no such uplink or VE (`vzctl set --uplink` alone)", str(BUSY): "another vzhooks or vzctl is at work",
    "130, 143": "ended by Ctrl-C or SIGTERM",
}
"""What each exit status means, for help, man page and README."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say in one line what is wrong with the arguments."""
        if message == "argument --uplink: expected one argument":  # argparse would not say of what
            message = NEEDS_NAME
        self.exit(USAGE, f"{self.prog}: {UsageError(message)}; see `{self.prog} --help`\n")


def _uplink(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("empty; give an uplink's name, or none to unassign the VE")
    return text


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= LONGEST_S):
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no time; give whole seconds from 1 to {LONGEST_S}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = _Parser(
        prog="vzhooks", description="Give every OpenVZ container its own uplink out of the node.",
        epilog="exit status: " + "; ".join(f"{status} {text}" for status, text in STATUSES.items()))
    top.add_argument("--version", action="version", version=f"vzhooks {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    _changes(commands)
    _looks(commands)
    _kit(commands)
    _of_the_node(commands)
    # Before the command or after it: a default of the second would undo the first.
    top.add_argument("-v", "--verbose", action="store_true", help=VERBOSE)
    for name, text in LOUD.items():
        command = commands.choices[name]
        command.add_argument("-v", "--verbose", action="store_true", default=argparse.SUPPRESS, help=text)
    return top


def _changes(commands: Any) -> None:
    resync = commands.add_parser("resync", help="make the kernel what it should be, for the node or the VEs named")
    resync.add_argument("ctids", nargs="*", metavar="CTID", help="a VE's number, UUID or name; none: the whole node")
    resync.add_argument("--dry-run", action="store_true", help="print the changes and make none")
    resync.add_argument("--force", action="store_true",
                        help="apply an ini with errors, and let live VEs lose their way")
    resync.add_argument("--diff", action="store_true", help=DIFF)
    resync.add_argument("--confirm", metavar="SECONDS", type=_seconds, help=CONFIRM)
    resync.add_argument("--ini", metavar="FILE", help="go by this file: with --confirm, upon which it becomes the ini, "
                        "or with --dry-run; - for what comes in")

    assign = commands.add_parser("set", help="give a VE another uplink, at once and, with --save, for good")
    assign.add_argument("ctid", metavar="CTID", help="a VE's number, UUID or name")
    assign.add_argument("--uplink", required=True, metavar="NAME", type=_uplink,
                        help="an uplink of this node, or several with commas between, of which each address takes the "
                             "first that has its network; none unassigns the VE")
    assign.add_argument("--save", action="store_true", help="write it into the VE's config as well")
    assign.add_argument("--force", action="store_true",
                        help="even where the first uplink on this node cuts off somebody who asked for nothing")
    assign.add_argument("--forget-flows", action="store_true",
                        help="end the VE's tracked connections too, as those behind NAT keep their old way")
    assign.add_argument("--diff", action="store_true", help=DIFF)

    harden = commands.add_parser("harden", help="let each of the node's own addresses be answered by its own NIC")
    how = harden.add_mutually_exclusive_group()
    how.add_argument("--check", action="store_true", help="change nothing; exit 3 where the node is soft")
    how.add_argument("--undo", action="store_true", help="restore the values found before, and do not harden again")
    harden.add_argument("--force", action="store_true", help="even where addresses would go unanswered")
    harden.add_argument("--diff", action="store_true", help=DIFF)
    harden.add_argument("--confirm", metavar="SECONDS", type=_seconds, help=CONFIRM)


def _looks(commands: Any) -> None:
    status = commands.add_parser("status", help="show who leaves by what, and whether it is as it should be")
    status.add_argument("ctids", nargs="*", metavar="CTID", help="a VE's number, UUID or name; none: all that live")
    form = status.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object (docs/status-json.md)")
    form.add_argument("--watch", action="store_true", help="go on, a line for each change, until Ctrl-C; on a terminal "
                      "with how much each uplink carries")
    form.add_argument("--prometheus", action="store_true", help="print numbers of the whole node, for node_exporter's "
                      "textfile collector; exit 0 wherever they can be read")

    route = commands.add_parser("route", help="ask the kernel where a VE's packet would go, and say why")
    route.add_argument("ctid", metavar="CTID", help="a VE's number, UUID or name")
    route.add_argument("dest", metavar="DEST", help="an IPv4 or IPv6 address")

    doctor = commands.add_parser("doctor", help="find what would break the node; exit 3 where something does")
    doctor.add_argument("--probe", action="store_true", help="also ask on the wire who answers for each address")
    doctor.add_argument("--json", action="store_true", help="print the list of findings")


def _kit(commands: Any) -> None:
    check = commands.add_parser("check", help="judge an ini without using it or changing anything; exit 1 for an error")
    check.add_argument("file", nargs="?", metavar="FILE", help="the ini, - for what comes in; none: the node's own")
    check.add_argument("--json", action="store_true", help="print the list of what was found")

    commands.add_parser("confirm", help="keep what `resync --confirm` or `harden --confirm` has put on trial")

    migrate = commands.add_parser("migrate", help="show how VEs with ip rules of an older script get uplinks instead")
    migrate.add_argument("--write", action="store_true", help="do it: ini, VE configs, uplinks, then drop those rules")
    migrate.add_argument("--json", action="store_true", help="print one JSON object")

    report = commands.add_parser("report", help="put what a maintainer needs to know of this node into one tar.gz")
    report.add_argument("-o", "--output", metavar="FILE", help="the file to make; none: a new name in this directory")
    report.add_argument("--mask", action="store_true", help="hide addresses and names, each behind always the same one")


def _of_the_node(commands: Any) -> None:
    install = commands.add_parser("install", help="put the hook scripts where vzctl looks")
    install.add_argument("--vzctl-wrapper", action="store_true",
                         help="also put a wrapper of vzctl, so that `vzctl set` takes --uplink")
    install.add_argument("--dry-run", action="store_true", help="say what it would put, and change nothing")
    install.add_argument("--destdir", default="", metavar="D", help="install below this directory, for packagers")
    install.add_argument("--python", default="", metavar="PATH", help="the python that will run it; default: this one")

    uninstall = commands.add_parser("uninstall", help="give back the state found before install")
    uninstall.add_argument("--force", action="store_true", help="even while VEs with an uplink run: they fall to main")
    uninstall.add_argument("--dry-run", action="store_true", help="say what it would remove, and change nothing")
    uninstall.add_argument("--destdir", default="", metavar="D", help="uninstall from below this directory")

    commands.add_parser("daemon", help="stay: answer hooks and commands at once, watch the node and mend it")

    hook = commands.add_parser("hook", help="what the hook scripts call")
    hook.add_argument("name", choices=("mount", "umount", "postumount", "boot"), help="the event")
