"""What the pages show is what commands say: each scene is played again."""

import json
import re

import pytest

from docs.flap import DATA as FLAP
from docs.flap import measured as flapped
from docs.make import BLOCK, PAGES
from docs.pictures import DATA
from docs.scenes import SCENES, measured

SHOWN = {}
for path in PAGES:
    for head, name, _ in BLOCK.findall(path.read_text("utf-8")):
        text = path.read_text("utf-8").partition(head)[2]
        SHOWN.setdefault(name, []).append(text.partition("```\n")[2].partition("```\n")[0])


def steady(text):
    """Return a text without what differs from run to run: times, and what the neighbour cache knows just now."""
    text = re.sub(r"until \d\d:\d\d:\d\d \(\d+ s\)", "until then", re.sub(r"\d+ ms", "N ms", text))
    text = re.sub(r"^(vzhooks_.*) \d+$", r"\1 N", text, flags=re.MULTILINE)
    text = re.sub(r"\((yes|\?)\)", "(?)", re.sub(r"  (yes|\?)  ", "  ?  ", text))
    return re.sub(r" +", " ", re.sub(r"\b\d+s\b", "Ns", text))


@pytest.mark.parametrize("scene", SCENES)
def test_the_pages_show_what_is_said(scene):
    said = {f"{scene}.{part}": text for part, text in SCENES[scene]().items()}
    shown = {name: texts for name, texts in SHOWN.items() if name.startswith(f"{scene}.")}
    assert set(shown) == set(said), "python -m docs.make"
    for name, texts in shown.items():
        assert [steady(text) for text in texts] == [steady(said[name])] * len(texts), f"{name}: python -m docs.make"


def test_the_picture_of_the_node_is_of_what_is_measured():
    assert measured()["after"] == json.loads(DATA.read_text())["after"], "python -m docs.make"


def test_a_flap_is_as_the_picture_shows_it():
    """Whatever the machine's haste: nothing leaves by another NIC, and each flow goes on, VE 102's without a hole."""
    now, shown = flapped(), json.loads(FLAP.read_text())
    for data in (now, shown):
        assert not any(data["astray"].values()) and any("event=heal" in line for _, line in data["log"])
        assert all(data["flows"][f]["arrived"][-1][1] >= data["end"] - 50 for f in data["flows"])
    assert set(now["flows"]) == set(shown["flows"])
