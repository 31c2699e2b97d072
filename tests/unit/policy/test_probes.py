"""What is asked on the wire about an uplink follows from its probe, its gateways and its device's addresses."""

from dataclasses import replace

import pytest

from tests.unit.example import ETH0, ETH3, LO, VENET0, facts, nic
from vzhooks.config.settings import parse
from vzhooks.model import Gateway
from vzhooks.policy.probes import Ask, Target, silent, targets

GATEWAY, GATEWAY6 = "192.168.18.1", "fd00:18::1"
BOTH = nic("eth3", 3, "192.168.18.11/24", "10.0.0.5/8", "fd00:18::11/64")


def asked(probe, *nics, more=""):
    gateways = (Gateway(GATEWAY, "eth0"), Gateway(GATEWAY6, "eth0"))
    known = facts(LO, ETH0, VENET0, *(nics or (BOTH,)), gateways=gateways)
    found = targets(parse(f"[uplink:isp1]\ndevice = eth3\nprobe = {probe}\nprobe_interval = 2s\n{more}"), known)
    assert all(t.device == "eth3" and t.interval == 2.0 for t in found.values())
    return [(a.address, a.hop, a.source, a.ping) for t in found.values() for a in t.asks]


BARE = nic("eth3", 3)
PPP = nic("eth3", 3, "10.9.0.2/32", pointopoint=True)
CASES = {
    "nothing but the link": ("link", (), "", []),
    "each gateway": ("gateway", (), "", [(GATEWAY, GATEWAY, "192.168.18.11", False),
                                         (GATEWAY6, GATEWAY6, "fd00:18::11", False)]),
    "no gateway on purpose": ("gateway", (), "gateway6 = none", [(GATEWAY, GATEWAY, "192.168.18.11", False)]),
    "in nobody's name": ("gateway", (BARE,), f"gateway = {GATEWAY}", [(GATEWAY, GATEWAY, "", False)]),
    "no gateway that is known": ("gateway", (BARE,), "", []),
    "no neighbour on a line of two": ("gateway", (PPP,), f"gateway = {GATEWAY}", []),
    "a host of its LAN": ("192.168.18.77", (), "", [("192.168.18.77", "192.168.18.77", "192.168.18.11", True)]),
    "a host of its other network": ("10.1.2.3", (), "", [("10.1.2.3", "10.1.2.3", "10.0.0.5", True)]),
    "a host beyond the gateway": ("203.0.113.9", (), "", [("203.0.113.9", GATEWAY, "192.168.18.11", True)]),
    "an IPv6 host beyond": ("2001:db8::9", (), "", [("2001:db8::9", GATEWAY6, "fd00:18::11", True)]),
    "a host beyond, without a gateway": ("203.0.113.9", (), "gateway = none",
                                         [("203.0.113.9", "203.0.113.9", "192.168.18.11", True)]),
    "a host at the other end": ("203.0.113.9", (PPP,), "", [("203.0.113.9", "", "10.9.0.2", True)]),
    "its gateway, where there is no address to ping from": (
        "203.0.113.9", (BARE,), f"gateway = {GATEWAY}", [(GATEWAY, GATEWAY, "", False)]),
    "nobody without a link": ("gateway", (replace(BOTH, carrier=False),), "", []),
    "nobody while it is down": ("gateway", (replace(BOTH, up=False),), "", []),
}


@pytest.mark.parametrize("probe, nics, more, asks", CASES.values(), ids=CASES)
def test_asked_is(probe, nics, more, asks):
    assert asked(probe, *nics, more=more) == asks


def test_an_uplink_that_ves_cannot_have_is_not_asked():
    ini = parse("[node]\nreserved = eth4\n[uplink:isp1]\ndevice = eth3\nprobe = gateway\n[uplink:isp2]\nprobe = x\n")
    assert list(targets(ini, facts(LO, ETH0, ETH3, VENET0))) == ["isp1"]
    assert targets(replace(ini, reserved=("eth3",)), facts(LO, ETH0, ETH3, VENET0)) == {}


def test_who_is_silent_is_told():
    asks = tuple(Ask(a, a, "", False, f"gateway {a}") for a in (GATEWAY, GATEWAY6))
    target = Target("isp1", "eth3", asks, 1.0)
    assert silent(target, asks[:1]) == f"gateway {GATEWAY} does not answer on eth3"
    assert silent(target, asks) == f"gateway {GATEWAY} and gateway {GATEWAY6} do not answer on eth3"
