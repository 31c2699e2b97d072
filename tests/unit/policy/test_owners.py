# SPDX-License-Identifier: GPL-2.0-or-later
"""An address that several VEs claim is left to one of them, whoever a hook is about."""

import pytest

from vzhooks.policy.evidence import Event, Evidence
from vzhooks.policy.owners import settle
from vzhooks.policy.records import STARTING, Record

A = "192.168.18.101"


@pytest.mark.parametrize("event", [None, Event("umount", "103"), Event("mount", "102")])
def test_one_of_those_who_claim_an_address_has_it(event):
    after = {ctid: Record(STARTING, 1.0, "eth3", (A,)) for ctid in ("101", "102")}
    settle(after, {}, Evidence(), event)
    owner = "102" if event and event.ctid == "102" else "101"
    assert [c for c, record in after.items() if record.addresses] == [owner]
