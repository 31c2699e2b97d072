"""`vzhooks migrate` finds the rules of an older script in the kernel, and gives uplinks without a wrong packet."""

import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from tests.lab.bystanders import sh
from tests.lab.tap import Tap
from tests.lab.wire import send_udp
from tests.packets.test_bad_commands import unchanged
from tests.site import BEYONDS, NICS, pair
from tests.told import INI

CONF = "/etc/vz/conf"
TABLES = """
for n in 3 4; do
    ip route add 192.168.18.0/24 dev eth$n table 1000$n
    ip route add default via 192.168.18.1 dev eth$n table 1000$n
    ip -6 route add fd00:18::/64 dev eth$n table 1000$n
    ip -6 route add default via fd00:18::1 dev eth$n table 1000$n
done
"""
# As in OpenVZ's wiki: rules without a priority, made by each start anew.
WIKI = """#!/bin/sh
# Source based routing
. "$VE_CONFFILE"
for ip in $IP_ADDRESS; do
    table=10003; case $ip in *102) table=10004 ;; esac
    six=; case $ip in *:*) six=-6 ;; esac
    ip $six rule add from ${ip%%/*} lookup $table
done
"""
OWN = """#!/bin/sh
for ip in {}; do
    six=; case $ip in *:*) six=-6 ;; esac
    ip $six rule add from $ip table {} priority 500
done
"""
WANTED = "\n".join(f"[uplink:eth{n}]\ndevice = eth{n}\ngateway = 192.168.18.1\ngateway6 = fd00:18::1\n" for n in (3, 4))


def by_wiki(site):
    site.node.hn.write(f"{CONF}/vps.mount", WIKI, 0o755)
    site.both("101", "102")
    return [f"{CONF}/before-vzhooks/vps.mount:7: makes ip rules at each start of a VE"]


def by_own_scripts(site):
    for ctid, table in (("101", 10003), ("102", 10004)):
        site.node.create_ve(ctid, pair(ctid))
        site.node.hn.write(site.vzctl.own_script(ctid, "mount"), OWN.format(" ".join(pair(ctid)), table), 0o755)
        assert site.vzctl.start(ctid).rc == 0
    scripts = [site.vzctl.own_script(ctid, "mount") for ctid in ("101", "102")]
    return [f"{script}:4: makes ip rules at each start of a VE" for script in scripts]


def by_networkd(site):
    text = "[Match]\nName=eth{}\n\n"
    for ctid, n in (("101", 3), ("102", 4)):
        for address in pair(ctid):
            six = "-6 " if ":" in address else ""
            sh(site.node.hn, f"ip {six}rule add from {address} lookup 1000{n} priority 30000 proto static")
            text += f"[RoutingPolicyRule]\nFrom={address}\nTable=1000{n}\nPriority=30000\n"
    site.node.hn.write("/etc/systemd/network/eth.network", text)
    site.both("101", "102")
    return ["/etc/systemd/network/eth.network:4: makes ip rules whenever systemd-networkd sets up its link"]


@contextmanager
def sending(site, *ctids):
    """Have VEs send all the while; fail where a packet leaves by another NIC than that of its VE, or is lost."""
    over, sent = threading.Event(), dict.fromkeys([a for c in ctids for a in pair(c)], 0)

    def send():
        while not over.is_set():
            for ctid in ctids:
                for src, dst in zip(pair(ctid), BEYONDS):
                    sent[src] += send_udp(site.node.ve(ctid).box, src, dst)
    with Tap(site.node.hn, *NICS) as tap:
        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        found = [(f.src, f.nic) for f in tap.find(outgoing=True, proto="udp") if f.src in sent]
    assert min(sent.values()) > 20, sent
    nics = {a: nic for ctid, nic in zip(ctids, ("eth3", "eth4")) for a in pair(ctid)}
    assert {(a, nic): found.count((a, nic)) for a, nic in set(found)} == {(a, nics[a]): n for a, n in sent.items()}


def theirs(site):
    return [line for six in ([], ["-6"]) for line in site.hn("ip", *six, "rule").splitlines() if "lookup 1000" in line]


FOUR = pytest.mark.generation(4)


@FOUR
@pytest.mark.by_rules
def test_a_node_with_the_wiki_s_script_is_moved(bare):
    moves(bare, by_wiki)


@pytest.mark.by_rules
def test_a_node_with_scripts_of_each_ve_is_moved(bare):
    moves(bare, by_own_scripts)


@pytest.mark.generation(9)
@pytest.mark.by_rules
def test_a_node_with_rules_of_networkd_is_moved(bare):
    moves(bare, by_networkd)


