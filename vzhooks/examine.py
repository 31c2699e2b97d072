# SPDX-License-Identifier: GPL-2.0-or-later
"""Gather what `doctor` judges; changes nothing, and goes on past what cannot be read."""

from __future__ import annotations

import configparser
import glob
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from vzhooks import announce, chain, harden, host, ini, nft, probe, reconcile, shim, sysctl, uplinks
from vzhooks.doctor import Exam
from vzhooks.errors import InputError, SettingsError, VzhooksError
from vzhooks.host import Paths
from vzhooks.policy import Facts
from vzhooks.reconcile import Report, Request
from vzhooks.roles import is_lan
from vzhooks.settings import Settings
from vzhooks.vzconf import VeConfig

NAMES = ("rp_filter", "proxy_arp", "ignore_routes_with_linkdown", *harden.VALUES)
NETWORKD_DIRS = ("/usr/lib/systemd", "/run/systemd", "/etc/systemd")


def gather(paths: Paths, ask: bool) -> Exam:
    """Return all that the checks judge; ask: also send real who-has, for some seconds."""
    unread: list[str] = []
    settings, broken = _settings(paths)
    report, seen = Report(), _Seen(Facts({}))
    try:
        report = reconcile.run(paths, settings, Request(dry_run=True))
        seen = _kernel(report)
        nft.check()
    except VzhooksError as error:
        unread.append(str(error))
    facts = seen.facts
    lan = [n for n in facts.nics.values() if is_lan(n, facts.nics)]
    macs = announce.macs([n.name for n in lan])
    keys = [f"net/ipv4/conf/{where}/{name}" for where in ("all", *(n.name for n in lan)) for name in NAMES]
    assigned = [a for w in report.ways if w.uplink for a in w.ve.addresses if a in facts.local]
    return Exam(
        report=report, facts=facts, unread=tuple(unread), broken=broken, unknown=_unknown(paths, settings, facts),
        sysctls=sysctl.read([*keys, "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"]),
        hooks={**chain.wrong(paths), **shim.wrong(paths)}, host_routes=seen.host_routes,
        strangers=seen.strangers, before=seen.before,
        networkd=_networkd(), answers=probe.ask(lan, macs, assigned) if ask else {}, macs=macs,
    )


def _settings(paths: Paths) -> tuple[Settings, tuple[str, ...]]:
    try:
        settings = ini.load(paths)
        return settings, tuple(settings.broken.values())
    except SettingsError as error:
        with suppress(SettingsError):
            return ini.load_for_hook(paths)[0], (str(error),)
        return Settings(), (str(error),)


@dataclass(frozen=True)
class _Seen:
    """Hold what only the kernel tells."""

    facts: Facts
    host_routes: tuple[tuple[str, str], ...] = ()
    before: tuple[str, ...] = ()
    strangers: Mapping[int, str] = field(default_factory=dict)


def _kernel(report: Report) -> _Seen:
    from vzhooks.kernel import Kernel
    with Kernel() as kernel:
        facts = kernel.facts()
        kernel.rules()
        numbers = sorted(set(report.tables.values()))
        strangers = {n: text for n in numbers if (text := kernel.stranger(n))}
        return _Seen(facts, kernel.host_routes(facts.nics), kernel.rules_before(), strangers)


def _unknown(paths: Paths, settings: Settings, facts: Facts) -> dict[str, str]:
    """Return why the UPLINK of a VE, be it stopped or running, cannot be; by VE."""
    found = {}
    with suppress(VzhooksError):
        for ctid, config in host.read_configs(paths).items():
            if isinstance(config, VeConfig) and config.uplink and facts.nics:
                try:
                    uplinks.resolve(config.uplink, settings, facts.nics)
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
