"""Status is rows of values, and a table that folds on a narrow screen and never loses anything."""

import json
from dataclasses import replace

import pytest

from vzhooks import status, table, terminal
from vzhooks.model import Gateway, Nic, Problem, Rule, Uplink, Ve
from vzhooks.plan import ADD, Op
from vzhooks.policy import FROM_VE, Facts
from vzhooks.reconcile import Report
from vzhooks.records import RUNNING, STARTING, Record
from vzhooks.settings import Settings
from vzhooks.status import View
from vzhooks.uplinks import way_of
from vzhooks.vzconf import VeConfig

GATEWAY, GATEWAY6 = "192.168.18.1", "fd00:18::1"
NICS = {"eth3": Nic("eth3", 3, addresses=("192.168.18.11/24", "fd00:18::11/64")),
        "eth4": Nic("eth4", 4, addresses=("192.168.18.12/24",), carrier=False),
        "eth5": Nic("eth5", 5, addresses=("10.5.0.1/24",))}
FACTS = Facts(NICS, (Gateway(GATEWAY, "eth3"), Gateway(GATEWAY6, "eth3")))
SETTINGS = Settings(uplinks={n: Uplink(n, d) for n, d in (("isp1", "eth3"), ("isp2", "eth4"), ("isp3", "eth5"))},
                    broken={"isp9": "[uplink:isp9] devise: unknown key"})
VE101 = Ve("101", ("192.168.18.101", "fd00:18::101"), "isp1")


def view(*ves, ctids=(), ops=(), reachable=None, facts=FACTS, settings=SETTINGS, **more):
    ways = tuple(way_of(ve, settings, facts.nics) for ve in ves)
    configs = {ve.ctid: VeConfig(ve.ctid, ve.addresses, ve.uplink, name=f"name of {ve.ctid}") for ve in ves}
    report = Report(ops, ways, tables={"uplink:isp1": 1003}, facts=facts, **{"configs": configs, "now": 1000.0, **more})
    return View(report, settings, ctids, reachable or {})


def test_a_gateway_answers_as_the_neighbour_cache_says():
    row = status.ves(view(VE101, reachable={(GATEWAY, "eth3"): True, (GATEWAY6, "eth3"): False}))[0]
    assert row["gateways"] == [{"address": GATEWAY, "reachable": "yes"}, {"address": GATEWAY6, "reachable": "no"}]
    assert status.ves(view(VE101))[0]["gateways"][0]["reachable"] == "unknown"


def test_only_gateways_that_uplinks_use_are_asked_for():
    assert status.places(view(VE101)) == [(GATEWAY, "eth3"), (GATEWAY6, "eth3"), (GATEWAY, "eth4")]


@pytest.mark.parametrize("addresses, state, why", [
    (("10.5.0.101",), "lan-only", "no IPv4 gateway known for eth5"),
    (("10.5.0.101", "fd05::101"), "lan-only", "no IPv4 and IPv6 gateway known for eth5"),
])
def test_without_a_gateway_it_reaches_its_lan_only(addresses, state, why):
    row = status.ves(view(Ve("103", addresses, "isp3")))[0]
    assert row["state"] == state and why in row["why"]


def test_without_a_gateway_of_one_family_it_is_ok_and_says_so():
    facts = replace(FACTS, gateways=FACTS.gateways[:1])
    row = status.ves(view(VE101, facts=facts))[0]
    assert row["state"] == "ok" and "no IPv6 gateway" in row["why"]
    assert status.ves(view(Ve("101", VE101.addresses[:1], "isp1"), facts=facts))[0]["why"] == ""


def test_a_gateway_that_is_none_on_purpose_is_no_lack():
    settings = replace(SETTINGS, uplinks={"isp3": Uplink("isp3", "eth5", gateway="none")})
    shown = view(Ve("103", ("10.5.0.101",), "isp3"), settings=settings)
    assert [(r["state"], r["why"]) for r in (*status.ves(shown), *status.uplinks(shown)[:1])] == [("ok", "")] * 2


def test_drift_of_a_ve_and_of_the_node():
    mine = Op(ADD, Rule(4, FROM_VE, 1003, src="192.168.18.101/32"))
    assert [r["state"] for r in status.ves(view(VE101, Ve("105", ("192.168.18.105",)), ops=(mine,)))] == [
        "drift", "unassigned"]


