"""Doctor finds what would break the node, names evidence and fix, and is silent on a healthy one."""

import json

import pytest

from tests.lab.node import CLIENT
from tests.site import NICS, VE101, VE102

pytestmark = pytest.mark.generation(4)


def findings(site, *args):
    """Return doctor's findings by check; its exit status must fit."""
    done = site.vzhooks("doctor", "--json", *args, rc=None)
    found = json.loads(done.stdout)
    assert done.returncode == (3 if found else 0), done
    assert all(f["evidence"] and f["fix"] and f["level"] in ("error", "warning") for f in found)
    return {check: [f for f in found if f["check"] == check] for check in {f["check"] for f in found}}


def test_a_healthy_node_has_no_findings_and_exit_0(every):
    every.ve("101", uplink="eth3")
    every.ve("102", uplink="eth4")
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


def test_the_probe_finds_the_wrong_answerer_of_a_ve(every):
    every.ve("101", uplink="eth3")
    every.end_announcers()
    every.hn("nft", "delete", "table", "arp", "vzhooks")
    found = findings(every, "--probe")
    assert "drift" in found
    if every.node.rp_filter != 1:
        assert [f["subject"] for f in found["answers"]] == [VE101]


def test_the_probe_changes_no_neighbours_cache(site):
    """It asks in nobody's name, so the client keeps what it knows of the node."""
    site.ve("101", uplink="eth3")
    with site.node.client.ipr() as ipr:
        known = {m.get("NDA_DST"): m.get("NDA_LLADDR") for m in ipr.get_neighbours(family=2)}
    site.vzhooks("doctor", "--probe")
    with site.node.client.ipr() as ipr:
        after = {m.get("NDA_DST"): m.get("NDA_LLADDR") for m in ipr.get_neighbours(family=2)}
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
    "rule-before": lambda s: rule(s, 500),
    "table": lambda s: stranger(s),
    "problem": lambda s: rule(s, 1010),
}


def rule(site, priority):
    """Add a rule as somebody else would."""
    with site.node.hn.ipr() as ipr:
        ipr.rule("add", family=2, priority=priority, src=f"{VE101}/32", table=254, protocol=4)


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


def test_without_nft_it_says_what_to_install(site):
    site.hn("mount", "--bind", "/dev/null", site.hn("sh", "-c", "command -v nft").strip())
    found = findings(site)
    assert "nft" in found["features"][0]["evidence"]


def test_text_for_a_reader_has_finding_evidence_and_fix(site):
    lines = site.vzhooks("doctor", rc=3).stdout.splitlines()
    assert [line.split(":")[0].strip() for line in lines[:3]] == ["warning", "found", "fix"]
    assert len(lines) == 3 * len(NICS)
    assert VE102 not in lines
