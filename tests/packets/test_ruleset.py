"""What rules of others do with marks is read from the kernel, whoever made them and by whatever chains they are met."""

import shutil
from contextlib import closing

import pytest

from tests.lab import ns
from tests.lab.box import Box
from vzhooks.kernel.ruleset import markers
from vzhooks.policy.markers import ALL, Marker

UNKNOWN = {"kept": 0, "sets": ALL, "unknown": ALL}
PREROUTING = "chain c { type filter hook prerouting priority 10;"


@pytest.fixture
def box():
    ns.become_root()
    with closing(Box("rules")) as box:
        yield box


def load(box, text):
    lines = text.replace("; }", ";\n}").replace("} }", "}\n}")  # as nft 1.0.6 wants it
    box.run(["nft", "-f", "-"], input=lines + "\n", check=True)


def found(box, text):
    load(box, text)
    return box.call(markers)


def test_without_rules_there_are_none(box):
    assert box.call(markers) == ()


FIREWALLD = """table inet firewalld {
 chain mangle_PREROUTING { type filter hook prerouting priority -140; policy accept; jump mangle_PREROUTING_ZONES; }
 chain mangle_PREROUTING_ZONES { iifname "eth0" goto mangle_PRE_public; }
 chain mangle_PRE_public { jump mangle_PRE_public_allow; }
 chain mangle_PRE_public_allow { tcp dport 80 counter mark set 0x64; }
 chain filter_PREROUTING { type filter hook prerouting priority 10; policy accept;
  icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
  meta nfproto ipv6 fib saddr . mark . iif oif missing drop
 }
 chain filter_FORWARD { type filter hook forward priority 10; policy accept; ct state established accept; reject; }
}"""


def test_firewalld_is_read(box):
    assert found(box, FIREWALLD) == (
        Marker("inet firewalld", "mangle_PRE_public_allow", (("prerouting", -140),), 0, 0x64),
        Marker("inet firewalld", "filter_PREROUTING", (("prerouting", 10),), asks="fib mark"))


@pytest.mark.parametrize("rule, does", [
    ("meta mark set 0x10000", {"kept": 0, "sets": 0x10000}),
    ("tcp dport 22 counter log meta mark set 7 accept", {"kept": 0, "sets": 7}),
    ("meta mark set meta mark and 0xff00ffff or 0x10000", {"kept": 0xff00ffff, "sets": 0x10000}),
    ("meta mark set meta mark or 0x4000", {"kept": 0xffffbfff, "sets": 0x4000}),
    ("meta mark set meta mark and 0xff", {"kept": 0xff}),
    ("meta mark set meta mark xor 0x30", {"sets": 0x30}),
    ("ct mark 5 meta mark set meta mark or 1 meta priority set 0x3", {"kept": ALL ^ 1, "sets": 1}),
    ("meta mark set ct mark", UNKNOWN),
    ("meta mark set ct mark and 0xff", {"kept": 0, "sets": 0xff, "unknown": 0xff}),
    ("meta mark set ct mark or 0x10000", {**UNKNOWN, "unknown": 0xfffeffff}),
    ("meta mark set meta mark << 4", UNKNOWN),
    ("meta mark set ip dscp map { 1 : 0x3 }", UNKNOWN),
    ("meta mark set jhash ip saddr mod 16", UNKNOWN),
    ("fib saddr . iif oif missing drop", {"asks": "fib"}),
    ("fib saddr . iif oif 0 drop", {"asks": "fib"}),
    ("fib saddr . mark . iif oifname != \"eth0\" drop", {"asks": "fib mark"}),
])
def test_what_a_rule_does_is_read(box, rule, does):
    assert found(box, f"table ip t {{ {PREROUTING} {rule}; }} }}") == (Marker(
        "ip t", "c", (("prerouting", 10),), **does),)


