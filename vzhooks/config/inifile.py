# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the lines of an ini: sections, keys and values as configparser(3) takes them, each with its line. Pure.

configparser itself keeps no line numbers and stops at the first error. As there, a line that is indented
further than the key above it goes on with that key's value, and keys are taken in any case. Unlike there
what stands behind a header is an error: it would be lost without a word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from vzhooks.errors import printable

_SECTION = re.compile(r"\[(.+)\]")
_ENTRY = re.compile(r"(.*?)\s*[=:]\s*(.*)$")
_END = re.compile(r"\r\n|\r|\n")
# Not the first part of an IPv6 network, which may go on in a line of its own.
_KEY = re.compile(r"(?![0-9A-Fa-f]{0,4}:[0-9A-Fa-f:])(\w+)\s*[=:]")
_COMMENT = re.compile(r"(?:^|(?<=\s))[;#]")


@dataclass(frozen=True)
class Fault:
    """Hold one error of an ini: its place, and the one line that tells it, place and all.

    value: what stands there, "" for nothing; reason: the line without its place.
    """

    line: int
    section: str
    key: str
    text: str
    value: str = ""
    reason: str = ""

    @property
    def allowed(self) -> str:
        """Return what may stand there instead, in words; "" where nothing of the kind is known."""
        return self.reason.rpartition("allowed: ")[2] if "allowed: " in self.reason else ""


@dataclass(frozen=True)
class Entry:
    """Hold one key's value and the line where it stands."""

    value: str
    line: int


@dataclass(frozen=True)
class Section:
    """Hold one section: where its header stands, and its keys."""

    name: str
    line: int
    entries: dict[str, Entry] = field(default_factory=dict)


def fault(where: str, line: int, reason: str, section: str = "", key: str = "", value: str | None = None) -> Fault:
    """Return an error as `where:line: [section] key = value: reason`, as far as there are these."""
    place = f"[{section}] {key}".strip() if section else key
    place += f" = {value}" if value is not None else ""
    text = printable(": ".join(filter(None, (f"{where}:{line}", place, reason))))
    return Fault(line, section, key, text, value or "", reason)


def read(text: str, where: str) -> tuple[list[Section], list[Fault]]:
    """Return an ini's sections, and what of its form is wrong."""
    reader = _Reader(where)
    for number, line in enumerate(_END.split(text[text.startswith("\ufeff"):]), 1):
        reader.take(number, line)
    return [reader.whole(s) for s in reader.sections], reader.faults


class _Reader:
    """Hold what was read so far; `take` goes on by a line."""

    def __init__(self, where: str) -> None:
        self.where, self.sections, self.faults = where, list[Section](), list[Fault]()
        self.key, self.indent = "", 0
        self.values: dict[int, list[str]] = {}  # of each key, by its line

    def take(self, number: int, line: str) -> None:
        bare = _COMMENT.split(line, maxsplit=1)[0].strip()
        indent = len(line) - len(line.lstrip())
        if not bare:
            if self.key and not _COMMENT.search(line):
                self._value().append("")
        elif self.key and indent > self.indent:
            self._continue(number, bare)
        else:
            self.indent = indent
            self._begin(number, bare)

    def _begin(self, number: int, bare: str) -> None:
        header, entry = _SECTION.match(bare), _ENTRY.match(bare)
        if header:
            self._open(number, header.group(1))
            if header.group() != bare:
                self._wrong(number, bare, "more than a [section] in its line; put the rest on a line of its own")
        elif not self.sections:
            self._wrong(number, bare, "stands before the first section; put it below [node] or [uplink:NAME]")
        elif entry and entry.group(1):
            self._enter(number, entry.group(1).rstrip().lower(), entry.group(2).strip())
        else:
            self._wrong(number, bare, "neither a [section] nor key = value; correct that line")

    def _open(self, number: int, name: str) -> None:
        first = next((s.line for s in self.sections if s.name == name), 0)
        if first:
            self.faults.append(fault(self.where, number, f"is in line {first} already; put the two together", name))
        self.sections.append(Section(name, number))
        self.key = ""

    def _enter(self, number: int, key: str, value: str) -> None:
        section = self.sections[-1]
        first = section.entries.get(key)
        if first:
            reason = f"is in line {first.line} already; remove one of them"
            self.faults.append(fault(self.where, number, reason, section.name, key))
        section.entries[key] = Entry(value, number)
        self.key, self.values[number] = key, [value]

    def _continue(self, number: int, bare: str) -> None:
        """Go on with a value, but for what nobody can mean as a part of one."""
        reason = f"indented, so it goes on with {self.key} of line {self._entry().line}; remove the blanks before it"
        key = _KEY.match(bare)
        if _SECTION.match(bare):
            self._wrong(number, bare, reason)
        elif key:
            self.faults.append(fault(self.where, number, reason, self.sections[-1].name, key.group(1).lower()))
        else:
            self._value().append(bare)

    def _wrong(self, number: int, bare: str, reason: str) -> None:
        shown = bare if len(bare) <= 60 else bare[:57] + "..."
        self.faults.append(fault(self.where, number, reason, key=shown))

    def _entry(self) -> Entry:
        return self.sections[-1].entries[self.key]

    def _value(self) -> list[str]:
        return self.values[self._entry().line]

    def whole(self, section: Section) -> Section:
        """Return a section whose values have all their lines."""
        entries = {key: Entry("\n".join(self.values[e.line]).rstrip(), e.line) for key, e in section.entries.items()}
        return Section(section.name, section.line, entries)
