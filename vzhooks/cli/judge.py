# SPDX-License-Identifier: GPL-2.0-or-later
"""Judge an ini for `vzhooks check`, changing nothing: every error, and what is only suspicious on this node."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass

from vzhooks.config import inifile, settings
from vzhooks.config.names import names_in
from vzhooks.config.vzconf import VeConfig
from vzhooks.errors import SettingsError, UsageError, VzhooksError, printable
from vzhooks.node import given, host, ini
from vzhooks.node.host import Paths
from vzhooks.policy.suspects import Suspicion, suspicions

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True)
class Judgement:
    """Hold one thing found in an ini: an error, or what is suspicious on this node.

    file, line, section, key, value: where, as far as it has a place (line 0: the file as such); text: all of it as
    one line; allowed: what may stand there instead, in words.
    """

    level: str
    file: str
    line: int
    section: str
    key: str
    value: str
    text: str
    allowed: str = ""


def name_of(paths: Paths, file: str | None) -> str:
    """Return what to call the ini that is judged."""
    return printable(given.named(file or paths.ini))


def judge(paths: Paths, file: str | None) -> list[Judgement]:
    """Return what is to be said of a file, of the node's own ini for None; raises UsageError for an empty name."""
    if file == "":
        raise UsageError("the FILE is empty; name an ini, or none for the node's own")
    where = name_of(paths, file)
    try:
        if file is None and not os.path.lexists(paths.ini):
            text = f"{where}: warning: not there, so every key has its default"
            return [Judgement(WARNING, where, 0, "", "", "", text)]
        text = given.read(file or paths.ini)
        if file is None or os.path.realpath(file) == os.path.realpath(paths.ini):
            ini.check_writers(paths)
    except SettingsError as error:
        line = re.match(rf"{re.escape(where)}:(\d+):", str(error))
        return [Judgement(ERROR, where, int(line.group(1)) if line else 0, "", "", "", str(error))]
    errors = [Judgement(ERROR, where, f.line, printable(f.section), printable(f.key), printable(f.value), f.text,
                        printable(f.allowed)) for f in settings.errors(text, where)]
    return [*errors, *_warnings(paths, text, where)]


def _warnings(paths: Paths, text: str, where: str) -> Iterator[Judgement]:
    if not text.strip("\ufeff \t\r\n"):
        yield Judgement(WARNING, where, 0, "", "", "", f"{where}: warning: empty, so every key has its default")
    for found in _suspicions(paths, text):
        line = _line(text, found)
        place = f"{where}:{line}" if line else where
        key = f" {found.key} = {found.value}" if found.key else ""
        said = printable(f"{place}: warning: [{found.section}]{key}: {found.text}")
        yield Judgement(WARNING, where, line, found.section, found.key, found.value, said)


def _suspicions(paths: Paths, text: str) -> list[Suspicion]:
    """Return what is suspicious on this node, nothing where neither the kernel nor the file tells."""
    try:
        used = settings.parse(text)
        from vzhooks.kernel import asking
        return list(suspicions(used, asking.look(), _uplinks(paths)))
    except VzhooksError:
        return []


def _uplinks(paths: Paths) -> dict[str, list[str]]:
    """Return the VEs by the uplink that their configs name, as far as the caller may read them."""
    found: dict[str, list[str]] = {}
    with suppress(VzhooksError):
        for ctid, config in host.read_configs(paths).items():
            for name in names_in(config.uplink) if isinstance(config, VeConfig) else ():
                found.setdefault(name, []).append(ctid)
    return found


def _line(text: str, found: Suspicion) -> int:
    """Return where a key stands, else its section, else 0."""
    for section in inifile.read(text, "")[0]:
        kind, _, name = section.name.partition(":")
        if f"{kind}:{name.strip()}" == found.section or section.name == found.section:
            return section.entries[found.key].line if found.key in section.entries else section.line
    return 0


def as_json(found: list[Judgement]) -> str:
    """Return what was found as a JSON list, [] where there is nothing to say."""
    return json.dumps([asdict(one) for one in found], indent=2)
