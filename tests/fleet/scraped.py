# SPDX-License-Identifier: GPL-2.0-or-later
"""A node whose links flap while a Prometheus scrapes its daemon; what the dashboard's panels then get from it.

A Grafana asks Prometheus no other way: each panel's expression, over a range, with its variables filled in.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from bench.flow import Flow
from tests.lab import ExampleNode
from tests.lab.node import CLIENT
from tests.lab.wire import send_udp
from tests.resident import quiet, resident, until
from tests.site import VE101, VE102, Site

DASHBOARD = json.loads((Path(__file__).parents[2] / "contrib/grafana/vzhooks.json").read_text("utf-8"))
METRICS, WEB = "127.0.0.1:9188", "127.0.0.1:9090"
INI = f"""[node]
reserved = eth0
metrics = {METRICS}
[uplink:isp1]
device = eth3
backup = isp2
hold_down = 3s
[uplink:isp2]
device = eth4
hold_down = 1s
"""
CONFIG = f"""global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: vzhooks
    static_configs: [{{targets: ["{METRICS}"], labels: {{instance: node1}}}}]
"""
STARTED_LATER = "103"
STEP_S, RATE_S, AROUND_S = 1, 4, 5.0  # Grafana's $__rate_interval is four scrapes
DATA = "/run/prometheus"


class Prometheus:
    """Run a Prometheus on a node."""

    def __init__(self, site: Site) -> None:
        self.hn = site.node.hn
        self.hn.write(f"{DATA}/prometheus.yml", CONFIG)
        log = self.hn.path(f"{DATA}/log").open("w")
        with log:
            self.process = self.hn.popen(["prometheus", f"--config.file={DATA}/prometheus.yml",
                                          f"--storage.tsdb.path={DATA}/data", f"--web.listen-address={WEB}"],
                                         stdout=log, stderr=log)

    def ask(self, path: str, **words: object) -> Any:
        """Return the data of an answer of its HTTP API; None where it does not answer yet."""
        return self.hn.call(_get, f"http://{WEB}/api/v1/{path}?{urlencode(words)}")

    def latest(self, expression: str) -> list[float]:
        """Return what an expression gives now, for each series."""
        data = self.ask("query", query=expression) or {"result": []}
        return [float(series["value"][1]) for series in data["result"]]


def _get(url: str) -> Any:
    try:
        with urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None


def through_a_flap() -> dict[str, Any]:
    """Return by panel what each of its queries gives, and the times of the flap, in seconds from the start.

    eth3 goes (VE 101 takes its backup), eth4 goes (both VEs are cut off), and both come back.
    """
    with ExampleNode(rp_filter=1) as node, ExitStack() as stack:
        site = Site(node)
        site.install()
        site.ini(INI)
        stack.enter_context(resident(site))
        site.ve("101", uplink="isp1")
        site.ve("102", uplink="isp2")
        quiet(site)
        prometheus = Prometheus(site)
        until(lambda: prometheus.latest("vzhooks_ves"))
        stack.enter_context(_traffic(site))
        start = time.time()
        times = _happen(site, prometheus)
        return {"times": {name: round(at - start, 1) for name, at in times.items()},
                "panels": {str(panel["id"]): [_answer(prometheus, target, start, times["end"])
                                              for target in panel["targets"]] for panel in DASHBOARD["panels"]}}


@contextmanager
def _traffic(site: Site) -> Iterator[None]:
    ve = {ctid: site.node.ve(ctid).box for ctid in ("101", "102")}
    client = site.node.client
    with Flow(ve["101"], client, VE101, CLIENT, 0.005), Flow(ve["102"], client, VE102, CLIENT, 0.01, port=5002), \
            Flow(client, ve["101"], CLIENT, VE101, 0.01, port=5003):
        yield


def _happen(site: Site, prometheus: Prometheus) -> dict[str, float]:
    """Let links go and come, with what belongs to a node's day; go on when Prometheus has seen each."""
    times, node = {}, site.node

    def step(name: str, nic: str, up: bool, seen: str) -> None:
        time.sleep(AROUND_S)
        times[name] = time.time()
        node.link(nic, up)
        until(lambda: prometheus.latest(seen))

    send_udp(node.client, VE102, VE101, count=40)  # claims to be a VE
    site.ve(STARTED_LATER, uplink="isp2")
    step("eth3 down", "eth3", False, 'vzhooks_ves{state="backup"} == 1')
    step("eth4 down", "eth4", False, 'vzhooks_ves{state="blocked"} == 3')
    step("eth4 up", "eth4", True, 'vzhooks_ves{state="blocked"} == 0')
    step("eth3 up", "eth3", True, 'vzhooks_ves{state="ok"} == 3')
    site.stop(STARTED_LATER)
    until(lambda: prometheus.latest('vzhooks_ves{state="ok"} == 2'))
    time.sleep(AROUND_S)
    return {**times, "end": time.time()}


def _answer(prometheus: Prometheus, target: dict[str, str], start: float, end: float) -> dict[str, Any]:
    """Return what a query of a panel gives over the whole time: a series for each legend."""
    expression = target["expr"].replace("$__rate_interval", f"{RATE_S}s").replace("$instance", ".*")
    data = prometheus.ask("query_range", query=expression, start=start, end=end, step=STEP_S)
    return {"query": expression, "series": [
        {"legend": _legend(target["legendFormat"], series["metric"]),
         "values": [[round(at - start, 1), float(value)] for at, value in series["values"] if value != "NaN"]}
        for series in data["result"]]}


def _legend(form: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        form = form.replace(f"{{{{{name}}}}}", value)
    return form
