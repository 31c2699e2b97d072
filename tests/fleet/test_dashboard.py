"""What a Prometheus that scraped a node through a flap gives to the dashboard: each panel's queries, asked of it."""

import pytest

from tests.fleet.scraped import DASHBOARD, through_a_flap

PANELS = {panel["title"]: str(panel["id"]) for panel in DASHBOARD["panels"]}


@pytest.fixture(scope="module")
def scraped():
    return through_a_flap()


@pytest.fixture
def panel(scraped):
    """Return all values by legend of a panel given by its title."""
    return lambda title: {s["legend"]: [value for _, value in s["values"]]
                          for answer in scraped["panels"][PANELS[title]] for s in answer["series"]}


@pytest.mark.parametrize("title", PANELS)
def test_each_query_of_a_panel_gives_something_to_draw(scraped, title):
    for answer in scraped["panels"][PANELS[title]]:
        assert any(len(series["values"]) > 1 for series in answer["series"]), answer["query"]
        assert all("{{" not in series["legend"] for series in answer["series"]), answer


def test_the_flap_is_seen(panel):
    uplinks = panel("Uplinks over time")
    assert {0, 1} == set(uplinks["node1 isp1"]) == set(uplinks["node1 isp2"])
    states = panel("VEs by state")
    assert max(states["backup"]) == 1 and max(states["blocked"]) == 3 and states["ok"][-1] == 2
    assert max(panel("VEs cut off")[""]) == 3
    assert sum(panel("Switches")["node1 isp1"]) > 0 and sum(panel("Mended")["node1 route"]) > 0


def test_traffic_drops_and_hooks_are_seen(panel):
    assert max(panel("Out by uplink")["node1 isp1"]) > 0 < max(panel("In by uplink")["node1 isp2"])
    assert max(panel("Dropped by the guard")["node1 spoofed"]) > 0
    assert max(panel("Time of hooks")["node1 95 %"]) > 0
