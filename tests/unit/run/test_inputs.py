"""Who asks says what an error in the ini means; what a run decides by is read in one place."""

import os

import pytest

from vzhooks.config.settings import Settings
from vzhooks.config.vzconf import VeConfig
from vzhooks.errors import InputError, SettingsError
from vzhooks.model import Problem
from vzhooks.node import host
from vzhooks.node.host import Paths
from vzhooks.policy.evidence import Event
from vzhooks.policy.records import RUNNING, Record
from vzhooks.run import inputs
from vzhooks.run.inputs import Inputs
from vzhooks.run.request import COMMAND, HOOK, LEAVE, LOOK, Request

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's ini is trusted")

OLD, NEW, BROKEN = "[node]\nreserved = eth0\n", "[node]\nreserved = eth4\n", "[node]\nreserve = eth0\n"


@pytest.fixture
def paths(tmp_path):
    for folder in ("etc/vz/conf", "var/lib/vzhooks", "run/vzhooks"):
        (tmp_path / folder).mkdir(parents=True)
    return Paths(str(tmp_path))


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def copy_of(paths):
    with open(paths.good_ini, encoding="utf-8") as file:
        return file.read()


@pytest.mark.parametrize("door, reserved", [(COMMAND, None), (HOOK, ("eth0",)), (LOOK, ("eth0",)), (LEAVE, ("eth0",))])
def test_only_a_command_refuses_an_ini_that_cannot_be_used_while_there_is_a_good_copy(paths, door, reserved):
    write(paths.ini, BROKEN)
    write(paths.good_ini, OLD)
    if reserved is None:
        with pytest.raises(SettingsError, match="unknown key"):
            inputs.settings(paths, Request(door=door))
        return
    found, warnings = inputs.settings(paths, Request(door=door))
    assert found.reserved == reserved and "unknown key" in warnings[0]
    assert copy_of(paths) == OLD


@pytest.mark.parametrize("door", [COMMAND, HOOK, LOOK])
def test_without_a_copy_all_refuse_it_but_who_takes_vzhooks_away(paths, door):
    write(paths.ini, BROKEN)
    with pytest.raises(SettingsError, match="unknown key"):
        inputs.settings(paths, Request(door=door))
    assert inputs.settings(paths, Request(door=LEAVE))[0] == Settings()


@pytest.mark.parametrize("request_, kept", [
    (Request(), True), (Request(dry_run=True), False), (Request(door=HOOK), True), (Request(door=LOOK), False),
    (Request(door=LOOK, dry_run=True), False), (Request(door=LEAVE), False)])
def test_a_look_does_not_make_the_ini_the_good_copy(paths, request_, kept):
    write(paths.ini, NEW)
    write(paths.good_ini, OLD)
    assert inputs.settings(paths, request_) == (inputs.settings(paths, Request(door=LOOK))[0], ())
    assert copy_of(paths) == (NEW if kept else OLD)


def conf(paths, ctid, address="10.0.0.1"):
    write(os.path.join(paths.conf_dir, f"{ctid}.conf"), f'IP_ADDRESS="{address}"\nVE_ROOT="/vz/root/$VEID"\n')


@pytest.mark.parametrize("request_, noted, read", [
    (Request(), True, {"101", "102"}), (Request(ctids=frozenset({"101"})), True, {"101"}),
    (Request(ctids=frozenset({"101"})), False, {"101", "102"}), (Request(event=Event("mount", "102")), True, {"102"}),
    (Request(event=Event("postumount", "109")), True, set()), (Request(empty=True), True, set()),
    (Request(ctids=frozenset({"109"}), expect={"109": frozenset()}), True, set())])
def test_which_configs_are_read(paths, request_, noted, read):
    for ctid in ("101", "102"):
        conf(paths, ctid)
    if noted:
        write(paths.ves, "{}")
    assert set(inputs.configs(paths, request_)) == read


def test_a_ve_that_is_named_and_not_there_is_an_error(paths):
    with pytest.raises(InputError, match="109: no such VE on this node"):
        inputs.configs(paths, Request(ctids=frozenset({"109"})))


def test_where_ves_are_mounted_is_known_of_those_read_and_of_who_else_has_their_addresses(paths):
    read = {"101": VeConfig("101", ("10.0.0.1",), root="/vz/root/101"), "102": VeConfig("102", ()),
            "103": Problem("103", "empty")}
    known = {"105": Record(RUNNING, 1.0, addresses=("10.0.0.1",), root="/vz/root/105"),
             "106": Record(RUNNING, 1.0, addresses=("10.0.0.6",), root="/vz/root/106")}
    files = Inputs(Settings(), (), known, read, {"VE_ROOT": "/mnt/$VEID"})
    assert inputs.roots(paths, files, {"107": ("10.0.0.1",), "108": ("10.0.0.8",)}) == {
        "101": "/vz/root/101", "102": "/mnt/102", "105": "/vz/root/105", "107": "/mnt/107"}


def test_a_ve_whose_root_nobody_tells_is_not_looked_for(paths):
    assert inputs.roots(paths, Inputs(Settings(), (), {}, {"102": VeConfig("102", ())}, {}), {}) == {}


@pytest.mark.parametrize("name, head, installed", [
    (None, b"", False), ("vps.mount", host.HOOK_HEAD + b"vps.mount\n", True), ("vps.umount", host.HOOK_HEAD, True),
    ("vps.mount", b"#!/bin/sh\necho of an administrator's\n", False), ("101.mount", host.HOOK_HEAD, False)])
def test_vzhooks_is_installed_where_a_hook_script_of_ours_stands(paths, name, head, installed):
    if name:
        with open(os.path.join(paths.conf_dir, name), "wb") as file:
            file.write(head)
    assert host.is_installed(paths) is installed
