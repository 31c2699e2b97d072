# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the man pages: vzhooks(8) and one a command from the outline, vzhooks.ini(5) from the keys. Pure.

No date stands in them, so that the same version makes the same bytes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from vzhooks.config.keys import NODE, UPLINK, Key
from vzhooks.usage.commands import STATUSES
from vzhooks.usage.outline import Argument, Command, Outline
from vzhooks.usage.pages import ENVIRONMENT, GENERAL, LOGGING, NO_PAGE, PAGES, TROUBLES

ESCAPES = {"\\": r"\e", "-": r"\-", "`": r"\(ga", "'": r"\(aq", '"': r"\(dq"}

INTRO = """\
A hardware node of OpenVZ or Virtuozzo has several NICs. A container (VE) whose config holds the line
UPLINK="eth3" leaves the node by eth3 or not at all: routing rules and, independently, an nftables guard
hold that, whatever link, gateway, route or rule is lost. Only eth3 answers for the VE's addresses.
vzctl calls the scripts that `vzhooks install` puts into /etc/vz/conf when a VE is mounted and unmounted,
which is its start and stop; `vzhooks resync` does the same for all at any time, and the daemon whenever
something on the node changes."""

FILES = {
    "/etc/vz/vzhooks.ini": "Names the node's uplinks; see vzhooks.ini(5). Everything has a default.",
    "/etc/vz/conf/CTID.conf": "A VE's own config; UPLINK in it names its uplink, and travels with the VE. It may name "
    "several, with blanks or commas between: each address then goes by the first that has its network, one that none "
    "has by the first named.",
    "/etc/vz/conf/vps.mount, vps.umount, vps.postumount": "The hook scripts. A script that stood there before is kept "
    "in the directory before-vzhooks beside them, and run by ours.",
    "/usr/local/sbin/vzhooks": "A link to the command, where it is in a directory that is on nobody's PATH.",
    "/usr/libexec/libvzctl/script.d/vz-netns_dev_add": "On OpenVZ 9: runs before libvzctl's own script of that name, "
    "so that an address given to a running VE is closed before it is published.",
    "/usr/local/sbin/vzctl": "The wrapper that `vzhooks install --vzctl-wrapper` puts: `vzctl set CTID --uplink NAME` "
    "is done by vzhooks, and all else by the real vzctl. Callers of its absolute path do not pass through it.",
    "/etc/sysctl.d/90-vzhooks.conf": "What `vzhooks harden` set, for the next boot.",
    "/etc/vz/vzhooks.ini.tried": "An ini that was on trial in the ini's place, and was not confirmed.",
    "/var/lib/vzhooks": "What must survive a reboot: table numbers, values found before, networks of NICs, the "
    "last good ini, what is on trial.",
    "/run/vzhooks": "Notes on live VEs, the locks, and the daemon's socket.",
    "/etc/systemd/system/vzhooks.service, vzhooks.socket": "Run the daemon, which serves hooks and commands, watches "
    "the node and mends it. Without it all works as well, slower and unwatched.",
}

EXAMPLES = {
    "vzhooks set 101 --uplink eth3 --save": "Moves VE 101 to eth3 at once, and for all its starts to come.",
    "vzhooks set 101 --uplink isp1,isp2 --save": "Lets each of its addresses go by the provider it is of.",
    "vzctl set 101 --ipadd 192.168.18.150 --uplink eth3 --save": "The same by the wrapper; the new address never "
    "leaves by another NIC.",
    "vzhooks resync --dry-run": "Shows what is not as it should be, as the commands that would mend it.",
    "vzhooks check new.ini": "Names every error in an ini before it is put in place.",
    "vzhooks resync --confirm 60 --ini new.ini": "Goes by it at once, and back after a minute unless `vzhooks confirm` "
    "comes in time, which makes it the ini. A lost terminal or link is no hindrance to that.",
    "vzhooks migrate": "Shows what becomes of the rules that a vps.mount of your own makes; --write does it.",
    "vzhooks report --mask": "Makes a file that can be given away: it tells how the node is set up, not whose it is.",
    "vzhooks route 101 203.0.113.9": "Tells by which NIC VE 101 reaches that host, and why.",
}

INI_INTRO = """\
/etc/vz/vzhooks.ini maps the names that VEs use in UPLINK to the NICs of this node. Without the file the name
of any LAN NIC is an uplink. Once a section [uplink:NAME] exists, only the names of such sections are.
Only root may write the file and its directory. A comment begins with ; or #.
An error in one [uplink:NAME] concerns that uplink alone. An ini that cannot be used at all is refused by the
commands, and hooks go by the last one that was good. The daemon sees a change by itself;
without it run `vzhooks resync`."""


def pages(outline: Outline, version: str) -> dict[str, str]:
    """Return every man page by the name of its file."""
    return {"vzhooks.8": vzhooks_8(outline, version), "vzhooks.ini.5": vzhooks_ini_5(version),
            **{f"vzhooks-{command.name}.8": command_8(command, version) for command in outline.commands}}


