"""What others in nftables mark, or filter by sources, while packets of VEs go by marks."""

import pytest

from tests.lab.wire import ping
from tests.resident import resident, until
from tests.site import BEYONDS, CLIENTS, pair

pytestmark = pytest.mark.by_rules
WAYS = {"101": "eth3", "102": "eth4", "105": "eth0"}
OWN = "192.168.18.10", "fd00:18::10"

SENT = """chain sent { type route hook output priority -150; meta mark set 0x00330000; }
chain again { type route hook output priority 0; meta mark set 0x00330000; }"""
ARRIVED = 'chain arrived { type filter hook prerouting priority -150; iifname "eth*" meta mark set 0x00330000; }'
# As firewalld has it with IPv6_rpfilter=yes, and for IPv4 too.
FIREWALLD = """chain sources { type filter hook prerouting priority 10;
icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept; fib saddr . mark . iif oif missing drop; }"""
UNMARKED = "chain sources { type filter hook prerouting priority 0; icmpv6 type nd-neighbor-solicit accept; " \
           "fib saddr . iif oif missing drop; }"
RESTORED = """chain restored { type filter hook prerouting priority 0; meta mark set ct mark; }
chain saved { type filter hook postrouting priority 0; ct mark set 0x00110000; }"""
CLEARED = "chain cleared { type filter hook prerouting priority 0; meta mark set 0; }"


@pytest.fixture
def marked(site):
    """The node with packets by marks: VEs with an uplink, and one without."""
    site.datapath = "map"
    site.ini("")
    for ctid, nic in WAYS.items():
        site.both(ctid, uplink=nic if ctid != "105" else None)
    site.end_announcers()
    all_goes_its_way(site)
    return site


def is_map(site):
    return "fwmark" in site.hn("ip", "rule")


def others(site, text):
    site.node.hn.write("/tmp/others.nft", f"table inet others {{\n{text}\n}}\n")
    site.hn("nft", "-f", "/tmp/others.nft")


def all_goes_its_way(site, text=""):
    """Assert that who is to be reached is; by a filter of theirs not what the LAN sends to a VE without an uplink.

    Any NIC answers for that one, and main sends replies by eth0.
    """
    free = WAYS.keys() - ({"105"} if "fib" in text else set())
    for ctid, nic in WAYS.items():
        site.leaves_by(ctid, nic, (*CLIENTS, *BEYONDS))
        for dst in (*((CLIENTS, BEYONDS) if ctid in free else ()), OWN, *map(pair, WAYS.keys() - {ctid})):
            assert site.ping(ctid, dst) == 3, (ctid, dst)
    for own, client in zip(OWN, CLIENTS):
        assert ping(site.node.client, own, count=3, timeout=0.5) == 3, own
        assert ping(site.node.hn, client, count=3, timeout=0.5, src=own) == 3, client
    for ctid in WAYS:
        for address, box in ((a, box) for a in pair(ctid) for box in (site.node.hn, site.node.client)):
            if ctid in free or box is site.node.hn:
                assert ping(box, address, count=3, timeout=0.5) == 3, address


@pytest.mark.parametrize("text", [SENT, ARRIVED, FIREWALLD], ids=["sent", "arrived", "firewalld"])
def test_nobody_is_cut_off_by_them(marked, text):
    others(marked, text)
    all_goes_its_way(marked, text)


def test_a_filter_of_sources_takes_what_comes_from_hosts_that_main_has_by_another_nic(marked):
    others(marked, FIREWALLD)
    for dst in (*CLIENTS, *BEYONDS):
        gateway = None if dst in CLIENTS else "fd00:18::1" if ":" in dst else "192.168.18.1"
        marked.node.add_route(f"{dst}/{128 if ':' in dst else 32}", oif="eth0", gateway=gateway)
    for ctid in ("101", "102"):
        for dst in (CLIENTS, BEYONDS):
            assert marked.ping(ctid, dst) == 3, (ctid, dst)


@pytest.mark.parametrize("text", [RESTORED, CLEARED], ids=["restored", "cleared"])
def test_a_mark_of_somebody_else_leads_nobody_astray(marked, text):
    mark = next(line for line in marked.hn("ip", "rule").splitlines() if "1055:" in line).split()[4].partition("/")[0]
    others(marked, text.replace("0x00110000", mark))
    for ctid, nic in WAYS.items():
        if nic != "eth0":
            with marked.only_by(nic, src=pair(ctid)):
                marked.pings(ctid, (*CLIENTS, *BEYONDS))


@pytest.mark.parametrize("text, why", [
    (SENT, "within mark_mask"), (ARRIVED, "within mark_mask"), (FIREWALLD, ""), (UNMARKED, "without the marks"),
    (RESTORED, "behind those of vzhooks"), (CLEARED, "behind those of vzhooks")],
    ids=["sent", "arrived", "firewalld", "unmarked", "restored", "cleared"])
def test_where_marks_would_not_do_rules_are_used_as_long(marked, text, why):
    others(marked, text)
    said = marked.vzhooks("resync").stderr
    assert is_map(marked) is (not why)
    assert why in said and ("rules are used" in said) is bool(why)
    all_goes_its_way(marked, text)
    marked.hn("nft", "delete", "table", "inet", "others")
    marked.vzhooks("resync")
    assert is_map(marked)
    all_goes_its_way(marked)


@pytest.mark.generation(4)
def test_the_daemon_sees_them_come_and_go(marked):
    with resident(marked):
        others(marked, RESTORED)
        until(lambda: not is_map(marked))
        all_goes_its_way(marked)
        marked.hn("nft", "delete", "table", "inet", "others")
        until(lambda: is_map(marked))
        all_goes_its_way(marked)
        others(marked, "set met { type ipv4_addr; }")
        marked.hn("nft", "add", "element", "inet", "others", "met", "{ 192.0.2.1 }")
        marked.settled()
        assert is_map(marked)
