"""The guard's table as text, and what nft prints back."""

import json

import pytest

from vzhooks.errors import KernelError
from vzhooks.model import Element, Skeleton
from vzhooks.policy import guard, layout

ELEMENTS = [Element("exits4", ("192.168.18.101", "eth3")), Element("lan", ("eth0.7",)), Element("near", ("lo",)),
            Element("answers6", ("fd00::1", "eth3"))]
RULES = layout.layout()


def listing(family="inet", **change):
    given = change.get("layout", RULES)
    names = change.get("names", [n for n in given.sets if n.startswith("arp:") == (family == "arp")])
    marks = change.get("marks", given.comments[family])
    sets = [{"map" if " : " in given.sets[n] else "set": {"name": n.rpartition(":")[2], "elem": change.get(n, [])}}
            for n in names]
    chains = [{"chain": chain(name, hook, change.get("policy", "accept"))}
              for table, name, hook in given.chains if table == family]
    table = {"table": {"name": "vzhooks", **change.get("table", {})}}
    rules = [{"rule": {"comment": m}} for m in marks]
    return json.dumps({"nftables": [{"metainfo": {}}, table, *sets, *chains, *rules]})


def chain(name, hook, policy):
    words = hook.split()
    return {"name": name, **({"type": words[1], "hook": words[3], "prio": int(words[5]), "policy": policy}
                             if words else {})}


ARP = listing("arp")


def test_element_text_quotes_devices_only():
    assert [guard.element_text(e) for e in ELEMENTS] == ['192.168.18.101 . "eth3"', '"eth0.7"', '"lo"',
        '0xfd000000000000000000000000000001 . "eth3"']


def test_the_whole_table_is_one_transaction():
    text = guard.full(RULES.skeleton, ELEMENTS)
    assert text.startswith("add table inet vzhooks\ndelete table inet vzhooks\nadd table arp vzhooks\n")
    assert "\ntable inet vzhooks {\n" in text
    assert "\ntable arp vzhooks {\n" in text
    assert text.endswith("\n") and 'add element inet vzhooks lan { "eth0.7" }' in text


@pytest.mark.parametrize("given", [RULES, layout.layout(0xff0000, (0x10000,))], ids=["rule", "map"])
def test_each_table_has_its_own_sets_chains_and_rules_and_no_others(given):
    text = guard.full(given.skeleton, ())
    for family, table in zip(("inet", "arp"), text.partition("table inet vzhooks {")[2].split("table arp vzhooks {")):
        lines = [line.strip() for line in table.splitlines()]
        named = {n: kind for n, kind in given.sets.items() if n.startswith("arp:") == (family == "arp")}
        assert [line for line in lines if line.startswith(("set ", "map "))] == [
            f"{'map' if ' : ' in kind else 'set'} {n.rpartition(':')[2]} {{ {kind}; }}" for n, kind in named.items()]
        chains = {(name, hook): rules for (f, name, hook), rules in given.chains.items() if f == family}
        assert [line for line in lines if line.startswith("chain ")] == [f"chain {name} {{" for name, _ in chains]
        hooks = [hook for _, hook in chains if hook]
        assert [line for line in lines if line.startswith("type ")] == [f"{hook}; policy accept;" for hook in hooks]
        rules = [rule for rules in chains.values() for rule in rules]
        assert [line for line in lines if " comment " in line] == [
            f'{rule} comment "{given.skeleton.fingerprint} {n}"' for n, rule in enumerate(rules)]


def test_what_was_counted_is_counted_on_in_a_guard_made_anew():
    text = guard.full(RULES.skeleton, ELEMENTS, {"reserved": (7, 700), "arp": (1, 28)})
    inet, arp = text.split("table arp vzhooks {")
    assert "  counter drop_reserved { packets 7 bytes 700; }\n" in inet and "drop_arp" not in inet
    assert "  counter drop_uplink { packets 0 bytes 0; }\n" in inet
    assert "  counter drop_arp { packets 1 bytes 28; }\n" in arp
    for reason in guard.REASONS:
        assert len(text.split(f"counter drop_{reason} ")) == 2 and f"counter name drop_{reason} drop" in text


def test_counters_are_read_by_their_reason():
    listing = json.dumps({"nftables": [{"metainfo": {}}, {"counter": {"name": "drop_arp", "packets": 3, "bytes": 84}},
                                       {"counter": {"name": "theirs", "packets": 1, "bytes": 1}}]})
    assert guard.counted([listing, '{"nftables": []}']) == {"arp": (3, 84)}
    with pytest.raises(KernelError):
        guard.counted(["{}"])


