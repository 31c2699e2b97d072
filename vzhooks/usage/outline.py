# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line as values, for the man page and the completion that are made of it. Pure."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from vzhooks.usage.commands import parser


@dataclass(frozen=True)
class Argument:
    """Hold one option or place of a command; no flags for a place, no metavar for a switch.

    dest: what it is about, which tells what completes it.
    """

    dest: str
    flags: tuple[str, ...]
    metavar: str
    help: str
    choices: tuple[str, ...] = ()
    many: bool = False
    required: bool = True


@dataclass(frozen=True)
class Command:
    """Hold one command with its arguments, the places in order."""

    name: str
    help: str
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class Outline:
    """Hold the command line as values, for what is made of it: `top` is vzhooks itself."""

    top: Command
    epilog: str
    commands: tuple[Command, ...]


def outline() -> Outline:
    """Return what `parser` takes."""
    top = parser()
    choices = next(a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    helps = {action.dest: action.help or "" for action in choices._choices_actions}
    commands = tuple(Command(name, helps.get(name, ""), _arguments(sub)) for name, sub in choices.choices.items())
    return Outline(Command(top.prog, top.description or "", _arguments(top)), top.epilog or "", commands)


def _arguments(parser: argparse.ArgumentParser) -> tuple[Argument, ...]:
    return tuple(
        Argument(action.dest, tuple(action.option_strings), _metavar(action), action.help or "",
                 tuple(action.choices or ()), action.nargs == "*",
                 action.required if action.option_strings else action.nargs not in ("*", "?"))
        for action in parser._actions if not isinstance(action, argparse._SubParsersAction))


def _metavar(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    return str(action.metavar or ("|".join(action.choices) if action.choices else action.dest.upper()))
