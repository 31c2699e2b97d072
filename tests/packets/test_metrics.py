# SPDX-License-Identifier: GPL-2.0-or-later
"""What is counted is what happened, with the daemon and without, and nobody who scrapes is waited for."""

import json
import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.lab.wire import send_udp
from tests.resident import resident, until
from tests.site import BEYOND, SIX101, VE101, pair

pytestmark = pytest.mark.generation(4)  # what is counted and said is the same on both
INI = "[node]\nmetrics = 127.0.0.1:9188\n[uplink:isp1]\ndevice = eth3\nbackup = isp2\n[uplink:isp2]\ndevice = eth4\n"
PLACE = ("127.0.0.1", 9188)


def numbers(text):
    return {(s.name, *sorted(s.labels.values())): s.value for f in text_string_to_metric_families(text)
            for s in f.samples}


def printed(site):
    return numbers(site.vzhooks("status", "--prometheus").stdout)


def dropped(site, reason):
    return printed(site)["vzhooks_guard_dropped_packets_total", reason]


def get(site, request=b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"):
    """Return head and body of what the daemon answers."""
    with site.node.hn.socket(socket.AF_INET, socket.SOCK_STREAM) as line:
        line.settimeout(20)
        line.connect(PLACE)
        line.sendall(request)
        text = b""
        while data := line.recv(65536):
            text += data
    head, _, body = text.decode().partition("\r\n\r\n")
    return head, body



def connects(site):
    with site.node.hn.socket(socket.AF_INET, socket.SOCK_STREAM) as line:
        return line.connect_ex(PLACE) == 0


@pytest.fixture
def scraped(site):
    """VE 101 runs by isp1, and the daemon answers on the place that the ini says."""
    site.ini(INI)
    with resident(site) as daemon:
        site.both("101", uplink="isp1")
        until(lambda: site.vzhooks("resync", "--dry-run", rc=None).stdout == "")
        until(lambda: connects(site))
        site.daemon = daemon
        yield site


def test_without_the_daemon_status_prints_numbers(site):
    site.ini(INI)
    site.both("101", uplink="isp1")
    site.end_announcers()
    site.vzhooks("resync")
    before = printed(site)
    assert before["vzhooks_uplink_up", "eth3", "isp1"] == before["vzhooks_ves", "ok"] == 1
    assert before["vzhooks_drift_items",] == before["vzhooks_switches_total", "isp1"] == 0
    site.leaves_by("101", "eth3", BEYOND, count=20)
    out = ("vzhooks_uplink_bytes_total", "isp1", "out")
    assert printed(site)[out] - before[out] > 500
    site.node.link("eth3", up=False)
    assert printed(site)["vzhooks_drift_items",] > 0 == printed(site)["vzhooks_uplink_up", "eth3", "isp1"]
    site.vzhooks("resync")
    after = printed(site)
    assert after["vzhooks_switches_total", "isp1"] == after["vzhooks_ves", "backup"] == 1
    assert "about the whole node" in site.vzhooks("status", "--prometheus", "101", rc=2).stderr


def test_what_the_guard_drops_is_counted_also_by_a_guard_made_anew(site):
    site.both("101", uplink="eth3")
    site.end_announcers()
    site.vzhooks("resync")
    site.flush("rules")
    for src, dst in ((VE101, BEYOND), (SIX101, "2001:db8:113::9")):
        assert send_udp(site.node.ve("101").box, src, dst, count=5) == 5
    until(lambda: dropped(site, "uplink") == 10)
    site.vzhooks("resync")
    site.settled()
    assert site.answers(*pair("101")) == ["eth3"] * 2
    seen = printed(site)
    assert seen["vzhooks_guard_dropped_packets_total", "arp"] > 0 < seen["vzhooks_guard_dropped_packets_total", "ndp"]
    site.hn("nft", "flush", "chain", "inet", "vzhooks", "forward")
    site.vzhooks("resync")
    site.settled()
    assert dropped(site, "uplink") == 10 and dropped(site, "arp") > 0
    site.hn("nft", "reset", "counters", "table", "inet", "vzhooks")
    site.settled()


def test_the_daemon_answers_prometheus(scraped):
    head, body = get(scraped)
    assert head.startswith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4")
    found = numbers(body)
    assert found["vzhooks_uplink_up", "eth3", "isp1"] == 1
    until(lambda: numbers(get(scraped)[1])["vzhooks_ves", "ok"] == 1)
    assert found["vzhooks_hook_seconds_count",] >= 1 and found["vzhooks_hook_seconds_bucket", "+Inf"] >= 1
    scraped.flush("rules")
    until(lambda: numbers(get(scraped)[1])["vzhooks_heals_total", "rule"] > 5)
    assert numbers(get(scraped)[1])["vzhooks_drift_items",] == 0
    scraped.node.link("eth3", up=False)
    until(lambda: numbers(get(scraped)[1])["vzhooks_switches_total", "isp1"] == 1)
    until(lambda: numbers(get(scraped)[1])["vzhooks_ves", "backup"] == 1)
    # What the daemon alone counts is printed as well, and outlives it.
    heals = numbers(get(scraped)[1])["vzhooks_heals_total", "rule"]
    scraped.daemon.close()
    assert printed(scraped)["vzhooks_heals_total", "rule"] == heals
    assert json.loads(scraped.node.hn.read("/run/vzhooks/counts.json"))["heals"]["rule"] == heals


def test_whoever_asks_badly_or_reads_nothing_keeps_nobody_waiting(scraped):
    lines = [scraped.node.hn.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(12)]
    for n, line in enumerate(lines):
        line.connect(PLACE)
        line.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + b"\r\n" * (n % 2))  # half of them only half
    assert get(scraped)[0].startswith("HTTP/1.1 200 OK")
    assert get(scraped, b"POST /metrics HTTP/1.1\r\n\r\n")[0].startswith("HTTP/1.1 405 ")
    assert get(scraped, b"GET /secrets HTTP/1.1\r\n\r\n")[0].startswith("HTTP/1.1 404 ")
    assert get(scraped, b"\0" * 9000)[0].startswith("HTTP/1.1 400 ")
    assert get(scraped, b"HEAD / HTTP/1.1\r\n\r\n")[1] == ""
    scraped.flush("rules")
    with scraped.only_by("eth3", src=pair("101")):
        until(lambda: scraped.ping("101", count=1) == 1)
    for line in lines:
        line.close()


