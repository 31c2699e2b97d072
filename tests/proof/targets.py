# SPDX-License-Identifier: GPL-2.0-or-later
"""What is fuzzed: each target takes any bytes, and fails where vzhooks takes them for what they are not."""

from __future__ import annotations

import json
import os
import re
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any, Callable

from vzhooks.addresses import canonical
from vzhooks.config import vzconf
from vzhooks.config.confedit import with_uplink
from vzhooks.config.settings import Settings
from vzhooks.config.settings import parse as parse_ini
from vzhooks.daemon import protocol
from vzhooks.errors import HostError, InputError, KernelError, SettingsError, UsageError, VzhooksError
from vzhooks.kernel import messages
from vzhooks.node import notes, uplink_notes
from vzhooks.policy import guard
from vzhooks.usage.commands import parser
from vzhooks.wrapper.split import split

STRICT = re.compile(rb'^UPLINK="([A-Za-z][A-Za-z0-9]{0,9})"$')
LOOSE = re.compile(rb"uplink", re.IGNORECASE)


def said(parse: Callable[[], Any], *errors: type[VzhooksError]) -> Any:
    """Return what a parser returns, None for an error it may raise, which must be one printable line."""
    try:
        return parse()
    except errors as error:
        assert str(error) and str(error).isprintable(), repr(str(error))
        return None


def ini(data: bytes) -> None:
    """An ini: what is accepted contradicts itself in nothing."""
    text = data.decode("utf-8", "replace")
    found = said(lambda: parse_ini(text), SettingsError)
    if not isinstance(found, Settings):
        return
    assert not set(found.uplinks) & set(found.broken)
    assert all(why.isprintable() for why in found.broken.values())
    assert not {u.device for u in found.uplinks.values()} & set(found.reserved), found
    tables = [u.table for u in found.uplinks.values() if u.table]
    assert len(tables) == len(set(tables)) and not {253, 254, 255} & set(tables), found
    declared = {*found.uplinks, *found.broken}  # without any, each NIC is an uplink
    assert found.unassigned in ("main", "block", "by-address", *declared) or not declared, found
    assert "[" in text or not found.uplinks


def config(data: bytes) -> None:
    """A VE's config: a line as vzctl writes it counts, and without the word nothing does."""
    found = said(lambda: vzconf.parse(data, "101", "101.conf"), InputError)
    if found is None:
        return
    assert found.uplink.isprintable() and all(note.isprintable() for note in found.notes)
    assert all(canonical(a) == a for a in found.addresses), found
    assert not {"0.0.0.0", "127.0.0.1", "::", "::1"} & set(found.addresses), found
    assert found.uplink == "" or LOOSE.search(data), found
    lines = data.split(b"\n")
    last = next((line for line in reversed(lines) if LOOSE.search(line)), b"")
    strict = STRICT.match(last)
    if strict and data.count(b"\r") == 0 and strict[1].lower() != b"none":
        assert found.uplink == strict[1].decode(), found


def saved(data: bytes) -> None:
    """A config after `set --save`: it names the uplink, and all other lines are as they were."""
    new = with_uplink(data, "isp1")
    found = said(lambda: vzconf.parse(new, "101", "101.conf"), InputError)
    assert found is None or found.uplink == "isp1", new
    kept = [line for line in re.split(rb"\r\n|\n|\r", data) if not LOOSE.search(line) and line.strip(b"\xef\xbb\xbf")]
    left = re.split(rb"\r\n|\n|\r", new)
    assert [line for line in kept if line not in left] == [], new


def line(data: bytes) -> None:
    """vzctl's command line: what is not ours is handed on as it stood, in its order."""
    words = data.decode("utf-8", "replace").split("\n")[:40]
    found = said(lambda: split(words), UsageError)
    if found is None:
        return
    rest = iter(words)
    assert all(any(word == other for other in rest) for word in found.rest), (words, found)
    assert found.uplink and not found.uplink.startswith("-") and len(found.rest) < len(words), (words, found)
    assert any(LOOSE.search(word.encode()) for word in words)


def command(data: bytes) -> None:
    """vzhooks' own command line: taken, or refused with 2."""
    words = data.decode("utf-8", "replace").replace("\0", "").split("\n")[:12]
    try:
        with open(os.devnull, "w", encoding="utf-8") as null, redirect_stdout(null), redirect_stderr(null):
            assert parser().parse_args(words).command
    except SystemExit as end:
        assert end.code in (0, 2), end.code


def note_of(load: Callable[[str], Any]) -> Callable[[bytes], None]:
    """Return the target for one state file."""
    path = os.path.join(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None), "note")

    def check(data: bytes) -> None:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        found = said(lambda: load(path), HostError)
        if isinstance(found, dict) and load is notes.load_ves:
            assert all(canonical(a) == a for record in found.values() for a in record.all), found
    return check


def socket(data: bytes) -> None:
    """A packet to the daemon: what a client may send, whole, or ValueError, which the daemon knows."""
    try:
        asked = protocol.request(data)
    except ValueError:
        return
    whole = "\0".join([asked.version, asked.verb, *asked.words, *(n + v for n, v in asked.environ.items())])
    assert len(whole) <= len(data) and len(data.split(b"\0")) >= 3 + len(asked.words)


def nft(data: bytes) -> None:
    """`nft -j list table`: values, or one line that says it cannot be read."""
    text = data.decode("utf-8", "replace")
    found = said(lambda: guard.parse({"inet": text, "arp": text}), KernelError)
    assert found is None or found


