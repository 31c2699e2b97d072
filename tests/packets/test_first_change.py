"""A first change on a node is compared with what was, and taken back where it cuts somebody off; doctor looks later."""

import json

import pytest

from tests.lab import ns
from tests.lab.bystanders import sh
from tests.packets.test_bad_node import fill
from tests.packets.test_trial import is_over
from tests.site import BEYONDS, CLIENTS, pair, unordered
from vzhooks.kernel.asking import ask
from vzhooks.kernel.netlink import Kernel
from vzhooks.policy import walk

# Main has no way beyond the LAN, and what it does not know goes by eth4: not by main without the reserved devices.
BEHIND = """ip route del default; ip -6 route del default
    ip route add default via 192.168.18.1 dev eth4 table 300; ip rule add lookup 300 priority 33000
    ip -6 route add default via fd00:18::1 dev eth4 table 300; ip -6 rule add lookup 300 priority 33000"""
RESERVED = "[node]\nreserved = eth0\n"


def begun(site):
    """Start VE 105, which leaves by a rule behind main's; eth0 is to be reserved."""
    sh(site.node.hn, BEHIND)
    for where in ("all", "eth0", "eth3", "eth4"):
        site.node.hn.sysctl(f"net/ipv4/conf/{where}/rp_filter", 2)
    site.both("105")
    site.end_announcers()
    site.ini(RESERVED)
    site.leaves_by("105", "eth4", BEYONDS)
    return unordered(site.state())


def test_what_would_cut_off_a_ve_without_uplink_is_taken_back_whole(site):
    before = begun(site)
    refused = site.vzhooks("resync", rc=1)
    assert "192.168.18.105 to 203.0.113.1" in refused.stderr and "--force" in refused.stderr
    assert unordered(site.state()) == before
    assert not site.node.hn.exists("/etc/sysctl.d/90-vzhooks.conf")
    site.leaves_by("105", "eth4", BEYONDS)
    assert site.ping("105", BEYONDS) == 3


def test_on_a_full_disk_it_is_taken_back_as_well(site):
    """Both are said, and nothing stays on trial."""
    site.node.hn.call(ns.mount, "tiny", "/run/vzhooks", "tmpfs", 0, "size=64k,mode=700")
    before = begun(site)
    site.node.hn.call(fill, "/run/vzhooks")
    told = site.vzhooks("resync", "--confirm", "600", rc=1).stderr
    assert "192.168.18.105 to 203.0.113.1" in told and "No space left" in told and "nothing was changed" in told, told
    assert unordered(site.state()) == before and is_over(site)
    site.leaves_by("105", "eth4", BEYONDS)


def test_what_force_let_pass_once_is_not_asked_again(site):
    begun(site)
    site.vzhooks("resync", "--force")
    site.leaves_by("105", None, BEYONDS)
    site.ini("[node]\n")
    site.vzhooks("resync")
    site.leaves_by("105", "eth4", BEYONDS)
    site.ini(RESERVED)
    site.vzhooks("resync")
    site.leaves_by("105", None, BEYONDS)
    found = json.loads(site.vzhooks("doctor", "--json", rc=3).stdout)
    assert [f for f in found if f["check"] == "bystander" and "192.168.18.105" in f["evidence"]]


@pytest.mark.parametrize("on_error", ["refuse", "warn"])
def test_a_first_start_that_would_is_refused_and_leaves_nothing(site, on_error):
    """Also where on_error = warn: nothing is in place that would hold the VE."""
    before = begun(site)
    site.ini(f"{RESERVED}on_error = {on_error}\n")
    site.node.create_ve("101", pair("101"), "eth3")
    started = site.vzctl.start("101")
    assert started.rc != 0 and "192.168.18.105 to 203.0.113.1" in started.stderr
    assert "vzhooks set CTID --uplink NAME --save --force" in started.stderr
    assert unordered(site.state()) == before
    site.leaves_by("105", "eth4", BEYONDS)


def test_a_first_set_that_would_is_refused_without_force(site):
    begun(site)
    site.both("101")
    site.end_announcers()
    before, conf = unordered(site.state()), site.node.hn.read("/etc/vz/conf/101.conf")
    assert "192.168.18.105 to 203.0.113.1" in site.vzhooks("set", "101", "--uplink", "eth3", "--save", rc=1).stderr
    assert unordered(site.state()) == before and site.node.hn.read("/etc/vz/conf/101.conf") == conf
    site.vzhooks("set", "101", "--uplink", "eth3", "--save", "--force")
    site.leaves_by("101", "eth3", CLIENTS)
    site.vzctl.stop("101")
    assert site.vzctl.start("101").rc == 0


