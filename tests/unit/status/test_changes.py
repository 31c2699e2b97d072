"""What happened between two looks is a line each: to whom, from what to what, and why."""

from dataclasses import replace

import pytest

from tests.unit.status.test_rows import FACTS, NICS, SETTINGS, VE101, view
from vzhooks.model import Rule, Ve
from vzhooks.policy.counts import Counts
from vzhooks.policy.plan import ADD, Op
from vzhooks.policy.records import RUNNING, STARTING, Record
from vzhooks.policy.uplinks import healths
from vzhooks.status.changes import between, mended, rates

UPLINKS = {**SETTINGS.uplinks, "isp1": replace(SETTINGS.uplinks["isp1"], backup="isp3")}
BACKED = replace(SETTINGS, uplinks=UPLINKS)
DOWN = replace(FACTS, nics={**NICS, "eth3": replace(NICS["eth3"], up=False)})
MINE = Op(ADD, Rule(4, 1020, 1003, src="192.168.18.101/32"))
NODES = Op(ADD, Rule(4, 1060, 1003, src="192.168.18.11/32"))
UP101 = view(VE101, settings=BACKED)


def seen(*ves, facts=FACTS, **more):
    return view(*ves, settings=BACKED, facts=replace(facts, health=healths(BACKED, facts.nics, {}, 1.0)), **more)


CASES = {
    "nothing": (seen(VE101), seen(VE101), []),
    "a VE that starts": (seen(), seen(VE101, records={"101": Record(STARTING, 990.0)}),
                         ["VE 101 (name of 101): stopped -> starting, ok by eth3"]),
    "a VE that runs": (seen(VE101, records={"101": Record(STARTING, 990.0)}),
                       seen(VE101, records={"101": Record(RUNNING, 990.0)}, facts=replace(
                           FACTS, local=dict.fromkeys(VE101.addresses, "venet0"))),
                       ["VE 101 (name of 101): starting, ok by eth3 -> ok by eth3"]),
    "a VE that stops": (seen(VE101), seen(), ["VE 101: stopped"]),
    "a VE that moves": (seen(VE101), seen(replace(VE101, uplink="isp3")),
                        ["VE 101 (name of 101): ok by eth3 -> lan-only by eth5: no IPv4 and IPv6 gateway known for "
                         "eth5, so by IPv4 and IPv6 it reaches that LAN only"]),
    "an uplink that goes": (seen(), seen(facts=DOWN),
                            ["uplink isp1: ok -> down: eth3 is down; isp3 stands in"]),
    "an uplink that comes back": (seen(facts=DOWN), seen(),
                                  ["uplink isp1: down -> ok: isp1 by itself again"]),
    "drift of a VE": (seen(VE101), seen(VE101, ops=(MINE,)),
                      ["VE 101 (name of 101): ok by eth3 -> drift by eth3: missing: 1 rule; run `vzhooks resync`"]),
    "drift of the node": (seen(), seen(ops=(NODES,)), ["node: ok -> drift: missing: 1 rule; run `vzhooks resync`"]),
    "a warning": (seen(), replace(seen(), warnings=("the ini is bad",)), ["warning: the ini is bad"]),
}


@pytest.mark.parametrize("before, after, lines", CASES.values(), ids=CASES)
def test_what_is_said_of(before, after, lines):
    assert list(between(before, after)) == lines


def test_an_uplink_that_the_ini_names_no_more_and_one_that_is_new():
    fewer = replace(UP101, settings=replace(BACKED, uplinks={k: v for k, v in UPLINKS.items() if k != "isp2"}))
    assert list(between(UP101, fewer)) == ["uplink isp2: gone from the ini"]
    assert list(between(fewer, UP101)) == ["uplink isp2: new -> down: eth4 has no carrier"]


def test_what_the_daemon_mended_is_one_line():
    assert list(mended(Counts({"rule": 1}), Counts({"rule": 3, "guard": 1, "proxy": 2}))) == [
        "daemon: mended 2 rules, 1 guard entry, 2 published addresses"]
    assert list(mended(Counts({"rule": 3}), Counts({"rule": 3}))) == list(mended(Counts({"rule": 3}), Counts())) == []


@pytest.mark.parametrize("came, text", [
    (0, "0 bit/s"), (100, "400 bit/s"), (3000, "12 kbit/s"), (1234567, "4.94 Mbit/s"), (249_999_999, "1000 Mbit/s"),
    (10 ** 9, "4 Gbit/s"), (-5, "0 bit/s"),
])
def test_rates_are_bits_a_second_in_three_digits(came, text):
    found = rates({"isp1": "eth3", "isp2": "gone"}, {"eth3": (0, 0)}, {"eth3": (came, 250), "gone": (1, 1)}, 2.0)
    assert found == f"isp1 in {text} out 1 kbit/s"


def test_a_ve_with_several_uplinks_is_one_line():
    both = replace(BACKED, uplinks={**UPLINKS, "isp3": replace(UPLINKS["isp3"], sources=("192.168.18.102/32",))})
    ve = Ve("101", ("192.168.18.101", "192.168.18.102"), "isp3,isp1")
    before, after = (view(ve, settings=both, facts=facts) for facts in (FACTS, DOWN))
    lines = [line for line in between(before, after) if "VE" in line]
    assert len(lines) == 1 and lines[0].startswith(
        "VE 101 (name of 101): lan-only by eth5, ok by eth3 -> lan-only by eth5, backup by eth5: no IPv4 gateway known")


def test_two_ves_at_once_are_two_lines():
    other = Ve("102", ("192.168.18.102",), "isp1")
    assert len(list(between(seen(), seen(VE101, other)))) == 2
