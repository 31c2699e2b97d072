"""The numbers for Prometheus are those of status, of the daemon and of the kernel, in its own format."""

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.status.test_rows import SETTINGS, VE101, view
from vzhooks.daemon.exposing import exposition
from vzhooks.model import Rule, Ve
from vzhooks.policy.counts import Counts
from vzhooks.policy.health import Standing
from vzhooks.policy.plan import ADD, Op
from vzhooks.status.metrics import Family, Measured, Sample, as_text, families

COUNTS = Counts({"rule": 3}).hooked(0.004).hooked(0.2).hooked(99.0)
NODES = Op(ADD, Rule(4, 1060, 1003, src="192.168.18.11/32"))
SEEN = Measured(view(VE101, Ve("102", ("192.168.18.102",), "isp2"), Ve("105", ("192.168.18.105",)), ops=(NODES,),
                     standing={"isp1": Standing("isp2", True, 1.0, 7)}),
                '0"1\\', COUNTS, {"reserved": (5, 500)}, {"eth3": (1000, 2000), "lo": (1, 1)})


def numbers(text):
    return {(s.name, *sorted(s.labels.values())): s.value for f in text_string_to_metric_families(text)
            for s in f.samples}


FOUND = numbers(as_text(families(SEEN)))


@pytest.mark.parametrize("key, value", [
    (("vzhooks_uplink_up", "eth3", "isp1"), 1), (("vzhooks_uplink_up", "eth4", "isp2"), 0),
    (("vzhooks_ves", "ok"), 1), (("vzhooks_ves", "blocked"), 1), (("vzhooks_ves", "unassigned"), 1),
    (("vzhooks_ves", "drift"), 0), (("vzhooks_drift_items",), 1), (("vzhooks_heals_total", "rule"), 3),
    (("vzhooks_heals_total", "route"), 0), (("vzhooks_switches_total", "isp1"), 7),
    (("vzhooks_switches_total", "isp2"), 0), (("vzhooks_guard_dropped_packets_total", "reserved"), 5),
    (("vzhooks_guard_dropped_packets_total", "arp"), 0), (("vzhooks_hook_seconds_bucket", "0.005"), 1),
    (("vzhooks_hook_seconds_bucket", "0.1"), 1), (("vzhooks_hook_seconds_bucket", "0.25"), 2),
    (("vzhooks_hook_seconds_bucket", "10"), 2), (("vzhooks_hook_seconds_bucket", "+Inf"), 3),
    (("vzhooks_hook_seconds_count",), 3), (("vzhooks_hook_seconds_sum",), 99.204),
    (("vzhooks_uplink_bytes_total", "in", "isp1"), 1000), (("vzhooks_uplink_bytes_total", "isp1", "out"), 2000),
    (("vzhooks_build_info", '0"1\\'), 1),
])
def test_a_number(key, value):
    assert FOUND[key] == pytest.approx(value)


def test_a_ve_with_several_uplinks_counts_once_by_the_worst():
    two = view(Ve("101", ("192.168.18.101", "192.168.18.102"), "isp2,isp1"), settings=replace(SETTINGS, uplinks={
        "isp1": SETTINGS.uplinks["isp1"], "isp2": replace(SETTINGS.uplinks["isp2"], sources=("192.168.18.102/32",))}))
    found = numbers(as_text(families(Measured(two, "1"))))
    assert (found["vzhooks_ves", "blocked"], found["vzhooks_ves", "ok"]) == (1, 0)


def test_a_broken_uplink_and_a_device_that_is_not_there_have_no_numbers():
    assert not [key for key in FOUND if "isp9" in key or "lo" in key]
    assert not [key for key in FOUND if key[0] == "vzhooks_uplink_bytes_total" and "isp2" in key]


def test_what_prometheus_client_writes_says_the_same():
    data, kind = exposition(list(families(SEEN)), "")
    assert kind.startswith("text/plain; version=0.0.4") and numbers(data.decode()) == FOUND
    data, kind = exposition(list(families(SEEN)), "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text") and data.endswith(b"# EOF\n")
    assert b"# TYPE vzhooks_switches counter\n" in data and b'vzhooks_switches_total{uplink="isp1"} 7.0' in data


def test_the_text_of_a_family():
    text = as_text([Family("a_total", "counter", "What\nit is.", (Sample(2, {"x": 'a"\n'}), Sample(0.5)))])
    assert text == '# HELP a_total What\\nit is.\n# TYPE a_total counter\na_total{x="a\\"\\n"} 2\na_total 0.5\n'


def test_every_number_is_told_of_in_words():
    assert all(f.text.endswith(".") and f.samples for f in families(SEEN))
