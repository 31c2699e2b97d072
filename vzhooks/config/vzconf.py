# SPDX-License-Identifier: GPL-2.0-or-later
"""Read a VE's own config as data, the way vzctl does; nothing is ever executed or sourced.

vzctl 4 (src/lib/config.c): the value is what stands between the first quote after `=` and the last
quote of the line; without quotes the rest of the line; repeated IP_ADDRESS lines add up.
libvzctl (lib/common.c, lib/config.c): a # after a blank begins a comment, one quote of either kind is
cut off each end, the last of several lines counts. Both drop backslashes. Where they differ the
reading is the wider one: every address that either generation would give the VE is covered. UPLINK is
our own, so whatever a person may have meant as such a line counts.

OpenVZ 9 has one veth a NIC, told in NETIF (lib/veth.c): devices apart by `;`, of each its `type=`,
`ip=` apart by `:` and `ip6=`, the last, apart by `,`. Routed ones are ours as IP_ADDRESS is; a bridged
one sends by its bridge, past the node's routing, and is none of our business.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from vzhooks.addresses import PLAIN4
from vzhooks.config.keys import DEVICE
from vzhooks.config.names import listed
from vzhooks.errors import InputError

MAX_BYTES = 1 << 20
MAX_UPLINK = 1024
MAX_NOTES = 3
# A config that vzctl wrote to its end holds at least one of these; one caught in mid-save may not.
WHOLE = ("VE_ROOT", "VE_PRIVATE", "OSTEMPLATE", "PHYSPAGES", "VEID", "UUID", "ONBOOT", "HOSTNAME")
_NOT_OF_VES = tuple(f"{n}." for n in (127, *range(224, 240)))
"""What loopback and multicast addresses begin with."""
READ = ("VE_ROOT", "VE_PRIVATE", "IP_ADDRESS", "NETIF", "NAME")
_NAMES = frozenset(WHOLE + READ)
_VEID = re.compile(r"\$(VEID|\{VEID\})")
# A byte order mark, `export`, another case, blanks round `=`, and an end that is a bare carriage return.
UPLINK_LINE = re.compile(rb"(?<![^\r\n])((?:\xef\xbb\xbf)?[ \t]*(?:export[ \t]+)?UPLINK[ \t]*=)([^\r\n]*)(\r?\n|\r|\Z)",
                         re.IGNORECASE)


@dataclass(frozen=True)
class VeConfig:
    """Hold what concerns us of one VE's config; `notes` are lines to tell the operator.

    addresses: canonical, without prefix length; uplink: "" without one, of several a list by commas;
    root, private, name: VE_ROOT, VE_PRIVATE, NAME or ""; bridged: its NICs, as it calls them, that send by a
    bridge of the node and not by its routes; devices: the node's ends of its own NICs that are routed, as far
    as named.
    """

    ctid: str
    addresses: tuple[str, ...] = ()
    uplink: str = ""
    root: str = ""
    name: str = ""
    notes: tuple[str, ...] = ()
    bridged: tuple[str, ...] = ()
    private: str = ""
    devices: tuple[str, ...] = ()


def parse(data: bytes, ctid: str, where: str) -> VeConfig:
    """Return what the bytes of a VE's config say.

    Raises InputError where they cannot be a config: empty, cut short, too big or binary.
    """
    lines = _lines(data, where)
    last = dict(lines)
    if last.keys().isdisjoint(WHOLE):
        raise InputError(f"{where}: empty or caught in mid-save; try again when vzctl has written it")
    nics = [nic for n, v in lines if n == "NETIF" for nic in _nics(v)]
    values = [v for n, v in lines if n == "IP_ADDRESS"]
    addresses, notes = _addresses(values, "IP_ADDRESS", where)
    routed, odd = _addresses([a for nic in nics if nic.routed for a in nic.addresses], "NETIF", where)
    uplink, more = _uplink(data, where)
    root, private = (of_ve(last.get(key, ""), ctid) for key in ("VE_ROOT", "VE_PRIVATE"))
    return VeConfig(ctid, tuple(dict.fromkeys(addresses + routed)), uplink, root, last.get("NAME", ""),
                    notes + odd + more, tuple(nic.name for nic in nics if not nic.routed), private,
                    tuple(dict.fromkeys(nic.device for nic in nics if nic.routed and DEVICE.fullmatch(nic.device))))


def of_ve(value: str, ctid: str) -> str:
    """Return a value with $VEID replaced, as vzctl does in VE_ROOT and VE_PRIVATE."""
    return _VEID.sub(lambda _: ctid, value) if "$" in value else value


@dataclass(frozen=True)
class _Netif:
    name: str
    routed: bool
    addresses: tuple[str, ...]
    device: str


def _nics(value: str) -> list[_Netif]:
    """Return the NICs of a NETIF value; what stands after a list's comma without `=` belongs to it."""
    found = []
    for text in filter(None, (part.strip() for part in value.split(";"))):
        fields: dict[str, list[str]] = {}
        key = ""
        for word in text.split(","):
            name, equals, rest = word.partition("=")
            starts = equals or word in ("ip", "ip6")  # so does libvzctl write an empty list
            key = name.strip() if starts else key
            fields.setdefault(key, []).append(rest if starts else word)
        device = "".join(fields.get("host_ifname", [])[:1]).strip()
        addresses = [a for v in fields.get("ip", ()) for a in v.split(":")] + fields.get("ip6", [])
        found.append(_Netif(plain("".join(fields.get("ifname", ["?"])[:1])), fields.get("type") == ["routed"],
                            tuple(a.strip() for a in addresses if a.strip()), device))
    return found