class Message(dict):
    """Stand for a netlink message as pyroute2 has it: header fields by name, attributes by get."""

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute's first value."""
        return next((value for key, value in self["attrs"] if key == name), default)


def netlink(data: bytes) -> None:
    """A dump of rules and routes whose attributes come, stay away and hold any value of their kernel type."""
    whole = json.loads(DUMP)
    pick = iter(data)
    for m in whole:
        kept = [[k, v] for k, v in m["attrs"] if next(pick, 1) % 7]
        for pair in kept:
            pair[1] = other(pair[1], next(pick, 0))
        fields = {k: v if not isinstance(v, int) or next(pick, 1) % 5 else next(pick, 0) for k, v in m.items()}
        message = Message({**fields, "attrs": [tuple(pair) for pair in kept]})
        if "action" in m:
            said(lambda message=message: messages.protocol_of(message), KernelError)
            messages.rule_of(message, 4)
        else:
            list(messages.routes_of(message, 4, {2: "eth0"}))


def other(value: Any, choice: int) -> Any:
    """Return another value of the same kernel type, or the same."""
    if isinstance(value, int):
        return (value, 0, 1, 254, 255, 256, 0xFFFFFFFF, 0x7FFFFFFF)[choice % 8]
    return (value, "0.0.0.0", "255.255.255.255", "eth0.4094", "")[choice % 5] if isinstance(value, str) else value


DUMP = json.dumps([
    {"family": 2, "action": 1, "src_len": 32, "dst_len": 0, "table": 0, "attrs": [
        ["FRA_TABLE", 10001], ["FRA_SRC", "192.168.18.101"], ["FRA_PRIORITY", 1020], ["FRA_PROTOCOL", 118],
        ["FRA_SUPPRESS_PREFIXLEN", 4294967295], ["FRA_IIFNAME", "venet0"], ["FRA_GOTO", 1005]]},
    {"family": 2, "dst_len": 24, "src_len": 0, "tos": 0, "table": 254, "type": 1, "proto": 118, "attrs": [
        ["RTA_TABLE", 10001], ["RTA_DST", "192.168.18.0"], ["RTA_OIF", 2], ["RTA_GATEWAY", "192.168.18.1"],
        ["RTA_PRIORITY", 256]]}])
HEALTH = b'{"at": 5.5, "uplinks": {"isp1": {"state": "down", "since": 1, "why": "x", "streak": -2, "linked": true}}}'
VES = {"101": {"phase": "running", "since": 5.5, "uplink": "isp1", "addresses": ["192.168.18.101"],
               "override": None, "base": "", "devices": ["web0"], "root": "/vz/root/101",
               "expected": {"uplink": "isp2", "addresses": ["fd00::1"], "since": 7}}}


@dataclass(frozen=True)
class Target:
    """Hold what is fed, and what good input looks like."""

    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


TARGETS = {
    "ini": Target(ini, (b"[node]\nunassigned = main ; x\nreserved = eth0\non_error = refuse\n[uplink:isp1]\n"
                        b"device = eth3\ngateway = 192.168.18.1\nbackup = isp2\ntable = 1003\n[uplink:isp2]\n"
                        b"device = eth4\ngateway6 = fe80::1\n",)),
    "config": Target(config, (b'ONBOOT="yes"\nVE_ROOT="/vz/root/$VEID"\nIP_ADDRESS="192.168.18.101 fd00:18::101/64"\n'
                              b'HOSTNAME=\'a.example\'\nUPLINK="isp1"\n', b'export uplink = \'isp1\' # x\r\n')),
    "saved": Target(saved, (b'ONBOOT="yes"\nUPLINK="isp2"\nIP_ADDRESS="192.168.18.101"', b"# none\n uplink=x\r\n")),
    "line": Target(line, (b"set\n101\n--ipadd\n192.168.18.150\n--uplink\nisp1\n--save",
                          b"--quiet\nset\n101\n--uplink=isp1\n--name\n--uplink\n-e\nx")),
    "command": Target(command, (b"set\n101\n--uplink\nisp1\n--save", b"status\n--json", b"resync\n101\n--dry-run")),
    "ves": Target(note_of(notes.load_ves), (json.dumps(VES).encode(),)),
    "tables": Target(note_of(notes.load_tables), (b'{"uplink:isp1": 1003, "own:eth0.7": 10001}',)),
    "harden": Target(note_of(notes.load_hardening),
                     (b'{"mode": "on", "former": {"net/ipv4/conf/eth3/arp_ignore": "0"}}',)),
    "networks": Target(note_of(notes.load_networks), (b'{"eth3": ["192.168.18.0/24", "fd00:18::/64"]}',)),
    "health": Target(note_of(lambda path: uplink_notes.load_health(path, 9.0)), (HEALTH,)),
    "standing": Target(note_of(uplink_notes.load_standing),
                       (b'{"isp1": {"by": "isp2", "works": false, "since": 5.5, "switches": 3}}',)),
    "socket": Target(socket, (b"1.0\0hook\0001\0mount\0VEID=101\0VE_CONFFILE=/etc/vz/conf/101.conf",)),
    "nft": Target(nft, (b'{"nftables": [{"table": {"family": "inet", "name": "vzhooks"}}, {"set": {"family": "inet", '
                        b'"name": "exits4", "elem": [{"concat": ["192.168.18.101", "eth3"]}]}}, {"set": {"name": '
                        b'"asked6", "elem": [1, "0x10"]}}, {"rule": {"chain": "forward", "comment": "x"}}]}',)),
    "netlink": Target(netlink, (bytes(range(64)),)),
}
