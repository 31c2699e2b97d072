"""A run's changes are laid out by VE, each with its sign, and hold every op once."""

from dataclasses import replace

from tests.unit.example import facts, wanted
from vzhooks.model import MAIN, Proxy, Route, Sysctl, Ve
from vzhooks.policy.consequences import Move
from vzhooks.policy.plan import ADD, DELETE, REPLACE, Op, diff
from vzhooks.policy.records import RUNNING, Record
from vzhooks.run.request import Report
from vzhooks.status.difference import render

ONE = Ve("101", ("192.168.18.101", "fd00:18::101"), "eth3")
TWO = Ve("20", ("192.168.18.120",), "eth4", devices=("veth20",))


def report(before, after, **more):
    was, now = wanted(*before, known=facts()), wanted(*after, known=facts())
    return Report(diff(now.items, was.items), now.ways, found=was.items, **more)


def test_each_ve_has_its_own_and_the_node_the_rest():
    text = render(report([], [ONE, TWO], moves=(Move("101", "main", "eth3"),)))
    heads = [line for line in text.splitlines() if not line.startswith(" ")]
    assert heads == ["the node", "VE 20", "VE 101: main -> eth3"]
    node, _, rest = text.partition("VE 20\n")
    second, _, first = rest.partition("VE 101")
    assert "192.168.18.101" not in node + second and "192.168.18.120" not in node + first
    assert "iif veth20" in second and 'nft inet vzhooks held "veth20"' in second
    assert "  + ip rule from 192.168.18.101/32 goto 1005 priority 1000" in first.splitlines()
    assert "  + ip -6 rule from fd00:18::101/128 goto 1005 priority 1000" in first.splitlines()
    assert "118" not in text.replace("fd00:18::101", "")


def test_every_change_is_one_line_with_its_sign():
    whole = report([ONE], [replace(ONE, uplink="eth4")])
    lines = [line for line in render(whole).splitlines() if line.startswith("  ")]
    assert len(lines) == len(whole.ops)
    count = {verb: sum(op.verb == verb for op in whole.ops) for verb in (ADD, DELETE, REPLACE)}
    assert {verb: sum(line[2] == sign for line in lines) for verb, sign in zip(count, "+-~")} == count


def test_what_changes_is_told_with_what_was():
    old, new = (Route(4, 1003, "default", "eth3", f"192.168.18.{n}") for n in (1, 2))
    key = "net/ipv4/conf/eth3/arp_ignore"
    text = render(Report((Op(REPLACE, new), Op(REPLACE, Sysctl(key, "1"))), found=frozenset({
        old, Sysctl(key, "0"), Route(4, MAIN, "default", "eth0", "192.168.18.1")})))
    assert text.splitlines()[1:] == [
        "  ~ ip route default via 192.168.18.2 dev eth3 table 1003 onlink "
        "(was default via 192.168.18.1 dev eth3 table 1003 onlink)",
        f"  ~ sysctl {key}=1 (was 0)"]


def test_an_address_that_nobody_has_any_more_is_told_of_who_had_it():
    gone = Report((Op(DELETE, Proxy(4, "192.168.18.105", "eth3")),), known={
        "105": Record(RUNNING, 0.0, "eth3", ("192.168.18.105",))})
    assert render(gone).splitlines() == ["VE 105", "  - ip neigh proxy 192.168.18.105 dev eth3"]


def test_colours_mark_the_sign_and_no_change_is_no_text():
    change = Report((Op(ADD, Proxy(4, "192.168.18.105", "eth3")),))
    assert render(change, colour=True).splitlines()[1].startswith("  \x1b[32m+ ip neigh")
    assert "\x1b" not in render(change)
    assert render(Report()) == ""