def _lines(data: bytes, where: str) -> list[tuple[str, str]]:
    if len(data) > MAX_BYTES:
        raise InputError(f"{where}: larger than {MAX_BYTES} bytes, so no VE config; look at the file")
    if b"\0" in data:
        raise InputError(f"{where}: holds binary data, so no VE config; look at the file")
    text = data.decode("utf-8", "surrogateescape")
    return [found for line in text.split("\n") if (found := _line(line))]


@lru_cache(maxsize=1024)  # most lines stand in the config of every VE
def _line(line: str) -> tuple[str, str] | None:
    """Return name and value of a line that is read, None for any other; of some the name alone says something."""
    name, equals, value = line.partition("=")
    name = name.lstrip(" \t")
    if not equals or name not in _NAMES:
        return None
    return name, value_of(value) if name in READ else ""


def value_of(raw: str) -> str:
    """Return the value in what stands behind `NAME=` on a config line."""
    raw = raw.strip()
    if raw[:1] in ("\"", "'") and raw.rfind(raw[0]) > 0:
        raw = raw[1:raw.rfind(raw[0])]
    else:
        raw = re.sub(r"(^|[ \t])#.*", "", raw)
    return raw.replace("\\", "").strip()


def _addresses(values: list[str], key: str, where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not values:
        return (), ()
    found: list[str] = []
    notes: list[str] = []
    for token in filter(None, re.split(r"[\s,]+", " ".join(values))):
        if token.partition("/")[0] in ("0.0.0.0", "::"):
            continue  # vzctl writes it for "no address" (lib/env_config.c)
        try:
            found.append(_address(token))
        except ValueError:
            notes.append(f"{where}: {key}: {shown(token)} is no address a VE can have; vzctl skips it, correct it")
    return tuple(dict.fromkeys(found)), tuple(notes)


def addresses_in(tokens: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses among tokens, canonical and once each; what is none is left out."""
    return _addresses([" ".join(tokens)], "", "")[0]


def _address(token: str) -> str:
    """Return an address as we write it; raises ValueError for one that no VE can have."""
    if PLAIN4.fullmatch(token) and not token.startswith(_NOT_OF_VES):  # what nearly all are
        return token
    ip = ipaddress.ip_interface(token).ip
    mapped = getattr(ip, "ipv4_mapped", None)
    # One of IPv4 that is link-local is routed to the VE as any other.
    if mapped or ip.is_loopback or ip.is_multicast or (ip.version == 6 and ip.is_link_local) or "%" in token:
        raise ValueError(token)
    return str(ip)


def _uplink(data: bytes, where: str) -> tuple[str, tuple[str, ...]]:
    """Return the uplink that the last UPLINK line names, and what to tell of them all."""
    lines = list(_uplink_lines(data))
    if len(lines) == 1 and lines[0].group(1) == b"UPLINK=":  # as nearly all have it
        return _named(lines[0].group(2), where)
    values = [value_of(m.group(2).decode("utf-8", "surrogateescape")) for m in lines]
    odd = [pair for pair in zip(lines, values) if pair[0].group(1).strip(b" \t") != b"UPLINK="]
    notes = tuple(_odd(data, line, value, where, lines[-1]) for line, value in odd[-MAX_NOTES:])
    if not lines:
        return "", notes
    uplink, more = _named(lines[-1].group(2), where)
    return uplink, notes + more


def _named(raw: bytes, where: str) -> tuple[str, tuple[str, ...]]:
    """Return the uplink that stands behind `UPLINK=`, and what to tell of it."""
    uplink = _uplink_in(raw)
    if uplink is None:
        note = f"{where}: UPLINK is blank, so the VE counts as unassigned; name an uplink or remove the line"
        return "", (note,)
    return uplink, ()


@lru_cache(maxsize=1024)
def _uplink_in(raw: bytes) -> str | None:
    """Return the uplink that a value names, "" where it says that there is none, None where it says nothing."""
    text = value_of(raw.decode("utf-8", "surrogateescape"))
    if text in ("none", ""):
        return "" if text else None
    # What is no name stays as it is, cut short: it resolves to no uplink, so the VE is cut off, not let out by main.
    value = plain(listed(text))
    return value if len(value) <= MAX_UPLINK else f"{value[:64]}~"


def _uplink_lines(data: bytes) -> Iterator[re.Match[bytes]]:
    """Return what UPLINK_LINE finds, by a look at those lines alone that have the word in them."""
    small, end = data.lower(), 0
    while (place := small.find(b"uplink", end)) >= 0:
        start = max(small.rfind(b"\n", 0, place), small.rfind(b"\r", 0, place)) + 1
        found = UPLINK_LINE.match(data, max(start, end))
        if found:
            yield found
        end = found.end() if found else place + 1


def _odd(data: bytes, line: re.Match[bytes], value: str, where: str, last: re.Match[bytes]) -> str:
    """Return what to tell of a line that only we read as UPLINK."""
    text = shown(line.group().decode("utf-8", "replace").strip())
    if line is not last:
        return f"{where}: line {_number(data, line)}: {text}: line {_number(data, last)} counts; remove one of them"
    return f"{where}: line {_number(data, line)}: {text}: counts as UPLINK; write UPLINK=\"{plain(value)[:64]}\""


def _number(data: bytes, line: re.Match[bytes]) -> int:
    return len(re.findall(rb"\r?\n|\r", data[:line.start()])) + 1


def plain(text: str) -> str:
    """Return text of unknown origin as printable ASCII, so that it fits into one harmless line."""
    clean = text.encode("ascii", "backslashreplace").decode("ascii")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in clean)


def shown(text: str) -> str:
    """Return text of unknown origin quoted and not too long, for a message."""
    clean = plain(text)
    return repr(clean if len(clean) <= 60 else clean[:57] + "...")
