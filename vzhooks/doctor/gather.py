# SPDX-License-Identifier: GPL-2.0-or-later
"""Gather what `doctor` judges; changes nothing, and goes on past what cannot be read."""

from __future__ import annotations

import configparser
import glob
import ipaddress
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from vzhooks import __version__
from vzhooks.addresses import family_of, host_prefix
from vzhooks.ask import command
from vzhooks.config.settings import Settings
from vzhooks.config.vzconf import VeConfig
from vzhooks.doctor import rule_checks
from vzhooks.doctor.findings import Exam
from vzhooks.errors import InputError, VzhooksError
from vzhooks.install import chain, shim, units
from vzhooks.kernel import nft, sysctl
from vzhooks.model import MAIN, Lookup, Rule
from vzhooks.neighbours import announce, probe
from vzhooks.node import host, trust
from vzhooks.node.host import Paths
from vzhooks.policy import compare, harden, uplinks
from vzhooks.policy.compare import Flow
from vzhooks.policy.datapath import OUTGROWN
from vzhooks.policy.facts import Facts
from vzhooks.policy.marks import Marks
from vzhooks.policy.nat import Nat
from vzhooks.policy.roles import is_lan
from vzhooks.run import reconcile
from vzhooks.run.request import LOOK, Report, Request
from vzhooks.status import view

NAMES = ("rp_filter", "proxy_arp", "ignore_routes_with_linkdown", *harden.VALUES)
NETWORKD_DIRS = ("/usr/lib/systemd", "/run/systemd", "/etc/systemd")


def gather(paths: Paths, ask: bool) -> Exam:
    """Return all that the checks judge; ask: also send real who-has, for some seconds."""
    unread: list[str] = []
    report, seen = Report(), _Seen()
    try:
        report = reconcile.run(paths, Request(dry_run=True, door=LOOK))
        seen = _kernel(view.View(report, report.settings))
        nft.check()
    except VzhooksError as error:
        unread.append(str(error))
    settings, facts, nat = report.settings, report.facts, _translations(report, unread)
    lan = facts.lan
    macs = announce.macs([n.name for n in lan])
    keys = [f"net/ipv4/conf/{where}/{name}" for where in ("all", *(n.name for n in lan)) for name in NAMES]
    assigned = [a for w in report.ways if w.uplink for a in w.ve.addresses if a in facts.local]
    return Exam(
        report=report, settings=settings, facts=facts, unread=tuple(unread),
        broken=(*report.warnings, *settings.broken.values()),
        unknown=_unknown(paths, settings, facts),
        sysctls=sysctl.read([*keys, "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"]),
        hooks={**chain.wrong(paths), **shim.wrong(paths)}, host_routes=tuple(_host_routes(facts)),
        strangers=seen.strangers, reachable=seen.reachable, lookups=seen.lookups, others=facts.theirs,
        nat=nat, networkd=_networkd(), untrusted=tuple(trust.untrusted(trust.executed())),
        silent=units.is_here() and os.path.exists(paths.daemon_unit) and not command.hello(__version__),
        answers=probe.ask(lan, macs, assigned) if ask else {}, macs=macs, moved=seen.moved, lost=seen.lost,
        walk_us=seen.walk_us,
    )


@dataclass(frozen=True)
class _Seen:
    """Hold what only the kernel tells."""

    strangers: Mapping[int, str] = field(default_factory=dict)
    reachable: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    lookups: Mapping[tuple[str, str], Lookup] = field(default_factory=dict)
    moved: Mapping[Flow, str] = field(default_factory=dict)
    lost: Mapping[Flow, str] = field(default_factory=dict)
    walk_us: float = 0.0


