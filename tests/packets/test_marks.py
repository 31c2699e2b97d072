"""Map mode: what it needs on a node, what it steps back for, and that a running node changes to it and back."""

import threading

import pytest

from tests.lab.bystanders import sh
from tests.lab.tap import Tap
from tests.lab.wire import send_udp
from tests.site import BEYONDS, CLIENTS, NICS, Site, fits, pair

pytestmark = pytest.mark.by_rules
MARKS = "net/ipv4/conf/all/src_valid_mark"


def is_map(site):
    """Tell whether packets go by marks now."""
    return "fwmark" in site.hn("ip", "rule") and "fwmark" in site.hn("ip", "-6", "rule")


def use(site, datapath, *args):
    site.datapath = datapath
    site.ini("")
    return site.vzhooks("resync", *args)


def strays(tap, ways):
    """Return what left in these VEs' names by another NIC than theirs."""
    return [f for f in tap.find(outgoing=True) if f.src in ways and f.nic in NICS and f.nic != ways[f.src]
            and f.proto != "arp"]


def test_a_running_node_changes_to_the_map_and_back_without_a_packet_lost_or_astray(site):
    site.both("101", uplink="eth3")
    site.both("102", uplink="eth4")
    site.both("105")
    site.end_announcers()
    for dst in (*CLIENTS, *BEYONDS):
        assert site.ping("101", dst) == site.ping("102", dst) == 3
    ways = {**dict.fromkeys(pair("101"), "eth3"), **dict.fromkeys(pair("102"), "eth4"),
            **dict.fromkeys(pair("105"), "eth0")}
    before, done = site.state(), threading.Event()
    sent = dict.fromkeys(ways, 0)

    def talk():
        while not done.is_set():
            for ctid in ("101", "102", "105"):
                for src in pair(ctid):
                    send_udp(site.node.ve(ctid).box, src, next(c for c in CLIENTS if fits(c, src)), count=4)
                    sent[src] += 4
    with Tap(site.node.hn, *NICS) as tap:
        talking = threading.Thread(target=talk)
        talking.start()
        for datapath in ("map", "rule", "map", "rule"):
            use(site, datapath)
            assert is_map(site) is (datapath == "map")
            site.settled()
        done.set()
        talking.join()
        left = {src: len(tap.find(src=src, outgoing=True, proto="udp", nic=nic)) for src, nic in ways.items()}
    assert strays(tap, ways) == []
    assert left == sent
    assert {k: sorted(v.splitlines()) for k, v in site.state().items()} == {
        k: sorted(v.splitlines()) for k, v in before.items()}
    assert site.node.hn.sysctl(MARKS) == "0"


def test_what_the_node_had_of_src_valid_mark_is_given_back(site):
    site.both("101", uplink="eth3")
    use(site, "map")
    assert site.node.hn.sysctl(MARKS) == "1"
    site.stop("101")
    assert site.node.hn.sysctl(MARKS) == "0"
    site.node.hn.sysctl(MARKS, "1")
    site.both("102", uplink="eth4")
    use(site, "rule")
    assert site.node.hn.sysctl(MARKS) == "1"


@pytest.mark.parametrize("arp", ["auto", "off"])
def test_a_strict_filter_takes_what_ves_are_sent_by_their_uplinks(site, arp):
    """Without hardening the NICs of one LAN keep theirs."""
    site.datapath = "map"
    site.ini(f"[node]\narp = {arp}\n")
    for ctid, nic in (("101", "eth3"), ("102", "eth4"), ("105", None)):
        site.both(ctid, uplink=nic)
    site.end_announcers()
    site.vzhooks("resync")
    assert is_map(site)
    for ctid, nic in (("101", "eth3"), ("102", "eth4"), ("105", "eth0")):
        site.forget(ctid)
        site.leaves_by(ctid, nic, (*CLIENTS, *BEYONDS))
        for dst in (*CLIENTS, *BEYONDS):
            assert site.ping(ctid, dst) == 3
    assert site.ping("101", (*pair("102"), *pair("105"))) == 3


