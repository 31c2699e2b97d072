# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the completion of bash, zsh and fish from the outline of the command line. Pure.

VEs and uplinks are listed by a few lines of sh(1), the same in all three shells: python would keep
whoever presses the key waiting.
"""

from __future__ import annotations

from vzhooks.usage.outline import Argument, Command, Outline

# No single quotes in these: each stands within a pair of them. Nothing is said where there is no such file.
_VES = r'ls /etc/vz/conf 2>/dev/null | sed -nE "/^0\.conf$/d; s/^([A-Za-z0-9][A-Za-z0-9-]*)\.conf$/\1/p"'
LISTS = {
    "ves_and_names": _VES + r"""; find /etc/vz/conf -name "*.conf" -exec"""
                     r""" sed -nE "s/^[[:space:]]*NAME=[\"\x27]?([^\"\x27]+).*$/\1/p" "{}" + 2>/dev/null""",
    # Without any uplink section the names of LAN NICs serve.
    "uplinks": r'sed -nE "s/^\[uplink:[[:space:]]*([^]]*[^][:space:]])[[:space:]]*\].*/\1/p" /etc/vz/vzhooks.ini'
               r' 2>/dev/null | grep . || ls /sys/class/net | grep -vE "^(lo|venet|veth)"; echo none',
}
KINDS = {"ctid": "ves_and_names", "ctids": "ves_and_names", "uplink": "uplinks", "destdir": "folders",
         "python": "files", "file": "files", "ini": "files", "output": "files", "dest": "", "confirm": ""}
"""What completes an argument that has no fixed choices, by what it is about; "" for what nobody can know."""


MANY = ("uplinks",)
"""What may be a list, with commas between."""


def _kind(argument: Argument) -> str:
    return " ".join(argument.choices) if argument.choices else KINDS[argument.dest]


def _options(command: Command) -> list[Argument]:
    return [a for a in command.arguments if a.flags]


def _places(command: Command) -> list[Argument]:
    return [a for a in command.arguments if not a.flags]


def _flags(command: Command) -> str:
    return " ".join(flag for a in _options(command) for flag in a.flags)


def bash(outline: Outline) -> str:
    """Return the text for bash; it needs nothing of the package bash-completion but to be found by it."""
    valued = [(f"{c.name}:{flag}", _kind(a)) for c in outline.commands for a in _options(c) if a.metavar
              for flag in a.flags]
    placed = [(f"{c.name}:{'*' if a.many else n}", _kind(a)) for c in outline.commands
              for n, a in enumerate(_places(c))]
    parts = {
        "NAMES": " ".join(c.name for c in outline.commands),
        "TOP": _flags(outline.top),
        "VALUED": "|".join(key for key, _ in valued),
        "VALUES": _cases(valued, 12),
        "PLACES": _cases(placed, 12),
        "FLAGS": _cases([(c.name, _flags(c)) for c in outline.commands], 12),
        "LISTS": _cases([(kind, f"sh -c '{text}'") for kind, text in LISTS.items()], 8, quote=""),
    }
    text = _BASH
    for name, part in parts.items():
        text = text.replace(f"@{name}@", part)
    return text


def _cases(pairs: list[tuple[str, str]], indent: int, quote: str = "'") -> str:
    what = "words=" if quote else ""
    return "\n".join(f"{' ' * indent}{key}) {what}{quote}{value}{quote} ;;" for key, value in pairs)


_BASH = r"""# bash completion for vzhooks, made by `vzhooks install` from what `vzhooks --help` is made of.

_vzhooks_list() {
    case $1 in
@LISTS@
        *) printf '%s\n' $1 ;;
    esac
}

_vzhooks() {
    local cur=${COMP_WORDS[COMP_CWORD]} command= option= words= flags= before= place=0 i word quoted
    COMPREPLY=()
    [[ $cur == = ]] && cur=
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $command:$word in
            *:=) ;;
            @VALUED@) option=$command:$word ;;
            *:-*) option= ;;
            :*) command=$word ;;
            *) [[ -n $option ]] && option= || ((place++)) ;;
        esac
    done
    if [[ -n $option ]]; then
        case $option in
@VALUES@
        esac
    elif [[ -z $command ]]; then
        words='@NAMES@'
        [[ $cur == -* ]] && words='@TOP@'
    elif [[ $cur == -* ]]; then
        flags=1
    else
        case $command:$place in
@PLACES@
            *) flags=1 ;;
        esac
    fi
    if [[ -n $flags ]]; then
        case $command in