@pytest.mark.parametrize("rule", [
    "meta mark 0x10000 accept", "meta mark and 0xff0000 == 0x10000 drop", "ct mark set meta mark", "ct mark set 5",
    "meta priority set 0x3", "meta nftrace set 1", "fib saddr type local drop", "fib saddr oif missing drop",
    "fib daddr . iif oif missing drop",
    "fib daddr . mark type local accept", 'counter comment "MARK"', "meta mark 3 meta priority set 0x3"])
def test_what_only_looks_at_marks_is_left_out(box, rule):
    assert found(box, f"table ip t {{ {PREROUTING} {rule}; }} }}") == ()


def test_a_rule_can_write_more_than_once_and_what_is_twice_is_told_once(box):
    rule = "meta mark set 1 meta mark set meta mark or 2"
    one, two = Marker("ip t", "c", (("prerouting", 10),), 0, 1), Marker("ip t", "c", (("prerouting", 10),), ALL ^ 2, 2)
    assert found(box, f"table ip t {{ {PREROUTING} {rule}; {rule}; }} }}") == (one, two)


@pytest.mark.parametrize("family, chain, hook", [
    ("ip", "type filter hook input priority 1;", ("input", 1)),
    ("ip6", "type filter hook forward priority -2;", ("forward", -2)),
    ("inet", "type route hook output priority -150;", ("route", -150)),
    ("inet", "type filter hook output priority -150;", ("output", -150)),
    ("inet", "type filter hook postrouting priority 300;", ("postrouting", 300)),
    ("ip", "type nat hook prerouting priority 7;", ("prerouting", -100)),
    ("ip", "type nat hook output priority 7;", ("output", 7)),
    ("arp", "type filter hook input priority 0;", ("input", 0)),
    ("bridge", "type filter hook prerouting priority -300;", ("prerouting", -300)),
    ("netdev", "type filter hook ingress device lo priority -5;", ("ingress", -5)),
    ("inet", "type filter hook ingress device lo priority -6;", ("ingress", -6)),
])
def test_hooks_of_all_families_are_named(box, family, chain, hook):
    assert found(box, f"table {family} t {{ chain c {{ {chain} meta mark set 1; }} }}") == (
        Marker(f"{family} t", "c", (hook,), 0, 1),)


ROUNDS = """table inet t {
 chain last { meta mark set 1; }
 chain alone { meta mark set 2; }
 chain middle { tcp dport 1 jump last; goto last; }
 chain b { jump middle; }
 chain in1 { type filter hook prerouting priority -1; jump b; }
 chain in2 { type filter hook prerouting priority -2; goto last; }
 chain out { type filter hook output priority 3; udp dport 1 jump { jump b; }
 }
 chain on { type filter hook forward priority 4; accept; }
}
table ip t {
 chain last { accept; }
 chain other { type filter hook input priority 9; jump last; }
}
"""


def test_base_chains_are_found_by_jumps_within_the_table(box):
    assert found(box, ROUNDS) == (
        Marker("inet t", "last", (("output", 3), ("prerouting", -2), ("prerouting", -1)), 0, 1),
        Marker("inet t", "alone", (), 0, 2))


@pytest.mark.parametrize("lookup", [
    'iifname vmap { "eth0" : jump marking, "eth1" : drop }', "tcp dport . ip saddr vmap @named",
    "numgen random mod 2 vmap { 0 : goto marking, 1 : accept }"])
def test_a_map_of_verdicts_leads_to_each_chain_of_its_table(box, lookup):
    text = f"""table ip t {{
 map named {{ type inet_service . ipv4_addr : verdict; }}
 chain marking {{ meta mark set 1; }}
 chain far {{ {lookup}; }}
 chain a {{ type filter hook prerouting priority 5; jump far; }}
 chain b {{ type filter hook forward priority 6; accept; }}
}}"""
    assert found(box, text) == (Marker("ip t", "marking", (("prerouting", 5),), 0, 1),)


def test_a_map_of_other_values_leads_nowhere(box):
    text = f"""table ip t {{
 set s {{ type ipv4_addr; }}
 chain marking {{ meta mark set 1; }}
 {PREROUTING} ip saddr @s drop; @ll,0,32 {{ 0x1, 0x2 }} drop; meta priority set ip saddr map {{ 10.0.0.1 : 1:1 }}; }}
}}"""
    assert found(box, text) == (Marker("ip t", "marking", (), 0, 1),)


