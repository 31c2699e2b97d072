"""Doctor finds what would break the node, names evidence and fix, and is silent on a healthy one."""

import json

import pytest

from tests.lab.node import CLIENT, GATEWAY
from tests.site import NICS, SIX101, VE101, VE102

pytestmark = pytest.mark.generation(4)


def findings(site, *args):
    """Return doctor's findings by check; its exit status must fit."""
    done = site.vzhooks("doctor", "--json", *args, rc=None)
    found = json.loads(done.stdout)
    assert done.returncode == (3 if found else 0), done
    assert all(f["evidence"] and f["fix"] and f["level"] in ("error", "warning") for f in found)
    return {check: [f for f in found if f["check"] == check] for check in {f["check"] for f in found}}


def test_a_healthy_node_has_no_findings_and_exit_0(every):
    every.both("101", uplink="eth3")
    every.both("102", uplink="eth4")
    done = every.vzhooks("doctor", "--probe", "--json")
    assert json.loads(done.stdout) == []


def test_the_probe_sees_three_answerers_before_hardening_and_one_after(every):
    found = findings(every, "--probe")
    assert set(found) == {"arp-flux", "answers"}
    if every.node.rp_filter != 1:
        assert {f["subject"]: f["evidence"][0] for f in found["answers"]} == {
            "192.168.18.10": "3", "192.168.18.11": "3", "192.168.18.12": "3"}
    every.vzhooks("harden")
    assert findings(every, "--probe") == {}


@pytest.mark.unmended
def test_the_probe_finds_the_wrong_answerer_of_a_ve(every):
    every.ve("101", uplink="eth3")
    every.end_announcers()
    every.hn("nft", "delete", "table", "arp", "vzhooks")
    found = findings(every, "--probe")
    assert "drift" in found
    if every.marks and every.node.rp_filter:  # what nobody marked has no way back, so nobody answers
        assert every.answers(VE101) == [] and "answers" not in found
    elif every.node.rp_filter != 1:
        assert [f["subject"] for f in found["answers"]] == [VE101]


@pytest.mark.unmended
def test_the_probe_finds_the_wrong_answerer_of_a_ve_s_ipv6_address(every):
    """Whatever rp_filter is: it does not concern IPv6."""
    every.both("101", uplink="eth3")
    every.end_announcers()
    every.hn("nft", "flush", "chain", "inet", "vzhooks", "solicited")
    wrong = {f["subject"]: f["evidence"] for f in findings(every, "--probe")["answers"]}
    assert set(wrong) == {SIX101} and wrong[SIX101].startswith("3 answer: ") and "only eth3 should" in wrong[SIX101]


def test_the_probe_changes_no_neighbours_cache(site):
    """It asks in nobody's name, so the client keeps what it knows of the node."""
    site.both("101", uplink="eth3")
    site.end_announcers()
    site.pings("101")
    with site.node.client.ipr() as ipr:
        known = {m.get("NDA_DST"): m.get("NDA_LLADDR") for f in (2, 10) for m in ipr.get_neighbours(family=f)}
    assert VE101 in known and SIX101 in known
    site.vzhooks("doctor", "--probe")
    with site.node.client.ipr() as ipr:
        after = {m.get("NDA_DST"): m.get("NDA_LLADDR") for f in (2, 10) for m in ipr.get_neighbours(family=f)}
    assert {a: after.get(a) for a in known} == known


BREAK = {
    "drift": lambda s: s.flush("rules"),
    "own-rules": lambda s: s.flush("rules"),
    "arp-flux": lambda s: s.node.hn.sysctl("net/ipv4/conf/eth3/arp_ignore", 0),
    "vip": lambda s: s.node.add_address("lo", "192.168.18.99/32"),
    "proxy-arp": lambda s: s.node.hn.sysctl("net/ipv4/conf/eth3/proxy_arp", 1),
    "host-route": lambda s: s.node.add_route(f"{CLIENT}/32", oif="eth0"),
    "forwarding": lambda s: s.node.hn.sysctl("net/ipv4/ip_forward", 0),
    "linkdown": lambda s: s.node.carrier("eth3", False),
    "hooks": lambda s: s.node.hn.write("/etc/vz/conf/vps.mount", "#!/bin/sh\n", 0o755),
    "ini": lambda s: s.ini("[uplink:eth3]\n[uplink:eth4]\n[uplink:x]\ngateway = y\n"),
    "ve-uplink": lambda s: s.node.write_conf("109", ["192.168.18.109"], "eth9"),
    "networkd": lambda s: (s.node.hn.write("/run/systemd/netif/state", ""),
                           s.node.hn.path("/etc/systemd/networkd.conf.d/90-vzhooks.conf").unlink()),
    "daemon": lambda s: s.node.hn.path("/run/systemd/system").mkdir(parents=True, exist_ok=True),
    "diverted": lambda s: rule(s, 500),
    "rule-before": lambda s: s.hn("ip", "rule", "add", "to", "10.9.0.0/16", "lookup", "77", "priority", "500"),
    "rule-after": lambda s: rule(s, 32000, 77),
    "mark-rule": lambda s: s.hn("ip", "rule", "add", "fwmark", "0x1", "lookup", "100", "priority", "32000"),
    "vpn-rule": lambda s: s.hn("ip", "rule", "add", "not", "fwmark", "0xca6c", "lookup", "51820", "priority", "32000"),
    "nat": lambda s: nat(s, 'oifname "eth0" masquerade'),
    "no-gateway": lambda s: s.hn("ip", "neigh", "replace", GATEWAY, "dev", "eth3", "nud", "failed"),
    "lan-only": lambda s: s.hn("ip", "route", "del", "default"),
    "gateway": lambda s: s.ini("[uplink:eth3]\ngateway = 192.168.18.11\n"),
    "table": lambda s: stranger(s),
    "problem": lambda s: rule(s, 1010),
}


