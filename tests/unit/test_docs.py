"""The pages name only what there is, lead to each other, and hold the pictures that the code draws."""

import re
from pathlib import Path

import pytest

from docs.make import PAGES, named
from docs.pictures import FOLDER, PICTURES
from docs.scenes import SCENES
from docs.tables import filled, tables
from docs.tables import named as tables_of
from vzhooks.config import settings
from vzhooks.config.keys import NODE, UPLINK
from vzhooks.usage.commands import STATUSES
from vzhooks.usage.outline import outline
from vzhooks.usage.pages import STATES

ROOT = Path(__file__).parents[2]
TEXTS = {str(path.relative_to(ROOT)): path.read_text() for path in PAGES}
REFERENCE = TEXTS["docs/reference.md"]
OPTIONS = {c.name: {f for a in c.arguments for f in a.flags} | {"-h", "--help"} for c in outline().commands}


@pytest.fixture(params=TEXTS)
def page(request):
    return request.param


def test_commands_and_options_that_are_named_exist(page):
    for command, rest in re.findall(r"(?:`|^#? ?|/|&& )vzhooks ([a-z]+)([^`\n]*)", TEXTS[page], re.MULTILINE):
        flags = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", re.split(r" [|>] ", rest)[0]))
        assert command in OPTIONS and flags <= OPTIONS[command], (command, rest)


def test_inis_that_are_shown_are_good(page):
    for text in re.findall(r"```ini\n(.*?)```", TEXTS[page], re.DOTALL):
        assert settings.parse(text).broken == {}, text


def test_keys_that_are_named_exist(page):
    known = {*NODE, *UPLINK}
    for key in re.findall(r"`([a-z][a-z0-9_]+) ?= ?[^`]*`", TEXTS[page]):
        assert key in known or key in ("event", "arp_ignore"), key


def test_pages_and_pictures_that_are_linked_are_there(page):
    folder = (ROOT / page).parent
    for link in re.findall(r"\]\((?!https://)([^)#]+)(?:#[^)]*)?\)", TEXTS[page]):
        assert (folder / link).resolve().is_relative_to(ROOT) and (folder / link).exists(), link


def test_every_page_is_reached_from_the_readme_and_leads_back():
    for name, text in TEXTS.items():
        if name not in ("README.md", "docs/status-json.md"):
            assert f"]({name})" in TEXTS["README.md"], name
            assert "[Back to the README](../README.md)" in text, name


def test_the_reference_has_every_command_key_and_exit_status():
    for command in set(OPTIONS) - {"hook"}:
        assert f"| `vzhooks {command} " in REFERENCE or f"| `vzhooks {command}`" in REFERENCE, command
    for status in STATUSES:
        assert all(re.search(rf"\b{number}\b", REFERENCE) for number in status.split(", ")), status


def test_every_state_is_explained():
    assert [state for state in STATES if f"`{state}`" not in REFERENCE and state != "stopped"] == []


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_what_the_code_draws(name):
    text = (FOLDER / f"{name}.svg").read_text()
    assert text == PICTURES[name](), "python -m docs.pictures"
    assert "prefers-color-scheme: dark" in text and f"pictures/{name}.svg" in "".join(TEXTS.values())


def test_tables_are_what_was_measured_last():
    for name, text in TEXTS.items():
        assert filled(text) == text, f"{name}: python -m docs.pictures"
    assert {name for text in TEXTS.values() for name in tables_of(text)} == set(tables())


def test_no_picture_and_no_block_is_of_the_past():
    assert {p.stem for p in FOLDER.iterdir()} == set(PICTURES)
    assert {name.partition(".")[0] for text in TEXTS.values() for name in named(text)} == set(SCENES)
