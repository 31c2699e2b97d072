"""Without prometheus-client the daemon says in one line what to install."""

import sys

import pytest

from vzhooks.daemon import exposing
from vzhooks.errors import HostError


def test_a_missing_package_is_named(monkeypatch):
    exposing.require()
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "prometheus_client.exposition", raising=False)
    with pytest.raises(HostError, match=r"prometheus-client is not there; install it: pip install 'vzhooks\[metrics\]"):
        exposing.require()
