"""The daemon counts what it mended, by kind, and hooks in buckets."""

import pytest

from vzhooks.model import Element, Proxy, Rule, Skeleton, Sysctl
from vzhooks.policy.counts import BOUNDS_S, Counts
from vzhooks.policy.plan import ADD, DELETE, Op


def test_each_item_counts_by_its_kind_whatever_was_wrong_with_it():
    ops = [Op(ADD, Rule(4, 1020, 7)), Op(DELETE, Rule(4, 1020, 8)), Op(ADD, Skeleton("x")),
           Op(ADD, Element("lan", ("a",))), Op(ADD, Proxy(4, "10.0.0.1", "a")), Op(ADD, Sysctl("a", "1"))]
    once = Counts().healed(ops)
    assert once.heals == {"rule": 2, "guard": 2, "proxy": 1, "sysctl": 1}
    assert once.healed(ops[:1]).heals["rule"] == 3


@pytest.mark.parametrize("seconds, bucket", [(0.0, 0), (BOUNDS_S[0], 0), (0.006, 1), (10.0, 10), (11.0, 11)])
def test_a_hook_counts_in_the_first_bucket_that_holds_it(seconds, bucket):
    found = Counts().hooked(seconds)
    assert [n for n, count in enumerate(found.hooks) if count] == [bucket] and found.hook_s == seconds
