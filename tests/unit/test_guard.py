"""The guard's table as text, and what nft prints back."""

import json

import pytest

from vzhooks import guard
from vzhooks.errors import KernelError
from vzhooks.model import Element, Skeleton

ELEMENTS = [Element("exits4", ("192.168.18.101", "eth3")), Element("lan", ("eth0.7",)), Element("ves6", ("fd00::1",))]


def listing(**change):
    names = change.get("names", guard.SETS)
    marks = change.get("marks", [f"{guard.SKELETON.fingerprint} {n}" for n in range(9)])
    sets = [{"set": {"name": n, "elem": change.get(n, [])}} for n in names]
    return json.dumps({"nftables": [{"metainfo": {}}, *sets, *({"rule": {"comment": m}} for m in marks)]})


def test_element_text_quotes_devices_only():
    assert [guard.element_text(e) for e in ELEMENTS] == ['192.168.18.101 . "eth3"', '"eth0.7"', "fd00::1"]


def test_the_whole_table_is_one_transaction():
    text = guard.full(ELEMENTS)
    assert text.startswith("add table inet vzhooks\ndelete table inet vzhooks\ntable inet vzhooks {\n")
    assert text.endswith("\n") and 'add element inet vzhooks lan { "eth0.7" }' in text


def test_changes_add_before_they_delete():
    assert guard.changes(ELEMENTS[:1], ELEMENTS[1:2]).splitlines() == [
        'add element inet vzhooks exits4 { 192.168.18.101 . "eth3" }', 'delete element inet vzhooks lan { "eth0.7" }']


def test_a_listing_is_read_back():
    found = guard.parse(listing(exits4=[{"concat": ["192.168.18.101", "eth3"]}], lan=["eth0.7"],
                                ves6=[{"elem": {"val": "fd00::1", "comment": "x"}}]))
    assert found == {guard.SKELETON, *ELEMENTS}


@pytest.mark.parametrize("change", [{"marks": []}, {"marks": ["?"] * 9}, {"names": list(guard.SETS)[:-1]}])
def test_an_altered_table_is_told(change):
    assert Skeleton("altered") in guard.parse(listing(**change))


@pytest.mark.parametrize("text", ["", "{}", '{"nftables": [{"set": {}}]}', "[]", '{"nftables": 7}'])
def test_output_that_cannot_be_read_is_an_error_not_an_empty_table(text):
    with pytest.raises(KernelError):
        guard.parse(text)
