"""`vzhooks status` says who leaves by what, as people and as programs read it."""

import fcntl
import json
import os
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.datapaths import lose_way
from tests.lab.node import BEYOND, BEYOND6, GATEWAY
from tests.site import SIX101, VE101

pytestmark = pytest.mark.generation(4)  # what is read and said is the same on both

DOC = Path(__file__).parents[2] / "docs/status-json.md"
INI = "[uplink:isp1]\ndevice = eth3\n[uplink:isp2]\ndevice = eth4\n[uplink:isp5]\ndevice = eth5\n"


def shown(site, *args, rc=0):
    return json.loads(site.vzhooks("status", "--json", *args, rc=rc).stdout)


def documented():
    """Return the keys that the page names, by section."""
    found, section = {}, ""
    for line in DOC.read_text().splitlines():
        section = line.strip("# `") if line.startswith("## ") else section
        if key := re.match(r"\| `(\w+)` \|", line):
            found.setdefault(section, []).append(key.group(1))
    return found


def on_a_terminal(site, *args, width=100, env=None, stream="stdout", **others):
    """Run a command with stdout or stderr on a terminal; return what it shows there."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    mine = {k: v for k, v in os.environ.items() if k != "COLUMNS"}  # which would count for more than the terminal
    child = site.node.hn.popen([sys.executable, "-I", "-m", "vzhooks", *args], **{stream: slave}, **others,
                               env={**mine, "TERM": "xterm", **(env or {})})
    os.close(slave)
    text = b""
    try:
        while data := os.read(master, 65536):
            text += data
    except OSError:  # EIO: the last that had it open is gone
        pass
    os.close(master)
    child.wait()
    return text.decode().replace("\r\n", "\n")


def test_status_of_the_example_node(site):
    site.ini(INI)
    site.ve("101", VE101, "fd00:18::101", uplink="isp1", extra='NAME="web one"')
    site.ve("105")
    site.node.create_ve("107", ["192.168.18.107"], "isp2")
    site.leaves_by("101", "eth3", dst=BEYOND)
    site.end_announcers()

    data = shown(site)
    assert {k: list(data[k][0]) if k else list(data) for k in ("", "ves", "uplinks")} | {
        "gateways": list(data["uplinks"][0]["gateways"][0]), "node": list(data["node"]),
        "problems": ["ve", "text"]} == documented()
    first, second = data["ves"]
    assert (first["ve"], first["name"], first["state"], first["device"]) == ("101", "web one", "ok", "eth3")
    assert first["addresses"] == [VE101, "fd00:18::101"]
    assert first["gateways"][0] == {"address": GATEWAY, "reachable": "yes"}
    assert (second["state"], second["phase"], second["gateways"]) == ("unassigned", "running", [])
    assert first["since_s"] is not None and second["since_s"] is not None
    assert [(u["uplink"], u["state"], u["ves"]) for u in data["uplinks"]] == [
        ("isp1", "ok", 1), ("isp2", "ok", 0), ("isp5", "down", 0)]

    stopped = shown(site, "107", "web one")["ves"]
    assert [(v["ve"], v["state"], v["uplink"], v["device"]) for v in stopped] == [
        ("107", "stopped", "isp2", "eth4"), ("101", "ok", "isp1", "eth3")]
    assert "107" in site.vzhooks("status", "107").stdout

    wide, narrow = (on_a_terminal(site, "status", width=w) for w in (200, 40))
    assert re.search(rf"^101 +web one +{VE101} fd00:18::101 +isp1 ", wide, re.MULTILINE) and "\x1b[32mok" in wide
    assert max(len(line) for line in narrow.split("\n") if "\x1b" not in line) <= 40 and "fd00:18::101" in narrow
    assert re.search(r"^105 .* unassigned", on_a_terminal(site, "status", width=80), re.MULTILINE)
    assert "\x1b" not in on_a_terminal(site, "status", env={"NO_COLOR": "1"})
    piped = site.vzhooks("status").stdout
    assert re.search(rf"^101 +web one +{VE101} fd00:18::101 +isp1 ", piped, re.MULTILINE) and "\x1b" not in piped


def test_a_gateway_that_does_not_answer_is_told(site):
    site.ve("101", uplink="eth3")
    site.end_announcers()
    site.hn("ip", "neigh", "replace", GATEWAY, "dev", "eth3", "nud", "failed")
    ve = shown(site, "101", rc=None)["ves"][0]
    assert ve["gateways"] == [{"address": GATEWAY, "reachable": "no"}]
    assert ve["state"] == "no-gateway" and f"gateway {GATEWAY} on eth3 does not answer" in ve["why"]
    site.hn("ip", "neigh", "flush", "dev", "eth3")
    assert shown(site, "101")["ves"][0]["gateways"][0]["reachable"] == "unknown"


def test_a_gateway_that_is_gone_is_found_out_by_the_ve_s_own_packets(site):
    site.ini("[uplink:eth3]\ngateway = 192.168.18.77\n")
    site.ve("101", uplink="eth3")
    site.end_announcers()
    assert site.ping("101", BEYOND, count=2) == 0
    assert shown(site, "101", rc=None)["ves"][0]["state"] == "no-gateway"


@pytest.mark.generation(4, 9)
@pytest.mark.parametrize("family", [4, 6])
def test_a_rule_of_others_that_takes_a_ve_s_packets_is_named_and_what_is_told_mends_it(site, family):
    """`ip rule add` without a priority comes before ours."""
    site.both("101", "102", uplink="eth3")
    site.end_announcers()
    src, ip = ((VE101, ("ip",)) if family == 4 else (SIX101, ("ip", "-6")))
    beyond, via = (BEYOND, GATEWAY) if family == 4 else (BEYOND6, "fd00:18::1")
    site.hn(*ip, "route", "add", "default", "via", via, "dev", "eth4", "table", "200")
    site.hn(*ip, "rule", "add", "from", src, "lookup", "200", "priority", "999")
    site.leaves_by("101", None, beyond)
    first, second = shown(site, rc=None)["ves"]
    assert (first["state"], second["state"]) == ("diverted", "ok")
    assert f"sends {src} beyond its gateway by eth4" in first["why"]
    moved = first["why"].split("`")[3]
    site.hn("sh", "-ec", moved)
    assert shown(site)["ves"][0]["state"] == "ok"
    site.leaves_by("101", "eth3", beyond)


@pytest.mark.parametrize("rule", ["prohibit", "blackhole", "unreachable"])
def test_a_rule_of_others_that_stops_a_ve_is_named(site, rule):
    site.ve("101", uplink="eth3")
    site.end_announcers()
    site.hn("ip", "rule", "add", "from", VE101, "to", "192.168.18.0/24", rule)
    ve = shown(site, rc=None)["ves"][0]
    assert ve["state"] == "diverted" and f"from {VE101}/32 to 192.168.18.0/24 {rule} priority" in ve["why"]
    assert f"to {GATEWAY} nowhere" in ve["why"]


@pytest.mark.generation(4, 9)
def test_a_ve_whose_init_died_is_not_ok(site):
    """It is mounted still, and nothing leads to it."""
    site.both("101", uplink="eth3")
    site.end_announcers()
    site.vzhooks("resync")
    assert shown(site)["ves"][0]["state"] == "ok"
    for route in (f"{VE101}/32", f"{SIX101}/128"):
        site.node.del_route(route, oif=site.node.ve("101").device)
    site.vzhooks("resync")
    assert shown(site, rc=None)["ves"][0]["state"] == "mounted"


def test_drift_of_the_node_is_told_as_the_node_s(site):
    site.ve("101", uplink="eth3")
    site.end_announcers()
    site.hn("ip", "rule", "del", "from", "192.168.18.10", "to", "192.168.18.0/24", "priority", "1060")
    data = shown(site, rc=3)
    assert data["ves"][0]["state"] == "ok" and data["node"]["state"] == "drift"
    assert "node: drift: missing: 1 rule; run `vzhooks resync`" in site.vzhooks("status", rc=3).stdout


def test_an_uplink_that_was_not_saved_is_told(site):
    site.ve("101", uplink="eth3")
    site.end_announcers()
    site.vzhooks("set", "101", "--uplink", "eth4")
    ve = shown(site)["ves"][0]
    assert (ve["state"], ve["device"], ve["override"]) == ("ok", "eth4", "eth4")
    assert "without --save; its config says eth3" in ve["why"]


def test_an_uplink_for_which_no_gateway_is_known_is_no_plain_ok(site):
    site.hn("ip", "route", "del", "default")
    site.ve("101", uplink="eth3")
    site.end_announcers()
    ve = shown(site, "101")["ves"][0]
    assert ve["state"] == "lan-only" and "no IPv4 gateway known for eth3" in ve["why"]
    site.leaves_by("101", "eth3")


@pytest.mark.parametrize("command", ["status", "resync"])
def test_a_ve_may_be_named(site, command):
    site.ve("101", uplink="eth3", extra='NAME="web one"')
    site.ve("102", uplink="eth4")
    site.end_announcers()
    site.flush("nft")
    site.vzhooks("resync")
    lose_way(site, VE101)
    if command == "status":
        due = site.vzhooks("status", "-v", "web one", rc=3).stderr
        change = f"nft add element inet vzhooks made4 '{{ {VE101} " if site.marks else f"ip rule add from {VE101}/32 "
        assert f"vzhooks status: due: {change}" in due, due
    said = site.vzhooks(command, "web one", rc=3 if command == "status" else 0).stdout
    assert VE101 in said and "192.168.18.102" not in said


def test_a_long_resync_counts_on_a_terminal_alone(site):
    site.node.write_conf("101", [f"10.1.{n}.{m}" for n in range(4) for m in range(1, 250)], "eth3")
    site.node.create_ve("101", ["192.168.18.101"], "eth3")
    site.node.write_conf("101", [f"10.1.{n}.{m}" for n in range(4) for m in range(1, 250)], "eth3")
    site.hn("mount", "-t", "tmpfs", "none", "/vz/root/101")
    shown_there = on_a_terminal(site, "resync", stream="stderr", stdout=subprocess.DEVNULL)
    counts = re.findall(r"\rvzhooks resync: (\d+)/(\d+) changes", shown_there)
    assert all(int(n) <= int(total) for n, total in counts)  # none where the run took less than a second
    assert re.search(r"(^|\n|\r +\r)vzhooks resync: \d+ changes made in \d+ ms\n$", shown_there)
    site.flush("rules")
    assert "/" not in site.vzhooks("resync").stderr
