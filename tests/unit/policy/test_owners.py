# SPDX-License-Identifier: GPL-2.0-or-later
"""An address that several VEs claim is left to one of them, whoever a hook is about."""

import pytest

from vzhooks.policy.evidence import Event, Evidence
from vzhooks.policy.owners import settle
from vzhooks.policy.records import RUNNING, STARTING, Record

A = "192.168.18.101"


@pytest.mark.parametrize("event", [None, Event("umount", "103"), Event("mount", "102")])
def test_one_of_those_who_claim_an_address_has_it(event):
    after = {ctid: Record(STARTING, 1.0, "eth3", (A,)) for ctid in ("101", "102")}
    settle(after, {}, Evidence(), event)
    owner = "102" if event and event.ctid == "102" else "101"
    assert [c for c, record in after.items() if record.addresses] == [owner]


def had(*ctids):
    return {ctid: Record(RUNNING, 1.0, "eth3", (A,)) for ctid in ctids}


ROUTED = frozenset({A})


@pytest.mark.parametrize("claimants, before, evidence, event, owner", [
    (("101", "102"), had("101"), Evidence(routed=ROUTED, veip={"102": (A,)}), None, "102"),
    (("101", "102"), had("101"), Evidence(veip={"102": (A,)}), None, "101"),
    (("101", "102"), had("102"), Evidence(routed=ROUTED, veip={}), None, "102"),
    (("101", "102"), had("101", "102"), Evidence(routed=ROUTED), Event("mount", "101"), "102"),
    (("102",), {}, Evidence(routed=ROUTED, veip={"103": ("192.168.18.103",)}), Event("mount", "102"), "102"),
    (("102",), {}, Evidence(routed=ROUTED, veip={"103": (A,)}), Event("mount", "102"), None),
    (("102",), {}, Evidence(veip={"103": (A,)}), Event("mount", "102"), "102"),
    (("101", "102"), had("101"), Evidence(routed=ROUTED, veip={"102": (A,)}, looked=frozenset({"102"})), None, "101"),
])
def test_who_has_an_address_by_what_is_routed_listed_and_recorded(claimants, before, evidence, event, owner):
    after = {ctid: Record(STARTING, 1.0, "eth3", (A,)) for ctid in claimants}
    settle(after, before, evidence, event)
    assert next((c for c, record in after.items() if record.addresses), None) == owner