def test_our_own_tables_are_left_out(box):
    """Whatever family they are of, and with those of others beside them."""
    for family in ("inet", "ip"):
        load(box, f"table {family} vzhooks {{ {PREROUTING} meta mark set 1; }} }}")
    assert box.call(markers) == ()
    assert [m.table for m in found(box, f"table inet vzhooks2 {{ {PREROUTING} meta mark set 1; }} }}")] == [
        "inet vzhooks2"]


IPTABLES = """
-t mangle -A PREROUTING -j MARK --set-xmark 5/0xf
-t mangle -A PREROUTING -j MARK --set-mark 0x20000
-t mangle -A PREROUTING -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xf0
-t mangle -A OUTPUT -j CONNMARK --restore-mark
-t mangle -A OUTPUT -j CONNMARK --save-mark
-t mangle -A OUTPUT -j CONNMARK --set-mark 3
-t mangle -A PREROUTING -p tcp -j TPROXY --on-port 5 --tproxy-mark 0x1/0x3
-t mangle -A PREROUTING -m mark --mark 5 -j ACCEPT
-t mangle -A PREROUTING -p tcp -m socket --restore-skmark -j ACCEPT
-t mangle -A PREROUTING -p tcp -m socket --transparent -j ACCEPT
-t raw -A PREROUTING -m rpfilter --invert -j DROP
-t raw -A PREROUTING -m rpfilter --validmark --invert -j DROP
-t raw -A PREROUTING -m rpfilter --loose --invert -j DROP
-t nat -N MINE
-t nat -A MINE -j MARK --or-mark 0x4000
-t nat -A PREROUTING -j MINE
-t nat -A OUTPUT -j MINE
-t nat -A POSTROUTING -j MASQUERADE
"""
MANGLE, RAW = (("prerouting", -150),), (("prerouting", -300),)
BY_IPTABLES = {
    Marker("ip mangle", "PREROUTING", MANGLE, ALL ^ 0xf, 5),
    Marker("ip mangle", "PREROUTING", MANGLE, 0, 0x20000),
    Marker("ip mangle", "PREROUTING", MANGLE, ALL ^ 0xff, 0xf0, unknown=0xf0),
    Marker("ip mangle", "OUTPUT", (("route", -150),), **UNKNOWN),
    Marker("ip mangle", "PREROUTING", MANGLE, ALL ^ 3, 1),
    Marker("ip mangle", "PREROUTING", MANGLE, **UNKNOWN),
    Marker("ip raw", "PREROUTING", RAW, asks="fib"), Marker("ip raw", "PREROUTING", RAW, asks="fib mark"),
    Marker("ip nat", "MINE", (("output", -100), ("prerouting", -100)), ALL ^ 0x4000, 0x4000)}


@pytest.mark.skipif(not shutil.which("iptables-nft"), reason="no iptables-nft on this machine")
def test_what_iptables_writes_is_read(box):
    for line in IPTABLES.strip().splitlines():
        box.run(["iptables-nft", "-w", *line.split()], check=True)
    assert set(box.call(markers)) == BY_IPTABLES


def test_among_thousands_of_rules_those_few_are_found(box):
    """As kube-proxy has them: a chain for each service, and few that mark."""
    services = "\n".join(f"chain s{n} {{ tcp dport {n} counter jump mark_it; meta l4proto tcp accept; }}"
                         for n in range(1, 2001))
    text = f"""table ip kube {{
 chain mark_it {{ meta mark set meta mark or 0x4000; }}
 {services}
 chain pre {{ type nat hook prerouting priority -100; ip daddr 10.0.0.1 jump s1; ip daddr 10.0.0.2 jump s2000; }}
}}"""
    assert found(box, text) == (Marker("ip kube", "mark_it", (("prerouting", -100),), ALL ^ 0x4000, 0x4000),)