def rule(site, priority, table=254):
    """Add a rule as somebody else would."""
    with site.node.hn.ipr() as ipr:
        ipr.rule("add", family=2, priority=priority, src=f"{VE101}/32", table=table, protocol=4)


def nat(site, line):
    """Translate addresses as an administrator does."""
    site.node.hn.write("/etc/nat.nft", "table ip mine {\nchain post { type nat hook postrouting priority 100; }\n}\n"
                       f"add rule ip mine post {line}\n")
    site.hn("nft", "-f", "/etc/nat.nft")


def stranger(site):
    """Add a route to the VE's table as somebody else would."""
    ves = json.loads(site.vzhooks("status", "--json").stdout)["ves"]
    site.node.add_route("10.9.0.0/24", oif="eth0", table=next(v["table"] for v in ves if v["ve"] == "101"))


@pytest.mark.parametrize("check", BREAK)
def test_each_check_finds_its_own_trouble(site, check):
    site.ve("101", uplink="eth3")
    assert findings(site) == {}
    site.end_announcers()
    BREAK[check](site)
    assert check in findings(site)


@pytest.mark.generation(4, 9)
def test_a_rule_of_others_before_ours_is_an_error_with_the_commands_that_mend_it(site):
    site.ve("101", uplink="eth3")
    site.end_announcers()
    site.hn("ip", "rule", "add", "from", VE101, "prohibit")
    found = findings(site)
    assert [f["level"] for f in found.pop("diverted")] == ["error"] and found == {}
    site.hn("sh", "-ec", findings(site)["diverted"][0]["fix"].split("`")[3])
    assert set(findings(site)) == {"rule-after"}


@pytest.mark.parametrize("line, found", [
    ('oifname "eth3" masquerade', False), ("masquerade", False), ('oifname != "docker0" masquerade', False),
    ('ip saddr 192.168.18.0/24 oifname "eth0" snat to 192.168.18.10', True),
    ('ip saddr 172.17.0.0/16 oifname "eth0" masquerade', False), ('oifname { "eth0", "eth3" } masquerade', False),
    ('ip saddr != 192.168.18.0/24 oif "eth0" masquerade', False), ('oifname "eth4" tcp dport 80 masquerade', True)])
def test_a_translation_written_for_another_nic_is_found(site, line, found):
    site.ve("101", uplink="eth3")
    site.end_announcers()
    nat(site, line)
    assert ("nat" in findings(site)) is found


def test_a_private_address_whose_uplink_does_not_know_it_is_found_unless_it_is_translated(site):
    site.ve("101", "10.5.0.101", uplink="eth3")
    site.end_announcers()
    (found,) = findings(site)["private"]
    assert found["subject"] == "eth3" and "(10.5.0.101 of VE 101)" in found["evidence"]
    nat(site, 'oifname "eth3" masquerade')
    assert findings(site) == {}


def test_a_gateway_in_no_network_of_its_device_is_a_warning(site):
    site.ini("[uplink:eth3]\ngateway = 192.168.19.1\n")
    found = findings(site)["gateway"][0]
    assert found["level"] == "warning" and "none of the networks of eth3 (192.168.18.0/24)" in found["evidence"]


def test_a_fix_says_what_to_do(site):
    site.ve("101", uplink="eth3")
    site.end_announcers()
    site.node.link("eth3", False)
    fixes = [f["fix"] for f in findings(site)["problem"]]
    assert fixes == ["`ip link set eth3 up`, then `vzhooks resync`"]


def test_without_nft_it_says_what_to_install(site):
    site.hn("mount", "--bind", "/dev/null", site.hn("sh", "-c", "command -v nft").strip())
    found = findings(site)
    assert "nft" in found["features"][0]["evidence"]


def test_text_for_a_reader_has_finding_evidence_and_fix(site):
    lines = site.vzhooks("doctor", rc=3).stdout.splitlines()
    assert [line.split(":")[0].strip() for line in lines[:3]] == ["warning", "found", "fix"]
    assert len(lines) == 3 * len(NICS)
    assert VE102 not in lines
