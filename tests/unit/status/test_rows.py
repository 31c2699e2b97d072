"""Status is rows of values, and a table of one line a row that never loses anything."""

import json
from dataclasses import replace

import pytest

from vzhooks.config.settings import Settings
from vzhooks.config.vzconf import VeConfig
from vzhooks.model import MAIN, Element, Lookup, Nic, Problem, Route, Rule, Skeleton, Uplink, Ve
from vzhooks.policy.facts import Facts
from vzhooks.policy.foreign import Other
from vzhooks.policy.health import Health, Standing
from vzhooks.policy.plan import ADD, DELETE, Op
from vzhooks.policy.priorities import FROM_VE, OWN_LAN
from vzhooks.policy.records import RUNNING, STARTING, Record
from vzhooks.policy.uplinks import Way, ways_of
from vzhooks.run.request import Report
from vzhooks.status import rows, table
from vzhooks.status.view import FAR, View, places, questions

GATEWAY, GATEWAY6 = "192.168.18.1", "fd00:18::1"
NICS = {"eth3": Nic("eth3", 3, addresses=("192.168.18.11/24", "fd00:18::11/64")),
        "eth4": Nic("eth4", 4, addresses=("192.168.18.12/24",), carrier=False),
        "eth5": Nic("eth5", 5, addresses=("10.5.0.1/24",))}
DEFAULT, DEFAULT6 = (Route(4, MAIN, "default", "eth3", GATEWAY), Route(6, MAIN, "default", "eth3", GATEWAY6, 1024))
FACTS = Facts(NICS, (DEFAULT, DEFAULT6))
SETTINGS = Settings(uplinks={n: Uplink(n, d) for n, d in (("isp1", "eth3"), ("isp2", "eth4"), ("isp3", "eth5"))},
                    broken={"isp9": "[uplink:isp9] devise: unknown key"})
VE101 = Ve("101", ("192.168.18.101", "fd00:18::101"), "isp1")


def view(*ves, ctids=(), ops=(), reachable=None, lookups=None, others=(), facts=FACTS, settings=SETTINGS, **more):
    ways = tuple(w for ve in ves for w in ways_of(ve, settings, facts.nics))
    configs = {ve.ctid: VeConfig(ve.ctid, ve.addresses, ve.uplink, name=f"name of {ve.ctid}") for ve in ves}
    report = Report(ops, ways, tables={"uplink:isp1": 1003}, facts=facts, **{"configs": configs, "now": 1000.0, **more})
    return View(report, settings, ctids, reachable or {}, lookups or {}, others)


def verdict(*ves, **more):
    """Return state, reason and exit status of the first VE."""
    shown = view(*ves, **more)
    row = rows.ves(shown)[0]
    return row["state"], row["why"], rows.exit_code(shown)


def test_a_gateway_answers_as_the_neighbour_cache_says():
    row = rows.ves(view(VE101, reachable={(GATEWAY, "eth3"): True, (GATEWAY6, "eth3"): False}))[0]
    assert row["gateways"] == [{"address": GATEWAY, "reachable": "yes"}, {"address": GATEWAY6, "reachable": "no"}]
    assert rows.ves(view(VE101))[0]["gateways"][0]["reachable"] == "unknown"


def test_only_gateways_that_uplinks_use_are_asked_for():
    assert places(view(VE101)) == [(GATEWAY, "eth3"), (GATEWAY6, "eth3"), (GATEWAY, "eth4")]


@pytest.mark.parametrize("addresses, state, why", [
    (("10.5.0.101",), "lan-only", "no IPv4 gateway known for eth5"),
    (("10.5.0.101", "fd05::101"), "lan-only", "no IPv4 and IPv6 gateway known for eth5"),
])
def test_without_a_gateway_it_reaches_its_lan_only(addresses, state, why):
    row = rows.ves(view(Ve("103", addresses, "isp3")))[0]
    assert row["state"] == state and why in row["why"]


def test_without_a_gateway_of_one_family_it_is_ok_and_says_so():
    facts = replace(FACTS, main=(DEFAULT,))
    row = rows.ves(view(VE101, facts=facts))[0]
    assert row["state"] == "ok" and "no IPv6 gateway" in row["why"]
    assert rows.ves(view(Ve("101", VE101.addresses[:1], "isp1"), facts=facts))[0]["why"] == ""


def test_a_gateway_that_is_none_on_purpose_is_no_lack():
    settings = replace(SETTINGS, uplinks={"isp3": Uplink("isp3", "eth5", gateway="none")})
    shown = view(Ve("103", ("10.5.0.101",), "isp3"), settings=settings)
    assert [(r["state"], r["why"]) for r in (*rows.ves(shown), *rows.uplinks(shown)[:1])] == [("ok", "")] * 2


