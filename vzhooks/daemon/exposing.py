# SPDX-License-Identifier: GPL-2.0-or-later
"""Turn our numbers into what prometheus-client writes; the one place that knows that package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from vzhooks.errors import HostError
from vzhooks.status.metrics import Family

MISSING = "the Python package prometheus-client is not there; install it: pip install 'vzhooks[metrics]'"


def require() -> None:
    """Raise HostError, one line, where prometheus-client cannot be used."""
    try:
        import prometheus_client.exposition  # which only a daemon with metrics = pays for
    except ImportError:
        raise HostError(MISSING) from None
    assert prometheus_client


def exposition(found: Sequence[Family], accept: str) -> tuple[bytes, str]:
    """Return the numbers in the form that a scraper accepts, and that form's content type."""
    from prometheus_client.exposition import choose_encoder
    encode, kind = choose_encoder(accept)
    return encode(_Collected(found)), kind  # type: ignore[arg-type]


class _Collected:
    """Hold numbers as a registry does, for an encoder to collect."""

    def __init__(self, found: Iterable[Family]) -> None:
        self._found = found

    def collect(self) -> Iterable[Any]:
        """Return them as prometheus-client's own values."""
        from prometheus_client.core import Metric
        for family in self._found:
            metric = Metric(family.name[:-len("_total")] if family.name.endswith("_total") else family.name,
                            family.text, family.kind)
            for sample in family.samples:
                metric.add_sample(family.name + sample.ending, dict(sample.labels), float(sample.value))
            yield metric
