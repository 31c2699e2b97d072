"""Alert rules and dashboard: promtool takes them, and they ask for nothing but metrics and labels that there are."""

import json
import re
import subprocess

import pytest

from pack.release import ROOT
from vzhooks.config.settings import Settings
from vzhooks.policy.guard import REASONS
from vzhooks.run.request import Report
from vzhooks.status import metrics as metrics_of
from vzhooks.status.view import View
from vzhooks.usage.outline import outline

FOLDER = ROOT / "contrib/prometheus"
RULES = (FOLDER / "vzhooks.rules.yml").read_text()
DASHBOARD = json.loads((ROOT / "contrib/grafana/vzhooks.json").read_text())
LABELS = {
    "vzhooks_uplink_up": {"uplink", "device"}, "vzhooks_ves": {"state"}, "vzhooks_drift_items": set(),
    "vzhooks_heals_total": {"kind"}, "vzhooks_switches_total": {"uplink"},
    "vzhooks_guard_dropped_packets_total": {"reason"}, "vzhooks_hook_seconds_bucket": {"le"},
    "vzhooks_uplink_bytes_total": {"uplink", "direction"}, "vzhooks_build_info": {"version"},
}
ANY = {"job", "instance"}
"""Labels that Prometheus itself gives."""
TARGETS = [t for panel in DASHBOARD["panels"] for t in panel["targets"]]
# An expression stands behind its key or, folded, in the lines below it.
FOLDED = re.compile(r"^ +expr: (?:>-\n)?((?:.*\n)+?)(?= +(?:for|labels):)", re.MULTILINE)
EXPRESSIONS = [" ".join(text.split()) for text in FOLDED.findall(RULES)]
QUERIES = {**{t["expr"]: t["legendFormat"] for t in TARGETS}, **dict.fromkeys(EXPRESSIONS, "")}


def promtool(*words, cwd=FOLDER):
    return subprocess.run(["promtool", *words], cwd=cwd, capture_output=True, text=True)


def test_promtool_takes_the_rules():
    done = promtool("check", "rules", "vzhooks.rules.yml")
    assert done.returncode == 0 and f"{RULES.count('- alert:')} rules found" in done.stdout, done


def test_each_alert_fires_when_it_should_and_not_before():
    done = promtool("test", "rules", "vzhooks.rules.test.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    tests = (FOLDER / "vzhooks.rules.test.yml").read_text()
    for alert in re.findall(r"- alert: (\w+)", RULES):
        assert re.search(rf"alertname: {alert}\n +exp_alerts:", tests), f"{alert}: no test in which it fires"
        assert f"alertname: {alert}}}" in tests, f"{alert}: no test in which it does not"


def test_promtool_takes_each_query_of_the_dashboard(tmp_path):
    plain = [t["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*") for t in TARGETS]
    rules = [{"record": f"panel:number{n}", "expr": expr} for n, expr in enumerate(plain)]
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    done = promtool("check", "rules", "panels.yml", cwd=tmp_path)
    assert done.returncode == 0 and f"{len(plain)} rules found" in done.stdout, done


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_what_there_is(query):
    metrics = set(re.findall(r"vzhooks_\w+", query))
    assert metrics <= set(LABELS), query
    known = ANY.union(*(LABELS[m] for m in metrics))
    asked = set(re.findall(r"([a-z]+)(?:=|=~)\"", query))
    asked |= {word for inside in re.findall(r"by \(([^)]*)\)", query) for word in inside.split(", ")}
    asked |= set(re.findall(r"\{\{(\w+)\}\}", QUERIES[query]))
    assert asked <= known, query
    for label, values in re.findall(r"(state|reason|direction)=~?\"([^\"]*)\"", query):
        there = {"state": metrics_of.STATES, "reason": REASONS, "direction": ("in", "out")}[label]
        assert set(values.split("|")) <= set(there), query


def test_the_metrics_are_those_that_there_are():
    seen = metrics_of.Measured(View(Report(), Settings(), ()), "1")
    names = {f.name for f in metrics_of.families(seen)}
    assert {re.sub("_bucket$", "", name) for name in LABELS} == names
    assert len(EXPRESSIONS) == RULES.count("- alert:")


def test_alerts_name_commands_that_there_are():
    commands = {c.name for c in outline().commands}
    assert set(re.findall(r"`vzhooks ([a-z]+)", RULES)) <= commands


def test_every_metric_is_in_the_dashboard_and_panels_do_not_overlap():
    shown = " ".join(t["expr"] for t in TARGETS)
    assert [m for m in LABELS if m not in shown] == []
    cells = [(x, y) for p in DASHBOARD["panels"] for g in [p["gridPos"]] for x in range(g["x"], g["x"] + g["w"])
             for y in range(g["y"], g["y"] + g["h"])]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24
    assert len({p["id"] for p in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