@FLAGS@
        esac
    fi
    case $words in
        '') return ;;
        folders) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
        files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    esac
    [[ $words == uplinks && $cur == *,* ]] && before=${cur%,*},
    while IFS= read -r word; do
        word=$before$word
        printf -v quoted %q "$word"
        quoted=${quoted//\\,/,}
        [[ $word == "$cur"* || $quoted == "$cur"* ]] && COMPREPLY+=("$quoted")
    done < <(_vzhooks_list "$words")
}

complete -F _vzhooks vzhooks
"""


def zsh(outline: Outline) -> str:
    """Return the text for zsh, to be found as _vzhooks in $fpath."""
    lines = ["#compdef vzhooks", "# Made by `vzhooks install` from what `vzhooks --help` is made of.", ""]
    for kind, text in LISTS.items():
        lines += [f"_vzhooks_{kind}() {{", "    local -a found", f"    found=(${{(f)\"$(sh -c '{text}')\"}})",
                  *(["    compset -P '*,'"] if kind in MANY else []), "    compadd -a found", "}", ""]
    lines += ["_vzhooks() {", "    local state line", "    local -a commands", "    commands=("]
    lines += [f"        {_quoted(c.name + ':' + c.help)}" for c in outline.commands]
    top = " ".join(_zsh_option(a) for a in _options(outline.top))
    lines += ["    )", f"    _arguments -C {top} '1:command:->command' '*::argument:->argument'",
              "    case $state in", "        command) _describe command commands ;;", "        argument)",
              "            case $words[1] in"]
    for command in outline.commands:
        lines += [f"                {command.name})", "                    _arguments \\"]
        specs = [_zsh_option(a) for a in _options(command)]
        specs += [_zsh_place(n, a) for n, a in enumerate(_places(command), 1)]
        lines += [" \\\n".join(f"                        {spec}" for spec in specs), "                    ;;"]
    lines += ["            esac", "            ;;", "    esac", "}", "", '_vzhooks "$@"', ""]
    return "\n".join(lines)


def _zsh_option(argument: Argument) -> str:
    help = argument.help.replace("[", "(").replace("]", ")").replace(":", r"\:")
    value = f":{argument.metavar}:{_zsh_action(argument)}" if argument.metavar else ""
    return " ".join(_quoted(f"{flag}[{help}]{value}") for flag in argument.flags)


def _zsh_place(number: int, argument: Argument) -> str:
    place = "*" if argument.many else str(number)
    return _quoted(f"{place}:{argument.metavar.replace('|', ' ')}:{_zsh_action(argument)}")


def _zsh_action(argument: Argument) -> str:
    kind = _kind(argument)
    if argument.choices:
        return f"({kind})"
    return {"folders": "_directories", "files": "_files", "": " "}.get(kind, f"_vzhooks_{kind}")


def fish(outline: Outline) -> str:
    """Return the text for fish."""
    lines = ["# fish completion for vzhooks, made by `vzhooks install` from what `vzhooks --help` is made of.", ""]
    for kind, text in LISTS.items():
        lines += [f"function __vzhooks_{kind}", f"    sh -c '{text}'", "end", ""]
    lines += ["complete -c vzhooks -f"]
    lines += [_fish("__fish_use_subcommand", a) for a in _options(outline.top)]
    for command in outline.commands:
        lines += [f"complete -c vzhooks -n __fish_use_subcommand -a {command.name} -d {_quoted(command.help)}"]
        seen = f"'__fish_seen_subcommand_from {command.name}'"
        lines += [_fish(seen, a) for a in command.arguments if a.flags or _kind(a)]
        # fish offers an option only behind a dash: one that must be given is offered as a word as well.
        lines += [f"complete -c vzhooks -n {seen} -a {flag} -d {_quoted(a.help)}" for a in _options(command)
                  if a.required for flag in a.flags]
    return "\n".join([*lines, ""])


def _fish(when: str, argument: Argument) -> str:
    words = [f"complete -c vzhooks -n {when}"]
    words += [f"-l {f[2:]}" if f.startswith("--") else f"-s {f[1:]}" for f in argument.flags]
    kind = _kind(argument) if argument.metavar else ""
    if argument.metavar and argument.flags:
        words.append("-r -F" if kind in ("folders", "files") else "-x")
    if kind and kind not in ("folders", "files"):
        lister = f"__fish_complete_list , __vzhooks_{kind}" if kind in MANY else f"__vzhooks_{kind}"
        words.append(f"-a {_quoted(kind)}" if argument.choices else f"-a '({lister})'")
    return " ".join([*words, *([f"-d {_quoted(argument.help)}"] if argument.flags else [])])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