@pytest.mark.generation(4)
def test_hardening_that_begins_later_says_what_goes_another_way(site):
    site.ini("[node]\narp = off\n")
    site.both("101", uplink="eth3")
    site.end_announcers()
    said = site.vzhooks("harden").stderr
    assert "the node's 192.168.18.11 to 203.0.113.1: eth0 via 192.168.18.1 -> eth3 via 192.168.18.1" in said
    assert "the node's" not in site.vzhooks("harden").stderr + site.vzhooks("resync").stderr


STATIC = """ip route add default via 192.168.18.129 dev eth4 table 300
    ip rule add to 192.168.18.128/25 lookup 300 priority 32000"""


@pytest.mark.generation(4)
@pytest.mark.parametrize("ini", ["", RESERVED])
def test_doctor_names_a_destination_of_another_s_rule_that_an_own_address_reaches_otherwise(site, ini):
    """It stands behind the rules of own addresses, which lead to the NIC's LAN."""
    site.ini(ini)
    sh(site.node.hn, STATIC)
    site.both("101", uplink="eth3")
    found = json.loads(site.vzhooks("doctor", "--json", rc=3).stdout)
    named = [f for f in found if f["check"] == "bystander" and f["subject"] == "the node's 192.168.18.10"]
    assert named and "192.168.18.130: eth4 via 192.168.18.129 -> eth0" in named[0]["evidence"]


WAYS = """ip route add blackhole 10.1.0.0/16; ip route add unreachable 10.2.0.0/16; ip route add prohibit 10.3.0.0/16
    ip route add throw 10.4.0.0/16 table 400; ip route add 10.4.0.0/16 via 192.168.18.129 dev eth3
    ip route add throw 10.5.0.0/16; ip route add 10.6.0.0/16 via 192.168.18.129 dev eth4 table 400
    ip route add throw default table 401; ip rule add lookup 401 priority 31999
    ip rule add lookup 400 priority 32000; ip rule add to 10.7.0.0/16 blackhole priority 32001
    ip rule add from 192.168.18.11 to 10.8.0.0/16 prohibit priority 32002
    ip rule add not from 192.168.18.0/24 lookup 400 priority 32003
    ip rule add to 10.9.0.0/16 goto 32100 priority 32004; ip rule add lookup main priority 32100
    ip rule add fwmark 5 blackhole priority 10; ip rule add iif venet9 blackhole priority 11
    ip rule add to 10.10.0.0/16 lookup main suppress_prefixlength 0 priority 32005
    ip route add 10.11.0.0/16 via 192.168.18.129 dev eth3 metric 7; ip route add 10.11.0.0/16 dev eth4 metric 8
    ip -6 route add blackhole 2001:db8:1::/48; ip -6 route add unreachable 2001:db8:2::/48
    ip -6 route add prohibit 2001:db8:3::/48; ip -6 route add throw 2001:db8:4::/48 table 400
    ip -6 route add 2001:db8:6::/48 via fd00:18::129 dev eth4 table 400; ip -6 rule add lookup 400 priority 32000
    ip -6 rule add to 2001:db8:7::/48 unreachable priority 32001"""


def unlike():
    """Return the packets of which a walk says something else than the kernel."""
    with Kernel() as kernel:
        ours, others = kernel.rules()
        facts = kernel.facts()
        kernel.know(facts.nics.values())
        rules = (*others, *map(walk.as_other, ours))
        tables = kernel.tables({r.table for r in rules if r.table} - {walk.LOCAL})
        asked = [(src, dst) for src in ("192.168.18.10", "192.168.18.11", "")
                 for dst in (*(f"10.{n}.0.1" for n in range(1, 13)), "203.0.113.1", "192.168.18.12", "192.168.18.129")]
        asked += [(src, dst) for src in ("fd00:18::11", "")
                  for dst in (*(f"2001:db8:{n}::1" for n in range(1, 8)), "fd00:18::12", "fd00:18::129")]
        found = [(src, dst, ask(kernel, src, dst), walk.walk(src, dst, "lo", rules, tables, facts.own))
                 for src, dst in asked]
    return [f for f in found if f[3] is None or not walk.agree(f[2], f[3])], len({f[2] for f in found})


@pytest.mark.generation(4)
def test_a_walk_by_rules_and_tables_says_what_the_kernel_says(site):
    """Above all of routes that end: blackhole, unreachable, prohibit and throw."""
    sh(site.node.hn, WAYS)
    assert site.node.hn.call(unlike)[0] == []
    site.ini(RESERVED)
    site.both("101", uplink="eth3")
    wrong, kinds = site.node.hn.call(unlike)
    assert wrong == [] and kinds > 8