def test_changes_add_before_they_delete():
    assert guard.changes(ELEMENTS[:1], ELEMENTS[1:2]).splitlines() == [
        'add element inet vzhooks exits4 { 192.168.18.101 . "eth3" }', 'delete element inet vzhooks lan { "eth0.7" }']


def test_a_listing_is_read_back():
    inet = listing(exits4=[{"concat": ["192.168.18.101", "eth3"]}], lan=["eth0.7"],
                   near=[{"elem": {"val": "lo", "comment": "x"}}, "elem0"],
                   answers6=[{"concat": ["0xfd000000000000000000000000000001", "eth3"]}])
    assert guard.parse({"inet": inet, "arp": ARP}) == {RULES.skeleton, *ELEMENTS, Element("near", ("elem0",))}


ASKER, OTHER_ASKER = (Element("arp:askers", ("eth3", a)) for a in ("192.168.18.101", "0.0.0.0"))


def test_an_element_of_a_map_is_written_by_key_and_value():
    assert guard.is_map(ASKER) and not any(map(guard.is_map, ELEMENTS))
    assert guard.element_text(ASKER) == '"eth3" : 192.168.18.101' and guard.key_text(ASKER) == '"eth3"'


def test_a_map_s_element_is_replaced_in_one_transaction():
    """nft takes a second element with the key for an error, and deletes by key and value only what is equal."""
    assert guard.changes([ASKER], []) == 'add element arp vzhooks askers { "eth3" : 192.168.18.101 }\n'
    assert guard.changes([], [ASKER]) == 'delete element arp vzhooks askers { "eth3" : 192.168.18.101 }\n'
    assert guard.changes(ELEMENTS[1:2], ELEMENTS[2:3], [OTHER_ASKER]).splitlines() == [
        'delete element arp vzhooks askers { "eth3" }',
        'add element arp vzhooks askers { "eth3" : 0.0.0.0 }', 'add element inet vzhooks lan { "eth0.7" }',
        'delete element inet vzhooks near { "lo" }']


def test_a_map_is_read_back():
    arp = listing("arp", **{"arp:askers": [["eth3", "192.168.18.101"]]})
    found = guard.parse({"inet": listing(), "arp": arp})
    assert found == {RULES.skeleton, ASKER}


MARKING = [Element("made4", ("192.168.18.101", "way_00010000")), Element("returns", ("eth3", "return_00010000")),
           Element("beyond", ("venet0", "way_007f0000"))]


@pytest.mark.parametrize("shared", [True, False])
def test_what_marks_is_written_and_read_back(shared):
    given = layout.layout(0xff0000, (0x10000, 0x7e0000, 0x7f0000), shared)
    assert [guard.element_text(e) for e in MARKING] == [
        "192.168.18.101 : goto way_00010000", '"eth3" : goto return_00010000', '"venet0" : goto way_007f0000']
    inet = listing(layout=given, made4=[["192.168.18.101", {"goto": {"target": "way_00010000"}}]],
                   returns=[["eth3", {"goto": {"target": "return_00010000"}}]],
                   beyond=[["venet0", {"goto": {"target": "way_007f0000"}}]])
    assert guard.parse({"inet": inet, "arp": listing("arp", layout=given)}) == {given.skeleton, *MARKING}
    other = layout.layout(0xff0000, (0x10000, 0x7e0000, 0x7f0000), not shared)
    for family in ("inet", "arp"):
        tables = {"inet": listing(layout=given), "arp": listing("arp", layout=given)}
        assert Skeleton("altered") in guard.parse({**tables, family: listing(family, layout=other)})


@pytest.mark.parametrize("change", [{"marks": []}, {"marks": ["?"] * 9}, {"names": list(RULES.sets)[:-1]},
                                    {"policy": "drop"}, {"table": {"flags": ["dormant"]}}])
def test_an_altered_table_is_told(change):
    assert Skeleton("altered") in guard.parse({"inet": listing(**change), "arp": ARP})


def test_one_table_of_two_is_an_altered_guard():
    assert guard.parse({"inet": listing()}) == {Skeleton("altered")}
    assert guard.parse({}) == frozenset()


@pytest.mark.parametrize("text", ["", "{}", '{"nftables": [{"set": {}}]}', "[]", '{"nftables": 7}'])
def test_output_that_cannot_be_read_is_an_error_not_an_empty_table(text):
    with pytest.raises(KernelError):
        guard.parse({"inet": text, "arp": ARP})