@pytest.mark.generation(4)
def test_where_somebody_else_goes_by_marks_rules_are_used(site):
    site.both("101", uplink="eth3")
    use(site, "map")
    assert is_map(site)
    sh(site.node.hn, "ip rule add fwmark 0x1/0x1 lookup 100 priority 20000")
    done = site.vzhooks("resync", rc=None)
    assert "another's rule goes by marks as well" in done.stderr and "priority 20000" in done.stderr
    assert not is_map(site) or "fwmark 0/" not in site.hn("ip", "rule")
    site.leaves_by("101", "eth3")
    sh(site.node.hn, "ip rule del priority 20000")
    site.vzhooks("resync")
    assert is_map(site)


@pytest.mark.generation(4)
def test_only_the_bits_of_mark_mask_are_used_and_are_gone_when_others_look(site):
    site.datapath = "map"
    site.ini("[node]\nmark_mask = 0x1f00\n")
    sh(site.node.hn, """nft add table inet other
nft 'add chain inet other early { type filter hook prerouting priority -150; }'
nft 'add chain inet other late { type filter hook forward priority -150; }'
nft 'add chain inet other own { type filter hook input priority -150; }'
nft 'add chain inet other sending { type filter hook output priority -160; }'
nft 'add chain inet other sent { type filter hook output priority 0; }'
nft add rule inet other early meta mark set 0x00550001
nft add counter inet other same; nft add counter inet other different
nft add rule inet other late meta mark 0x00550001 counter name same
nft add rule inet other late meta mark != 0x00550001 counter name different
nft add rule inet other own meta mark != 0x00550001 iifname != lo counter name different
nft add rule inet other sending meta mark set 0x00553001
nft add rule inet other sent meta mark 0x00553001 counter name same
nft add rule inet other sent meta mark != 0x00553001 counter name different""")
    for ctid, nic in (("101", "eth3"), ("105", None)):
        site.both(ctid, uplink=nic)
    site.end_announcers()
    site.leaves_by("101", "eth3")
    assert site.ping("101", (*CLIENTS, *pair("105"), "192.168.18.10", "fd00:18::10")) == 3
    assert site.ping("105", (*CLIENTS, "192.168.18.10", "fd00:18::10")) == 3
    counted = site.hn("nft", "list", "counters", "table", "inet", "other")
    same, different = (int(counted.partition(f"counter {name} ")[2].split()[2]) for name in ("same", "different"))
    assert same > 20 and different == 0


@pytest.mark.generation(4)
def test_doctor_says_what_rules_cost_a_node_that_has_outgrown_them(site):
    site.ini("[node]\ndatapath = rule\n")
    site.ve("102", *[f"10.9.0.{n}" for n in range(1, 65)], uplink="eth4")
    found = site.vzhooks("doctor", rc=None).stdout
    says = found.partition("outgrown: ")[2].partition("fix:")[0]
    assert "datapath = rule" in says and "64 addresses go by rules" in says
    assert 0.1 < float(says.partition("walks by: ")[2].split()[0]) < 500
    site.ini("[node]\ndatapath = auto\n")
    site.vzhooks("resync")
    assert "outgrown" not in site.vzhooks("doctor", rc=None).stdout


@pytest.mark.generation(4)
def test_auto_takes_the_map_where_many_ves_have_an_uplink(site: Site):
    site.ini("[node]\ndatapath = auto\n")
    site.both("101", uplink="eth3")
    assert not is_map(site)
    many = [f"10.9.0.{n}" for n in range(1, 11)]
    site.ve("102", *many, uplink="eth4")
    assert is_map(site)
    site.leaves_by("101", "eth3")
    site.leaves_by("102", "eth4", BEYONDS[0], src=many[3])
    site.stop("102")
    site.vzhooks("resync")
    assert not is_map(site)
    site.leaves_by("101", "eth3")