def vzhooks_8(outline: Outline, version: str) -> str:
    """Return the man page of the command."""
    lines = _head("VZHOOKS", 8, version, outline.top.name, outline.top.help)
    lines += [".SH SYNOPSIS"]
    for command in outline.commands:
        lines += [_synopsis(command), ".br"]
    lines += [r"\fBvzhooks\fR [\fICOMMAND\fR] \fB\-\-help\fR", ".SH DESCRIPTION", *_text(INTRO), ".SH COMMANDS"]
    for command in outline.commands:
        lines += [".TP", _synopsis(command), *_text(_sentence(command.help)), *_arguments(command)]
    lines += [".SH OPTIONS"]
    for argument in outline.top.arguments:
        lines += [".TP", _name(argument), *_text(_sentence(argument.help))]
    lines += _items("EXIT STATUS", {status: _sentence(text) for status, text in STATUSES.items()})
    lines += _items("FILES", FILES) + _items("ENVIRONMENT", ENVIRONMENT)
    lines += [".SH LOGGING", *_paragraphs(LOGGING)] + _items("TROUBLESHOOTING", TROUBLES) + _items("EXAMPLES", EXAMPLES)
    own = [f"vzhooks-{command.name}(8)" for command in outline.commands]
    return "\n".join([*lines, *_see(["vzhooks.ini(5)", *own, "vzctl(8)", "ip-rule(8)", "nft(8)"]), ""])


def command_8(command: Command, version: str) -> str:
    """Return the man page of one command."""
    page, name = PAGES.get(command.name, NO_PAGE), f"vzhooks-{command.name}"
    lines = _head(name.upper(), 8, version, name, command.help)
    lines += [".SH SYNOPSIS", _synopsis(command), ".SH DESCRIPTION"]
    lines += _paragraphs(page.text or (_sentence(command.help),))
    options = [a for a in command.arguments if a.dest != "help"]
    lines += [".SH OPTIONS"] if options else []
    for argument in options:
        lines += [".TP", _name(argument), *_text(_sentence(argument.help))]
    for title, items in page.sections.items():
        lines += _items(title, {n: _sentence(text) for n, text in items.items()})
    exits = {**GENERAL, **page.exits}
    lines += _items("EXIT STATUS", {str(status): _sentence(exits[status]) for status in sorted(exits)})
    lines += _items("EXAMPLES", page.examples)
    return "\n".join([*lines, *_see(["vzhooks(8)", "vzhooks.ini(5)", *page.see]), ""])


def vzhooks_ini_5(version: str) -> str:
    """Return the man page of the ini."""
    lines = _head("VZHOOKS.INI", 5, version, "vzhooks.ini", "the uplinks of a hardware node, for vzhooks(8)")
    lines += [".SH DESCRIPTION", *_text(INI_INTRO)]
    for title, keys in (("[node]", NODE), ("[uplink:NAME]", UPLINK)):
        lines += [f'.SH "SECTION {title}"', *(line for key in keys.values() for line in _key(key))]
    lines += [".SH EXAMPLE", ".EX", *map(_escaped, _example()), ".EE",
              ".SH FILES", ".TP", ".I /etc/vz/vzhooks.ini.sample", "Every key with its default.",
              ".SH SEE ALSO", ".BR vzhooks (8)", ""]
    return "\n".join(lines)


def _head(title: str, section: int, version: str, name: str, what: str) -> list[str]:
    return [r'.\" Made by `vzhooks install`.', f'.TH {title} {section} "" "vzhooks {version}" "OpenVZ"',
            ".SH NAME", f"{_escaped(name)} \\- {_escaped(what.rstrip('.'))}"]


def _synopsis(command: Command) -> str:
    words = [_word(a) for a in command.arguments if a.dest != "help"]
    return " ".join([rf"\fBvzhooks {_escaped(command.name)}\fR", *words])


def _word(argument: Argument) -> str:
    word = _name(argument)
    return word if argument.required and not argument.many else f"[{word}]"


def _value(argument: Argument) -> str:
    return rf"\fI{_escaped(argument.metavar)}\fR" + ("..." if argument.many else "")


def _name(argument: Argument) -> str:
    flags = ", ".join(rf"\fB{_escaped(flag)}\fR" for flag in argument.flags)
    return " ".join([*([flags] if flags else []), *([_value(argument)] if argument.metavar else [])])


def _arguments(command: Command) -> Iterable[str]:
    shown = [a for a in command.arguments if a.dest != "help"]
    for n, argument in enumerate(shown):
        yield from [".RS"] if not n else []
        yield from (".TP", _name(argument), *_text(_sentence(argument.help)))
    yield from [".RE"] if shown else []


def _key(key: Key) -> list[str]:
    allowed = " or ".join(key.choices) or key.allowed
    return [".TP", f".B {_escaped(key.name)}", *_text(key.text), ".br",
            *_text(f"Allowed: {allowed}. Default: {key.default or key.unset}.")]


def _example() -> list[str]:
    keys = [f"{key.name} = {key.example}" for key in UPLINK.values() if key.example and key.name != "table"]
    return ["[node]", "reserved = eth0", "", "[uplink:isp1]", *keys, "", "[uplink:isp2]", "device = eth4"]


def _see(pages: Sequence[str]) -> list[str]:
    return [".SH SEE ALSO", *(f".BR {_escaped(page[:-3])} {page[-3:]}{',' * (page != pages[-1])}" for page in pages)]


def _paragraphs(texts: Iterable[str]) -> list[str]:
    return [line for n, text in enumerate(texts) for line in ([".PP"] if n else []) + _text(text)]


def _items(title: str, items: Mapping[str, str]) -> list[str]:
    return [f".SH {title}", *(line for name, text in items.items()
                              for line in (".TP", f".B {_escaped(name)}", *_text(text)))]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _text(text: str) -> list[str]:
    lines = textwrap.wrap(_escaped(text), 79, break_on_hyphens=False, break_long_words=False)
    return [r"\&" + line if line.startswith((".", "'")) else line for line in lines]


def _escaped(text: str) -> str:
    """Return text as roff shows it, with a hyphen that can be copied."""
    return "".join(ESCAPES.get(letter, letter) for letter in text)