def _kernel(seen: view.View) -> _Seen:
    from vzhooks.kernel.asking import answers, walk_us
    from vzhooks.kernel.netlink import Kernel
    with Kernel() as kernel:
        strangers = {n: text for n in sorted(set(seen.report.tables.values())) if (text := kernel.stranger(n))}
    looked = {o.table: o.named for o in seen.report.facts.theirs if o.table}
    strangers.update({n: f"table {n} is looked up by another's rule: {looked[n]}" for n in seen.report.tables.values()
                      if n in looked and n not in strangers})
    asked = dict.fromkeys((*view.questions(seen), *_of_main(seen)))
    marks = Marks(seen.report.found)
    lookups, reachable = answers(asked, view.places(seen), seen.report.facts, marks)
    by_rule = rule_checks.by_rule(seen.report)
    cost = walk_us(by_rule[-1], seen.report.facts, marks) if len(by_rule) >= OUTGROWN else 0.0
    return _Seen(strangers, reachable, lookups, *_by_ours(seen.report), cost)


def _by_ours(report: Report) -> tuple[dict[Flow, str], dict[Flow, str]]:
    """Return who goes another way by rules of ours, or nowhere, though he asked for nothing."""
    from vzhooks.kernel.asking import without
    ours = [i for i in report.found if isinstance(i, Rule)]
    flows = compare.flows(report.facts, report.ways) if ours else []
    before, after = without(flows, ours, report.facts, Marks(report.found))
    home = {f for f, now in after.items() if now.dev in report.facts.nics and f.src in report.facts.nics[now.dev].owns
            and before[f].table == MAIN}
    moved, lost = compare.differences(before, after, report.settings.reserved)
    return {f: line for f, line in moved.items() if f not in home}, lost  # as hardening means it to


def _host_routes(facts: Facts) -> Iterator[tuple[str, str]]:
    """Return main's routes to single hosts of a LAN by LAN NICs, as (destination, device)."""
    nets = [ipaddress.ip_network(n) for nic in facts.lan for n in nic.networks]
    for route in facts.main:
        address = route.dst.partition("/")[0]
        if route.dev in facts.nics and is_lan(facts.nics[route.dev]) and route.dst != "default" and (
                route.dst == host_prefix(address)) and any(ipaddress.ip_address(address) in n for n in nets):
            yield address, route.dev


def _of_main(seen: view.View) -> Iterator[tuple[str, str]]:
    """Return what to ask about VEs without uplink: where main sends them."""
    return ((a, view.FAR[family_of(a)]) for way in seen.report.ways if way.state == "unassigned"
            for a in way.ve.addresses if a in seen.report.facts.local)


def _translations(report: Report, unread: list[str]) -> tuple[Nat, ...]:
    """Return others' address translations, where a VE has an uplink; that they cannot be read is noted down."""
    try:
        return nft.translations() if any(w.uplink for w in report.ways) else ()
    except VzhooksError as error:
        unread.append(f"address translations of others were not looked at: {error}")
        return ()


def _unknown(paths: Paths, settings: Settings, facts: Facts) -> dict[str, str]:
    """Return why the UPLINK of a VE, be it stopped or running, cannot be; by VE."""
    found = {}
    with suppress(VzhooksError):
        for ctid, config in host.read_configs(paths).items():
            if isinstance(config, VeConfig) and config.uplink and facts.nics:
                try:
                    uplinks.resolve_all(config.uplink, settings, facts.nics)
                except InputError as error:
                    found[ctid] = str(error)
    return found


def _networkd() -> bool:
    """Tell whether systemd-networkd runs here and deletes the rules of others (networkd.conf(5))."""
    if not os.path.exists("/run/systemd/netif/state"):
        return False
    conf = configparser.ConfigParser(interpolation=None, strict=False)
    files = [f"{d}/networkd.conf" for d in NETWORKD_DIRS]
    files += [f for d in NETWORKD_DIRS for f in sorted(glob.glob(f"{d}/networkd.conf.d/*.conf"))]
    with suppress(configparser.Error):
        conf.read(files)
    value = conf.get("Network", "ManageForeignRoutingPolicyRules", fallback="yes")
    return value.strip().lower() not in ("no", "false", "0", "off")
