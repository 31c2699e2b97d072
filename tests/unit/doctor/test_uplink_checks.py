"""Doctor tells which uplinks are down, which backups cannot stand in, and which probes nobody makes."""

from dataclasses import replace

import pytest

from tests.unit.example import ETH0, ETH3, ETH4, LO, VENET0, facts, nic
from vzhooks.config.settings import parse
from vzhooks.doctor import uplink_checks
from vzhooks.doctor.findings import Exam
from vzhooks.policy.health import Health
from vzhooks.policy.uplinks import healths
from vzhooks.run.request import Report

BACKED = "[uplink:isp1]\ndevice = eth3\nbackup = isp2\n[uplink:isp2]\ndevice = eth4\n"
BARE = nic("eth3", 3)
SILENT = Health("down", 880.0, "gateway 192.168.18.1 does not answer on eth3", -3)


def found(ini, *nics, known=None, probed=()):
    settings, seen = parse(ini), facts(LO, ETH0, VENET0, *(nics or (ETH3, ETH4)))
    seen = replace(seen, health=healths(settings, seen.nics, known or {}, 1000.0))
    report = Report(facts=seen, settings=settings, now=1000.0, probed=frozenset(probed))
    exam = Exam(report, settings, seen)
    return [(f.check, f.level, f.subject, f.evidence) for check in uplink_checks.CHECKS for f in check(exam)]


CASES = {
    "all is well": (BACKED, (), {}, (), []),
    "a backup stands in": (BACKED, (replace(ETH3, up=False), ETH4), {}, (), [
        ("uplink-down", "warning", "uplink isp1", "down: eth3 is down; isp2 stands in")]),
    "nobody stands in": (BACKED, (ETH3, replace(ETH4, carrier=False)), {}, (), [
        ("uplink-down", "error", "uplink isp2", "down: eth4 has no carrier")]),
    "since when": (BACKED, (), {"isp1": SILENT}, (), [
        ("uplink-down", "warning", "uplink isp1", "held: eth3 is up again; isp2 stands in; VEs come back in 30 s if "
         "that lasts")]),
    "a gateway that is silent since": (
        BACKED.replace("backup", "probe = gateway\nbackup"), (), {"isp1": SILENT}, ("isp1", "isp2"), [
            ("uplink-down", "warning", "uplink isp1", "down since 2m: gateway 192.168.18.1 does not answer on eth3; "
             "isp2 stands in")]),
    "a backup with an error": (BACKED + "table = 254\n", (), {}, (), [
        ("backup", "error", "uplink isp1", "its backup cannot be used: vzhooks.ini:6: [uplink:isp2] table = 254: not a "
         "free table; allowed: 1 to 4294967295 but 253, 254, 255")]),
    "a backup by the same device": (BACKED.replace("eth4", "eth3"), (), {}, (), [
        ("backup", "warning", "uplink isp1", "its backup isp2 goes by eth3 as well, so it has no link either when that "
         "has none")]),
    "no daemon": (BACKED + "probe = gateway\n", (), {}, (), [
        ("probe", "warning", "uplink isp2", "the daemon probes it and does not run, so only its link counts")]),
    "no gateway to ask": ("[uplink:isp1]\ndevice = eth3\nprobe = gateway\n", (BARE,), {}, ("isp1",), [
        ("probe", "warning", "uplink isp1", "no gateway is known, so probe = gateway asks nobody and only its link "
         "counts")]),
    "no address to ping from": (
        "[uplink:isp1]\ndevice = eth3\ngateway = 192.168.18.1\nprobe = 203.0.113.9\n", (BARE,), {}, ("isp1",), [
            ("probe", "warning", "uplink isp1", "eth3 has no IPv4 address to ping 203.0.113.9 from, so its gateway is "
             "asked instead")]),
}


@pytest.mark.parametrize("ini, nics, known, probed, findings", CASES.values(), ids=CASES)
def test_what_is_found_where(ini, nics, known, probed, findings):
    assert found(ini, *nics, known=known, probed=probed) == findings