MINE = Op(ADD, Rule(4, FROM_VE, 1003, src="192.168.18.101/32"))
NODES = Op(ADD, Rule(4, OWN_LAN, 1003, src="192.168.18.11/32"))


def test_drift_says_what_drifts_with_the_count():
    ops = (MINE, MINE, Op(DELETE, Element("known4", (VE101.addresses[0], "assigned4"))))
    shown = view(VE101, Ve("105", ("192.168.18.105",)), ops=ops)
    assert [(r["state"], r["why"]) for r in rows.ves(shown)] == [
        ("drift", "missing: 2 rules; too many: 1 guard element; run `vzhooks resync`"), ("unassigned", "")]
    assert rows.exit_code(shown) == 3


def test_drift_of_the_node_is_no_ve_s():
    shown = view(VE101, ops=(NODES,))
    assert [(r["state"], r["why"]) for r in rows.ves(shown)] == [("ok", "")]
    assert rows.node(shown) == {"state": "drift", "why": "missing: 1 rule; run `vzhooks resync`", "warnings": []}
    assert table.render(shown).startswith("node: drift: missing: 1 rule; run `vzhooks resync`\nVE ")
    assert rows.exit_code(shown) == 3
    assert rows.node(view(VE101, ops=(MINE,)))["state"] == "ok"
    assert rows.node(view(VE101, ops=(Op(ADD, Skeleton("x")),)))["why"].startswith("missing: 1 guard;")


def test_what_was_wrong_while_it_was_read_comes_first():
    shown = replace(view(VE101), warnings=("vzhooks.ini: broken",))
    assert table.render(shown).startswith("warning: vzhooks.ini: broken\nVE ")
    assert rows.node(shown)["warnings"] == ["vzhooks.ini: broken"]


ROUTED = replace(FACTS, local=dict.fromkeys(VE101.addresses, "venet0"))
BEFORE = Other(4, 999, "lookup 200", 200, "192.168.18.101/32")
AWAY = {("192.168.18.101", FAR[4]): Lookup(200, "eth0", GATEWAY)}
NOWHERE = {("192.168.18.101", FAR[4]): Lookup(error="Network is unreachable")}


def test_the_kernel_is_asked_about_what_is_routed_here_alone():
    assert questions(view(VE101, Ve("102", ("192.168.18.102",), "isp1"), facts=ROUTED)) == [
        ("192.168.18.101", FAR[4]), ("192.168.18.101", GATEWAY), ("fd00:18::101", FAR[6]), ("fd00:18::101", GATEWAY6)]
    down = replace(ROUTED, nics={**NICS, "eth3": replace(NICS["eth3"], up=False)})
    assert questions(view(VE101, facts=down)) == [("192.168.18.101", FAR[4]), ("fd00:18::101", FAR[6])]
    assert questions(view(replace(VE101, uplink="isp8"), facts=ROUTED)) == []
    assert questions(view(replace(VE101, uplink=""), facts=ROUTED)) == []
    assert questions(view(VE101, facts=ROUTED, ctids=("101",))) != []


def test_a_rule_of_others_before_ours_is_named_with_what_mends_it():
    state, why, code = verdict(VE101, facts=ROUTED, lookups=AWAY, others=(BEFORE,), ops=(MINE,))
    assert (state, code) == ("diverted", 3)
    assert "sends 192.168.18.101 beyond its gateway by eth0" in why
    rule = "from 192.168.18.101/32 lookup 200"
    assert f"{rule} priority 999; `ip rule del {rule} priority 999`" in why
    assert f"`ip rule add {rule} priority 1100 && ip rule del {rule} priority 999`" in why


@pytest.mark.parametrize("lookups, more, expected", [
    ({("192.168.18.101", FAR[4]): Lookup(1003, "eth3", GATEWAY)}, {}, "ok"),
    ({("192.168.18.101", GATEWAY): Lookup(1003, "eth3")}, {}, "ok"),
    ({("192.168.18.101", FAR[4]): Lookup(255, "lo", local=True)}, {}, "ok"),
    ({("192.168.18.101", FAR[4]): Lookup(254, "venet0", to_ve=True)}, {}, "ok"),
    (NOWHERE, {}, "diverted"),
    (NOWHERE, {"others": (BEFORE,)}, "diverted"),
    (NOWHERE, {"ops": (NODES,)}, "drift"),
    (NOWHERE, {"ops": (MINE,)}, "drift"),
    (AWAY, {"ops": (MINE,), "others": (replace(BEFORE, table=77),)}, "drift"),
    (AWAY, {"ops": (MINE,), "others": (replace(BEFORE, priority=32000),)}, "drift"),
    (NOWHERE, {"facts": replace(ROUTED, main=())}, "lan-only"),
    ({("192.168.18.101", GATEWAY): Lookup(200, "eth0")}, {"others": (BEFORE,)}, "diverted"),
])
def test_the_state_goes_by_what_the_kernel_answers(lookups, more, expected):
    assert verdict(VE101, **{"facts": ROUTED, "lookups": lookups, **more})[0] == expected


