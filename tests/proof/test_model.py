# SPDX-License-Identifier: GPL-2.0-or-later
"""The judge: that it knows nothing of the product, and says what is promised."""

import ast
import copy
from pathlib import Path

import pytest

from tests.proof.model import Model, wrong
from tests.proof.values import NFT, NO_INI, OK, REFUSED, RULES, Ini, Nic, Ve

HERE = Path(__file__).parent
BOTH = {"eth3": ("eth3", ""), "isp2": ("eth4", "eth3")}
A, B, CLIENT, BEYOND = "192.168.18.101", "192.168.18.102", "192.168.18.129", "203.0.113.9"
RESERVED = Ini(reserved=frozenset({"eth0"}))


def imported(path):
    """Return the modules a file imports, and those that they import in turn from the tests."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
    ours = [HERE.parent.parent.joinpath(*n.split(".")).with_suffix(".py") for n in names if n.startswith("tests.")]
    return names.union(*(imported(p) for p in ours if p.exists()))


def test_it_imports_nothing_of_vzhooks():
    """Nor does what stands in its packages before it."""
    standard = {"__future__", "collections.abc", "dataclasses"}
    assert imported(HERE / "model.py") == standard | {"tests.proof.values"}
    for package in (HERE / "__init__.py", HERE.parent / "__init__.py"):
        assert imported(package) == set()


def model(ini=NO_INI, own_device=False, **uplinks):
    """Return a node on which VEs 101 and 102 run with these uplinks."""
    nics = {name: Nic(frozenset({address})) for name, address in
            (("eth0", "192.168.18.10"), ("eth3", "192.168.18.11"), ("eth4", "192.168.18.12"))}
    made = Model(nics, own_device, (CLIENT,), (BEYOND,), ini=ini, applied=ini)
    made.ves = {"101": Ve((A,), uplinks.get("a", "")), "102": Ve((B,), uplinks.get("b", ""))}
    for ctid in made.ves:
        made.started(ctid)
    return made


def exits(made, address=A):
    return [nic for nic in ("eth0", "eth3", "eth4") if made.may_leave(address, nic)]


@pytest.mark.parametrize("ini, uplink, allowed", [
    (NO_INI, "", ["eth0", "eth3", "eth4"]), (NO_INI, "eth3", ["eth3"]), (NO_INI, "nosuch", []),
    (RESERVED, "", ["eth3", "eth4"]), (RESERVED, "eth0", []), (RESERVED, "eth4", ["eth4"]),
    (Ini(BOTH), "isp2", ["eth4"]), (Ini(BOTH), "eth4", []), (Ini(BOTH, "block"), "", []),
    (Ini(BOTH, "isp2"), "", ["eth4"]), (Ini(BOTH, broken=frozenset({"eth3"})), "eth3", []),
])
def test_a_ve_leaves_by_its_uplink_or_not_at_all(ini, uplink, allowed):
    assert exits(model(ini, a=uplink)) == allowed


def test_a_backup_stands_in_while_the_uplink_is_down():
    made = model(Ini(BOTH), a="isp2")
    made.nics["eth4"].carrier = False
    made.changed()
    assert exits(made) == ["eth3", "eth4"]  # until a run
    made.synced()
    assert exits(made) == ["eth3"]
    made.nics["eth3"].up = False
    made.changed()
    made.synced()
    assert exits(made) == ["eth4"]  # where nothing leaves


def test_an_edit_counts_from_the_next_run_on():
    made = model(a="eth3")
    made.edit("101", "eth4")
    assert exits(made) == ["eth3", "eth4"] and exits(made, B) == ["eth0", "eth3", "eth4"]
    made.synced()
    assert exits(made) == ["eth4"]


def test_an_unsaved_uplink_holds_until_the_config_says_something_else_or_the_ve_stops():
    made = model(a="eth3")
    made.moved("101", "eth4", saved=False)
    made.synced()
    assert exits(made) == ["eth4"]
    made.edit("101", "")
    made.synced()
    made.edit("101", "eth3")
    made.synced()
    assert exits(made) == ["eth3"]
    made.moved("101", "eth4", saved=False)
    made.stopped("101")
    made.started("101")
    assert exits(made) == ["eth3"]


@pytest.mark.parametrize("ini, uplink, verdict", [
    (Ini(BOTH), "nosuch", {REFUSED}), (Ini(BOTH, refuse=False), "nosuch", {OK}), (Ini(BOTH), "eth3", {OK}),
    (Ini(usable=False), "eth3", {REFUSED}), (Ini(usable=False), "", {OK}), (RESERVED, "eth0", {REFUSED}),
])
def test_a_start_is_refused_for_a_wrong_uplink_alone(ini, uplink, verdict):
    assert model(ini, a=uplink).verdict("101") == verdict


def test_hooks_go_by_the_last_good_ini():
    made = model(Ini(BOTH), a="isp2")
    made.ini = Ini(usable=False)
    made.stopped("101")
    assert made.verdict("101") == {OK}
    made.started("101")
    assert exits(made) == ["eth4"]


@pytest.mark.parametrize("own_device, ini, allowed", [
    (False, NO_INI, ["eth0", "eth3", "eth4"]), (False, RESERVED, ["eth3", "eth4"]), (True, NO_INI, ["eth3"]),
])
def test_an_address_that_nobody_told_of_is_held_where_the_ve_has_a_device_of_its_own(own_device, ini, allowed):
    made = model(ini, own_device, a="eth3")
    made.ves["101"].live.add("192.168.18.201")
    made.ves["101"].loose.add("192.168.18.201")
    assert exits(made, "192.168.18.201") == allowed
    made.synced()
    assert exits(made, "192.168.18.201") == ["eth3"]


def test_one_layer_is_enough():
    made = model(a="eth3")
    for lost in ({RULES}, {NFT}):
        made.lost = lost
        assert exits(made) == ["eth3"]
    assert made.may_answer(A, "eth0")  # the guard alone keeps the others from that
    made.lost = {RULES, NFT}
    assert exits(made) == ["eth0", "eth3", "eth4"]


def test_what_leaves_during_a_step_may_be_of_the_state_before_or_after():
    before = model(a="eth3")
    after = copy.deepcopy(before)
    after.moved("101", "eth4", saved=True)
    left = [(A, "eth0"), (A, "eth3"), (A, "eth4"), ("192.0.2.1", "eth0")]
    assert wrong((before, after), left) == [f"{A} left by eth0"]
    after.stopped("101")
    assert wrong((before, after), left) == [f"{A} left by eth0", f"{A} left by eth4"]


def test_what_works_must_be_seen_where_nothing_is_due():
    made = model(a="eth3", b="eth4")
    made.nics["eth4"].up = False
    needed = set(made.needed())
    assert {("out", A, CLIENT, "eth3"), ("reply", BEYOND, A), ("answer", A, "eth3"), ("reply", B, A),
            ("reply", "192.168.18.10", A), ("answer", "192.168.18.11", "eth3")} <= needed
    assert not {fact for fact in needed if fact[0] != "reply" and B in fact}
    made.changed()
    assert set(made.needed()) == set()
