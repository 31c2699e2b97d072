"""What each device is follows from the notes of now, and is found out anew only where these have changed."""

from dataclasses import replace

import pytest

from tests.unit.example import NICS, main_of, nic
from vzhooks.config.settings import Settings
from vzhooks.config.vzconf import VeConfig
from vzhooks.model import MAIN, Route
from vzhooks.node.host import Paths
from vzhooks.policy.facts import Facts
from vzhooks.policy.records import RUNNING, STARTING, Record
from vzhooks.policy.roles import INSIDE, VE
from vzhooks.run.doors import Doors
from vzhooks.run.inputs import Inputs
from vzhooks.run.request import Request
from vzhooks.run.sight import Sight

WEB0 = nic("web0", 7, kind="veth")
A = "192.168.18.101"
BY_DEVICE = {"101": Record(RUNNING, 0.0, devices=("web0",))}
BY_ADDRESS = {"101": Record(RUNNING, 0.0, addresses=(A,))}


def sight(root, request=None, **configs):
    nics = (*NICS, WEB0)
    raw = Facts({n.name: n for n in nics}, (*main_of(nics, (), ()), Route(4, MAIN, f"{A}/32", "web0")), families=(4,))
    return Sight(Paths(str(root)), request or Request(), Inputs(Settings(), (), {}, configs, {}), Doors(), raw, 0.0)


def role(facts):
    return facts.nics["web0"].role


@pytest.mark.parametrize("records", [BY_DEVICE, BY_ADDRESS], ids=["device", "address"])
def test_a_ve_s_device_is_told_by_the_notes_of_now(tmp_path, records):
    """And by these alone: what nobody has any more is none, in this run as in the next one."""
    looks = sight(tmp_path)
    found, _ = looks.facts_by(records)
    assert role(found) == VE and looks.evidence_by(found).routed == {A}
    found, _ = looks.facts_by({})
    assert role(found) == INSIDE and looks.evidence_by(found).routed == frozenset()


@pytest.mark.parametrize("more", [
    {"request": Request(devices={"101": "web0"})}, {"_101": VeConfig("101", devices=("web0",))},
    {"_101": VeConfig("101", addresses=(A,))}])
def test_and_by_configs_and_what_is_asked_whatever_is_noted(tmp_path, more):
    assert role(sight(tmp_path, **more).facts_by({})[0]) == VE


def test_devices_are_looked_at_anew_only_where_the_notes_tell_something_else(tmp_path):
    looks = sight(tmp_path)
    found = looks.facts_by(BY_DEVICE)
    assert looks.facts_by(dict(BY_DEVICE)) is found
    assert looks.facts_by({"101": replace(BY_DEVICE["101"], phase=STARTING)}) is found
    assert looks.facts_by({"101": replace(BY_DEVICE["101"], devices=())}) is not found