def test_a_ve_that_is_cut_off_is_diverted_only_where_something_leaves():
    down = replace(ROUTED, nics={**NICS, "eth3": replace(NICS["eth3"], up=False)})
    assert verdict(VE101, facts=down, lookups=NOWHERE)[::2] == ("blocked", 3)
    state, why, _ = verdict(VE101, facts=down, lookups=AWAY, others=(BEFORE,))
    assert state == "diverted" and "eth3 is down" in why


def test_a_gateway_that_is_silent_is_a_state_of_its_own():
    state, why, code = verdict(VE101, reachable={(GATEWAY, "eth3"): True, (GATEWAY6, "eth3"): False})
    assert (state, code) == ("no-gateway", 3) and f"gateway {GATEWAY6} on eth3 does not answer" in why
    alone = view(replace(VE101, addresses=VE101.addresses[:1]), reachable={(GATEWAY6, "eth3"): False})
    assert rows.ves(alone)[0]["state"] == "ok"
    assert rows.uplinks(alone)[0]["state"] == "no-gateway"


def test_a_ve_that_nothing_leads_to_is_only_mounted():
    running = {"101": Record(RUNNING, 0.0)}
    state, why, code = verdict(VE101, records=running)
    assert (state, code) == ("mounted", 3) and "vzctl status 101" in why
    assert verdict(VE101, records=running, facts=replace(FACTS, local={VE101.addresses[0]: "venet0"}))[0] == "ok"
    assert verdict(VE101, records={"101": Record(STARTING, 995.0)})[0] == "ok"
    assert verdict(VE101, records={"101": Record(STARTING, 0.0)})[0] == "mounted"
    assert verdict(Ve("101", (), "isp1"), records=running)[0] == "ok"
    bridged = {"101": VeConfig("101", VE101.addresses, "isp1", bridged=("eth1",))}
    assert verdict(VE101, records=running, configs=bridged)[0] == "ok"


@pytest.mark.parametrize("override, saved, why", [
    ("isp1", "isp2", "uplink isp1 by `vzhooks set` without --save; its config says isp2"),
    ("isp1", "", "uplink isp1 by `vzhooks set` without --save; its config says none"), (None, "isp1", "")])
def test_an_uplink_that_was_not_saved_is_told(override, saved, why):
    shown = view(VE101, records={"101": Record(STARTING, 995.0, override=override)},
                 configs={"101": VeConfig("101", VE101.addresses, saved)})
    assert [(r["state"], r["why"], r["override"]) for r in rows.ves(shown)] == [("ok", why, override)]


def test_a_ve_without_uplink_whose_way_is_reserved_is_told():
    settings = replace(SETTINGS, reserved=("eth0",))
    shown = view(replace(VE101, uplink=""), facts=ROUTED, settings=settings, lookups=AWAY)
    row = rows.ves(shown)[0]
    assert row["state"] == "unassigned" and "eth0, which is reserved" in row["why"]
    assert questions(shown) == [("192.168.18.101", FAR[4]), ("fd00:18::101", FAR[6])]


@pytest.mark.parametrize("state, code", [("ok", 0), ("unassigned", 0), ("backup", 0), ("blocked", 3)])
def test_the_exit_status_tells_whether_all_is_well(state, code):
    shown = view(VE101)
    way = Way(VE101, state, SETTINGS.uplinks["isp1"] if state != "unassigned" else None)
    assert rows.exit_code(replace(shown, report=replace(shown.report, ways=(way,)))) == code


def test_a_stopped_ve_shows_the_uplink_of_its_config():
    configs = {"101": VeConfig("101", VE101.addresses, "isp1"), "102": VeConfig("102", (), "isp8")}
    found = rows.ves(view(ctids=("101", "102"), configs=configs))
    assert [(r["ve"], r["uplink"], r["device"], r["state"], r["phase"], r["since_s"]) for r in found] == [
        ("101", "isp1", "eth3", "stopped", "stopped", None), ("102", "isp8", "", "stopped", "stopped", None)]
    assert "uplink isp8" in found[1]["why"]
    unread = rows.ves(view(ctids=("103",), configs={"103": Problem("103", "cannot\nbe read")}))
    assert unread[0]["why"] == "cannot\\x0abe read"