def test_a_stopped_ve_shows_the_uplink_of_its_config():
    configs = {"101": VeConfig("101", VE101.addresses, "isp1"), "102": VeConfig("102", (), "isp8")}
    rows = status.ves(view(ctids=("101", "102"), configs=configs))
    assert [(r["ve"], r["uplink"], r["device"], r["state"], r["phase"], r["since_s"]) for r in rows] == [
        ("101", "isp1", "eth3", "stopped", "stopped", None), ("102", "isp8", "", "stopped", "stopped", None)]
    assert "uplink isp8" in rows[1]["why"]
    unread = status.ves(view(ctids=("103",), configs={"103": Problem("103", "cannot\nbe read")}))
    assert unread[0]["why"] == "cannot\\x0abe read"


@pytest.mark.parametrize("known, after, age", [
    ({}, Record(RUNNING, 1000.0), None),
    ({"101": Record(RUNNING, 400.0)}, Record(RUNNING, 400.0), 600),
    ({"101": Record(STARTING, 990.0)}, Record(RUNNING, 1000.0), 10),
    ({"101": Record("stopping", 990.0)}, Record(RUNNING, 1000.0), None),
])
def test_since_is_what_the_records_say(known, after, age):
    assert status.ves(view(VE101, known=known, records={"101": after}))[0]["since_s"] == age


@pytest.mark.parametrize("seconds, text", [(0, "0s"), (59, "59s"), (60, "1m"), (3661, "1h1m"), (90000, "1d1h"),
                                           (172799, "1d23h"), (86400, "1d")])
def test_a_span_of_time_is_told_in_two_units(seconds, text):
    assert table.age_of(seconds) == text


def test_uplinks_of_the_ini_are_summed_up():
    rows = {r["uplink"]: r for r in status.uplinks(view(VE101, Ve("104", (), "isp1")))}
    assert [(n, r["state"], r["link"], r["carrier"], r["ves"]) for n, r in rows.items()] == [
        ("isp1", "ok", "up", True, 2), ("isp2", "down", "up", False, 0), ("isp3", "lan-only", "up", True, 0),
        ("isp9", "broken", "", None, 0)]
    assert rows["isp1"]["table"] == 1003 and "no carrier" in rows["isp2"]["why"]
    assert [r["uplink"] for r in status.uplinks(view(VE101, ctids=("101",)))] == ["isp1"]


MANY = view(VE101, Ve("102", tuple(f"192.168.18.{n}" for n in range(2, 30)), "isp2"), Ve("103", ("10.5.0.3",), "isp3"))


def test_what_is_no_terminal_gets_one_whole_line_a_ve():
    lines = table.render(MANY).split("\n")
    assert [line.split()[0] for line in lines[:4]] == ["VE", "101", "102", "103"]
    assert all(a in lines[2] for a in MANY.report.ways[1].ve.addresses)
    assert "\x1b" not in table.render(MANY)


@pytest.mark.parametrize("width", [20, 40, 79, 100, 130, 1000])
def test_a_terminal_of_any_width_loses_nothing(width):
    text = table.render(MANY, width, colour=True)
    words = {w for line in table.render(MANY).split("\n") for w in line.split() if w != "-"}
    assert {w for w in words if w not in text and not w.isupper()} == set()
    plain = table.render(MANY, width)
    assert max(map(len, plain.split("\n"))) <= max(width, 45)


def test_colour_marks_the_state_alone():
    text = table.render(MANY, None, colour=True)
    assert "\x1b[32mok " in text and "\x1b[31mblocked" in text and text.count("\x1b[0m") == text.count("\x1b[3")


class Tty:
    def isatty(self):
        return True


@pytest.mark.parametrize("environ, painted", [
    ({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "xterm", "NO_COLOR": ""}, True),
    ({"TERM": "dumb"}, False), ({}, False)])
def test_colour_is_for_terminals_that_have_and_want_it(environ, painted):
    assert terminal.colour(Tty(), environ) is painted
    assert terminal.colour(None, environ) is False


def test_json_holds_text_of_others_as_harmless_text():
    configs = {"101": VeConfig("101", VE101.addresses, "isp1", name="\x1b[31m\udc80\nred")}
    assert json.loads(status.as_json(view(VE101, configs=configs)))["ves"][0]["name"] == "\\x1b[31m\\xdc80\\x0ared"