def moves(site, old):
    sh(site.node.hn, TABLES)
    left = old(site)
    site.install()
    for ctid, nic in (("101", "eth3"), ("102", "eth4")):
        site.leaves_by(ctid, nic, BEYONDS)
    with unchanged(site):
        done = site.vzhooks("migrate", rc=3)
    shown = done.stdout.splitlines()
    assert [line[1:] for line in shown if line[:2] in ("+[", "+d", "+g")] == WANTED.replace(
        "\n\n", "\n").splitlines()
    assert [line for line in shown if line.startswith("+UPLINK")] == ['+UPLINK="eth3"', '+UPLINK="eth4"']
    assert sum(line.startswith(("-from", "--6 from")) for line in shown) == 4 == len(theirs(site))
    assert [part for part in left if part not in done.stderr] == []
    before = {file.partition(":")[0]: site.node.hn.read(file.partition(":")[0]) for file in left}
    with sending(site, "101", "102"):
        done = site.vzhooks("migrate", "--write")
    assert "2 VEs moved to uplinks, 4 rules of others dropped" in done.stderr
    assert [part for part in left if part not in done.stderr] == []
    assert {file: site.node.hn.read(file) for file in before} == before
    assert theirs(site) == [] and site.node.hn.read(INI) == WANTED
    for ctid, nic in (("101", "eth3"), ("102", "eth4")):
        site.leaves_by(ctid, nic, BEYONDS)
        assert f'UPLINK="{nic}"' in site.node.hn.read(f"{CONF}/{ctid}.conf")
        assert site.status(ctid) == "ok"
    site.settled()
    again = site.vzhooks("migrate")
    assert again.stdout == "" and "nothing to migrate" in again.stderr


@pytest.fixture
def old(bare):
    """VE 101 goes by eth3 by a rule, and vzhooks is not installed."""
    sh(bare.node.hn, TABLES)
    bare.both("101")
    for address in pair("101"):
        sh(bare.node.hn, f"ip {'-6 ' if ':' in address else ''}rule add from {address} lookup 10003")
    return bare


@FOUR
def test_json_holds_the_same_for_programs(old):
    found = json.loads(old.vzhooks("migrate", "--json", rc=3).stdout)
    assert found["uplinks"] == [{"uplink": "eth3", "device": "eth3", "gateways": ["192.168.18.1", "fd00:18::1"]}]
    assert found["ves"] == [{"ve": "101", "uplink": "eth3"}]
    assert len(found["drop"]) == 2 and found["files"] == [f"{CONF}/101.conf", INI]
    assert found["notes"] == found["left"] == []


@FOUR
def test_before_install_nothing_is_written(old):
    with unchanged(old):
        done = old.vzhooks("migrate", "--write", rc=1)
        assert "`vzhooks install` first" in done.stderr


@FOUR
@pytest.mark.by_rules
def test_an_uplink_that_the_ini_has_already_is_taken(old):
    old.install()
    ini = "[uplink:isp1] ; the first\ndevice = eth3\n"
    old.ini(ini)
    shown = old.vzhooks("migrate", rc=3).stdout
    assert "uplink:eth" not in shown and '+UPLINK="isp1"' in shown
    old.vzhooks("migrate", "--write")
    assert old.node.hn.read(INI) == ini
    old.leaves_by("101", "eth3", BEYONDS)


@FOUR
def test_names_that_serve_without_an_ini_go_on_to(old):
    """Once there is a section only such names count: VE 105 must not be cut off by it."""
    old.install()
    old.both("105", uplink="eth4")
    old.end_announcers()
    old.vzhooks("migrate", "--write")
    assert "[uplink:eth4]\ndevice = eth4\n" in old.node.hn.read(INI)
    old.leaves_by("101", "eth3", BEYONDS)
    old.leaves_by("105", "eth4", BEYONDS)
    old.settled()


@FOUR
def test_what_is_not_plain_is_left_and_said(old):
    old.install()
    old.both("102", "103", "104")
    old.node.create_ve("106", pair("106"))
    rules = ["from 192.168.18.102 lookup 10003", "-6 from fd00:18::102 lookup 10004",
             "from 192.168.18.103 to 203.0.113.0/24 lookup 10003", "from 192.168.18.104 lookup 77",
             "from 192.168.18.106 lookup 10003", "from 192.168.18.100/31 lookup 10003 priority 32000"]
    for rule in rules:
        sh(old.node.hn, f"ip {'-6 ' if rule.startswith('-6') else ''}rule add {rule.rpartition('-6 ')[2]}")
    with unchanged(old):
        done = old.vzhooks("migrate", rc=3)
    for part in ("VE 102 is left as it is: its addresses leave by eth3 and eth4, ", "VE 103 is left as it is: ",
                 "to 203.0.113.0/24", "VE 104 is left as it is: ", "VE 106 does not run", "start it and give the",
                 "from 192.168.18.100/31 lookup 10003 priority 32000 is for more than one VE and stays"):
        assert part in done.stderr, part
    old.vzhooks("migrate", "--write")
    old.leaves_by("101", "eth3", BEYONDS)
    assert len(theirs(old)) == 5
    for ctid in ("102", "103", "104", "106"):
        assert "UPLINK" not in old.node.hn.read(f"{CONF}/{ctid}.conf")


@FOUR
@pytest.mark.parametrize("after_s", [0.35, 0.6, 0.9])
def test_killed_at_any_step_no_packet_goes_a_wrong_way_and_a_second_run_ends_it(old, after_s):
    old.install()
    with sending(old, "101"):
        child = old.node.hn.popen([sys.executable, "-I", "-m", "vzhooks", "migrate", "--write"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(after_s)
        child.kill()
        child.wait()
        old.vzhooks("resync")
    old.vzhooks("migrate", "--write")
    assert theirs(old) == [] and 'UPLINK="eth3"' in old.node.hn.read(f"{CONF}/101.conf")
    old.leaves_by("101", "eth3", BEYONDS)
    old.settled()