@pytest.mark.parametrize("known, after, age", [
    ({}, Record(RUNNING, 1000.0), None),
    ({"101": Record(RUNNING, 400.0)}, Record(RUNNING, 400.0), 600),
    ({"101": Record(STARTING, 990.0)}, Record(RUNNING, 1000.0), 10),
    ({"101": Record("stopping", 990.0)}, Record(RUNNING, 1000.0), None),
])
def test_since_is_what_the_records_say(known, after, age):
    assert rows.ves(view(VE101, known=known, records={"101": after}))[0]["since_s"] == age


@pytest.mark.parametrize("seconds, text", [(0, "0s"), (59, "59s"), (60, "1m"), (3661, "1h1m"), (90000, "1d1h"),
                                           (172799, "1d23h"), (86400, "1d")])
def test_a_span_of_time_is_told_in_two_units(seconds, text):
    assert table.age_of(seconds) == text


def test_uplinks_of_the_ini_are_summed_up():
    found = {r["uplink"]: r for r in rows.uplinks(view(VE101, Ve("104", (), "isp1")))}
    assert [(n, r["state"], r["link"], r["carrier"], r["ves"]) for n, r in found.items()] == [
        ("isp1", "ok", "up", True, 2), ("isp2", "down", "up", False, 0), ("isp3", "lan-only", "up", True, 0),
        ("isp9", "broken", "", None, 0)]
    assert found["isp1"]["table"] == 1003 and "no carrier" in found["isp2"]["why"]
    assert [r["uplink"] for r in rows.uplinks(view(VE101, ctids=("101",)))] == ["isp1"]


def test_a_ve_that_is_about_to_get_an_address_counts_once():
    shown = view(VE101, Ve("101", ("192.168.18.111",), "isp1"))
    assert [(r["uplink"], r["ves"]) for r in rows.uplinks(shown)][0] == ("isp1", 1)


def test_json_holds_text_of_others_as_harmless_text():
    configs = {"101": VeConfig("101", VE101.addresses, "isp1", name="\x1b[31m\udc80\nred")}
    assert json.loads(rows.as_json(view(VE101, configs=configs)))["ves"][0]["name"] == "\\x1b[31m\\xdc80\\x0ared"


def uplink_rows(known, by="isp3", **more):
    """Return health, time, who stands in, state and reason of isp1, whose backup is isp3 in place of isp2."""
    uplinks = {**SETTINGS.uplinks, "isp1": Uplink("isp1", "eth3", backup=by, hold_down=30.0)}
    settings = replace(SETTINGS, uplinks=uplinks)
    facts = replace(more.pop("facts", FACTS), health=known)
    row = rows.uplinks(view(settings=settings, facts=facts, **more))[0]
    return row["health"], row["since_s"], row["by"], row["state"], row["why"]


@pytest.mark.parametrize("known, by, row", [
    ({}, "isp3", ("up", None, "isp1", "ok", "")),
    ({"isp1": Health("up", 400.0)}, "isp3", ("up", 600, "isp1", "ok", "")),
    ({"isp1": Health("down", 990.0, "x does not answer")}, "isp3",
     ("down", 10, "isp3", "down", "x does not answer; isp3 stands in")),
    ({"isp1": Health("down", 990.0, "x does not answer")}, "isp2", ("down", 10, "", "down", "x does not answer")),
    ({"isp1": Health("held", 995.0, "eth3 is up again")}, "isp3",
     ("held", 5, "isp3", "held", "eth3 is up again; isp3 stands in; VEs come back in 25 s if that lasts")),
    ({"isp1": Health("held", 995.0, "eth3 is up again")}, "isp2", ("held", 5, "isp1", "held", "eth3 is up again")),
    ({"isp1": Health("down", 1000.0, "eth3 is down", linked=False)}, "isp3",
     ("down", None, "isp3", "down", "eth3 is down; isp3 stands in")),
])
def test_the_health_of_an_uplink(known, by, row):
    assert uplink_rows(known, by) == row


def test_without_the_daemon_an_uplink_s_health_is_as_old_as_a_run_has_seen_it():
    down = {"isp1": Health("down", 1000.0, "eth3 is down", linked=False)}
    assert uplink_rows(down, standing={"isp1": Standing("isp3", True, 940.0, 1)})[1] == 60