def test_an_address_that_is_taken_or_not_here_is_one_line_and_no_end(site):
    with site.node.hn.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(PLACE)
        taken.listen()
        site.ini(INI)
        with resident(site) as daemon:
            until(lambda: "metrics = 127.0.0.1:9188" in daemon.said())
            site.ini(INI.replace("127.0.0.1:9188", "[2001:db8::77]:9188"))
            until(lambda: "metrics = [2001:db8::77]:9188" in daemon.said())
            site.both("101", uplink="isp1")
            site.leaves_by("101", "eth3")
            lines = [line for line in daemon.said().splitlines() if "metrics" in line]
            assert len(lines) == 2 and "cannot be had (Address already in use); free or correct it" in lines[0], lines
            taken.close()
            site.ini(INI)
            until(lambda: connects(site))
            assert get(site)[0].startswith("HTTP/1.1 200 OK")


def test_install_lets_the_daemon_s_unit_listen_where_the_ini_wants_it(site):
    place = "/etc/systemd/system/vzhooks.service.d"
    assert not site.node.hn.exists(place)
    site.ini(INI)
    assert f"put {place}/10-metrics.conf" in site.vzhooks("install").stdout
    assert "RestrictAddressFamilies=AF_INET AF_INET6\n" in site.node.hn.read(f"{place}/10-metrics.conf")
    assert site.vzhooks("install").stdout == ""
    site.ini("")
    assert f"removed {place}/10-metrics.conf" in site.vzhooks("install").stdout
    site.ini(INI)
    site.vzhooks("install")
    site.vzhooks("uninstall")
    assert not site.node.hn.exists(place)
