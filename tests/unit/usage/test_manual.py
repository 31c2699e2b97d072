"""The man pages say every command, option and key there is, and man(1) shows them without a complaint."""

import configparser
import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from vzhooks.config import settings
from vzhooks.config.keys import NODE, UPLINK
from vzhooks.config.settings import Settings
from vzhooks.errors import SettingsError
from vzhooks.model import Uplink
from vzhooks.node.host import Paths
from vzhooks.usage import manual, pages
from vzhooks.usage.commands import STATUSES
from vzhooks.usage.outline import outline

SAMPLE = (Path(__file__).parents[3] / "conf/vzhooks.ini").read_text()
PAGES = manual.pages(outline(), "1.2.3")
STATUS_JSON = (Path(__file__).parents[3] / "docs/status-json.md").read_text()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_plain_roff(tmp_path, name):
    """Every request begins a line, no text does so by accident."""
    page = PAGES[name]
    assert page.isascii() and page.endswith("\n") and '"vzhooks 1.2.3"' in page
    requests = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert requests <= {".TH", ".SH", ".TP", ".RS", ".RE", ".PP", ".br", ".B", ".I", ".BR", ".EX", ".EE", r".\""}
    assert page.count("\n.RS\n") == page.count("\n.RE\n") and page.count("\n.EX\n") == page.count("\n.EE\n")


@pytest.mark.parametrize("name", PAGES)
def test_man_shows_a_page_without_a_warning(tmp_path, name):
    """Where man(1) is; test_a_page_is_plain_roff holds everywhere."""
    if not shutil.which("man"):
        return
    (tmp_path / name).write_text(PAGES[name])
    done = subprocess.run(["man", "--warnings", "-l", str(tmp_path / name)], capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "MANWIDTH": "100", "LC_ALL": "C", "MANPAGER": "cat"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "SEE ALSO" in done.stdout


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_finds_nothing_wrong_with_a_page(tmp_path, name):
    """Where mandoc(1) is; what it has against is no date in the page's head, and that .BR has one word at times."""
    if not shutil.which("mandoc"):
        return
    (tmp_path / name).write_text(PAGES[name])
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", name], cwd=tmp_path, capture_output=True, text=True)
    assert [line for line in done.stdout.splitlines() if "missing date" not in line] == []


def shown(page):
    """Return the text of a page without its requests and fonts."""
    page = re.sub(r"\\f[BIR]", "", page)
    for letter, escaped in manual.ESCAPES.items():
        page = page.replace(escaped, letter)
    return " ".join(page.replace(r"\&", "").split())


def test_every_command_and_option_has_its_text_in_the_page():
    page = shown(PAGES["vzhooks.8"])
    for command in outline().commands:
        assert command.help and manual._sentence(command.help) in page, command
        for argument in command.arguments:
            assert argument.help and (argument.dest == "help" or manual._sentence(argument.help) in page), argument


def test_every_exit_status_is_in_help_and_page_by_the_same_words():
    assert list(STATUSES) == ["0", "1", "2", "3", "21", "75", "130, 143"]
    for status, text in STATUSES.items():
        assert f"{status} {text}" in outline().epilog
        assert f".B {status} {manual._sentence(text)}" in shown(PAGES["vzhooks.8"])


def test_every_key_has_its_text_in_the_page():
    page = shown(PAGES["vzhooks.ini.5"])
    for key in (*NODE.values(), *UPLINK.values()):
        assert key.text and key.text in page
        assert (key.allowed or key.choices) and (key.default or key.unset), key
        assert f"Default: {key.default or key.unset}." in page


def test_the_keys_are_those_that_settings_hold():
    assert set(NODE) == {f.name for f in fields(Settings)} - {"uplinks", "broken", "seen"}
    assert set(UPLINK) == {f.name for f in fields(Uplink)} - {"name"}
    given = "".join(f"{key.name} = {key.default}\n" for key in NODE.values())
    assert settings.parse("[node]\n" + given) == settings.parse("") == Settings()


@pytest.mark.parametrize("key", [k for k in NODE.values() if k.choices], ids=lambda key: key.name)
def test_settings_take_each_choice_and_no_other(key):
    for choice in key.choices:
        assert getattr(settings.parse(f"[node]\n{key.name} = {choice}\n"), key.name) == choice
    with pytest.raises(SettingsError, match=", ".join(key.choices)):
        settings.parse(f"[node]\n{key.name} = other\n")


def test_the_sample_says_of_each_key_what_the_page_says():
    comments = re.findall(r"((?:^# .*\n)+);(\w+) = ?(.*)$", SAMPLE, re.M)
    said = {key: (" ".join(text.replace("# ", " ").split()), value) for text, key, value in comments}
    keys = [*NODE.values(), *UPLINK.values()]
    assert said == {key.name: (key.text, key.example or key.default) for key in keys}


def test_the_sample_is_an_ini_that_changes_nothing_and_works_when_its_comments_go():
    assert settings.parse(SAMPLE) == Settings()
    bare = re.sub("^;", "", SAMPLE, flags=re.M) + "[uplink:isp2]\ndevice = eth4\n"
    assert settings.parse(bare).broken == {}
    ini = configparser.ConfigParser()
    ini.read_string(bare)
    assert (list(ini["node"]), list(ini["uplink:isp1"])) == (list(NODE), list(UPLINK))


def test_the_files_named_are_those_we_use():
    known = Paths().all() | {"/var/lib/vzhooks", "/run/vzhooks"}
    for named in manual.FILES:
        path = named.split(",")[0]
        assert path in known or path.rpartition("/")[0] == Paths().conf_dir, named


def test_every_command_has_a_page_with_text_options_exit_status_and_an_example():
    assert {f"vzhooks-{c.name}.8" for c in outline().commands} == set(PAGES) - {"vzhooks.8", "vzhooks.ini.5"}
    assert set(pages.PAGES) == {c.name for c in outline().commands}
    for command in outline().commands:
        page = shown(PAGES[f"vzhooks-{command.name}.8"])
        for part in (*pages.PAGES[command.name].text, *(a.help for a in command.arguments if a.dest != "help")):
            assert manual._sentence(part) in page, part
        assert ".SH EXIT STATUS .TP .B 0 " in page and ".SH EXAMPLES .TP .B " in page
        assert f"vzhooks-{command.name}.8".upper().removesuffix(".8") in page.splitlines()[0]


def test_the_main_page_leads_to_all_others():
    see = shown(PAGES["vzhooks.8"]).partition(".SH SEE ALSO")[2]
    for name in set(PAGES) - {"vzhooks.8"}:
        assert f"{name[:-2]} ({name[-1]})" in see.replace("(", " (").replace("  ", " ")


def test_examples_and_texts_use_commands_and_options_that_exist():
    options = {c.name: {f for a in c.arguments for f in a.flags} for c in outline().commands}
    texts = " ".join(shown(page) for page in PAGES.values()).replace(".B ", "\n")
    used = re.findall(r"`vzhooks ([a-z]+)((?: [^\s`|]+)*)", texts)
    used += [(words[1], " " + " ".join(words[2:])) for page in pages.PAGES.values() for e in page.examples
             for words in [e.partition(" | ")[0].split()] if words[0] == "vzhooks"]
    assert len(used) > 20
    for command, rest in used:
        assert set(re.findall(r"(?<= )--?[a-z][a-z-]*", rest)) <= options[command], (command, rest)


def test_the_states_are_those_of_the_json_page():
    table = dict(re.findall(r"^\| ([a-z-]+) \| (.*) \| [03] \|$", STATUS_JSON, re.MULTILINE))
    assert table == pages.STATES
