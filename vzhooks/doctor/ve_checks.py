# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks on VEs and their uplinks: configuration, where each VE's packets go, gateways. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from vzhooks.addresses import family_of
from vzhooks.doctor.findings import ERROR, WARNING, Exam, Finding, step_of
from vzhooks.model import Nic, Problem, Uplink
from vzhooks.policy import gateways, sources
from vzhooks.policy.foreign import mend
from vzhooks.policy.uplinks import every, gateway_of, holds
from vzhooks.status import verdict
from vzhooks.status.view import FAR

PRIVATE = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
"""RFC 1918, RFC 4193."""
TUNNELS = ("wireguard", "tun", "ppp", "ipip", "ip6tnl", "gre", "ip6gre", "sit", "vti", "vti6", "xfrm")
# What to do about a way that is down, by what `uplinks.why_down` says of its device.
DOWN = ((r"(\S+) does not exist \(yet\)$", "make the device {0}, or correct device = in the ini"),
        (r"(\S+) is down$", "`ip link set {0} up`"),
        (r"(\S+) has no carrier$", "mend the cable or switch port of {0}"))


def configuration(exam: Exam) -> Iterator[Finding]:
    """The ini, its uplinks, and VE configs that name no uplink of this node."""
    for text in exam.broken:
        yield Finding("ini", ERROR, "vzhooks.ini", text, "correct that line, then `vzhooks resync`")
    for ctid, why in exam.unknown.items():
        yield Finding("ve-uplink", ERROR, f"VE {ctid}", why, "name an uplink of this node in its UPLINK, or declare it")


def problems(exam: Exam) -> Iterator[Finding]:
    """What a run would complain of: others' rules (a twin of ours as well) among ours, a VE cut off."""
    for problem in exam.report.problems:
        if problem.text not in exam.unknown.values():
            subject = f"VE {problem.ctid}" if problem.ctid else "this node"
            level = ERROR if problem.refuses else WARNING
            yield Finding("problem", level, subject, problem.text, _fix_of(problem))


def _fix_of(problem: Problem) -> str:
    for pattern, fix in DOWN:
        found = re.search(pattern, problem.text)
        if found:
            return f"{fix.format(found.group(1))}, then `vzhooks resync`"
    if "cannot be read" in problem.text:
        return "let root read that file, then `vzhooks resync`"
    return f"{step_of(problem.text, 'mend what is found')}, then `vzhooks resync`"


def ways(exam: Exam) -> Iterator[Finding]:
    """VEs whose packets the kernel does not send as they should go."""
    for way in exam.report.ways:
        state, why = verdict.judge(way, exam.view)
        subject = f"VE {way.ve.ctid}"
        wrong = verdict.astray(way, exam.view) if state == verdict.DIVERTED else None
        if wrong and wrong.rule:
            found = f"{verdict.sent(wrong)}, since another's rule comes before ours: {wrong.rule.named}"
            yield Finding("diverted", ERROR, subject, found, mend(wrong.rule))
        elif wrong:
            fix = f"see `ip route get {wrong.dst} from {wrong.src}` and `ip rule` for what does that"
            yield Finding("diverted", ERROR, subject, verdict.sent(wrong), fix)
        elif state == verdict.MOUNTED:
            yield Finding("mounted", WARNING, subject, why, f"`vzctl restart {way.ve.ctid}`, or umount it")


def silent_gateways(exam: Exam) -> Iterator[Finding]:
    """Uplinks in use whose gateway does not answer, or for which none is known."""
    silent: dict[tuple[str, str], list[str]] = {}
    for way in exam.report.ways:
        for gateway in verdict.silent(way, exam.view):
            silent.setdefault(gateway, []).append(way.ve.ctid)
        if verdict.judge(way, exam.view)[0] == verdict.LAN_ONLY and way.uplink:
            found = f"no gateway is known for {way.uplink.device}, so it reaches that LAN only"
            yield Finding("lan-only", WARNING, f"VE {way.ve.ctid}", found, "set gateway = in "
                          f"[uplink:{way.uplink.name}] of the ini; gateway = none where that is meant")
    for (address, device), ctids in silent.items():
        yield Finding("no-gateway", ERROR, address, f"does not answer on {device}, so VE {', '.join(ctids)} reaches "
                      "nothing beyond that LAN", f"look for it with `arping -I {device} {address}`, or correct the ini")


def doubtful_gateways(exam: Exam) -> Iterator[Finding]:
    """Gateways of the ini that cannot work, or that no network of their device holds."""
    for doubt in gateways.doubts(exam.settings, exam.facts.nics):
        yield Finding("gateway", ERROR if doubt.sure else WARNING, f"[uplink:{doubt.uplink}] {doubt.key}",
                      doubt.text, f"{doubt.step}, then `vzhooks resync`")


def unfit(exam: Exam) -> Iterator[Finding]:
    """Addresses that no network of their uplink holds: a provider drops what it did not give."""
    found: dict[tuple[str, str, Uplink, Uplink | None], list[str]] = {}
    for way, address in exam.assigned:
        fit = _fit(address, exam)
        if way.uplink and way.state != "backup" and _is_unfit(address, way.uplink, exam) and (
                fit or not _is_private(address)):
            found.setdefault((way.ve.ctid, way.ve.uplink, way.uplink, fit), []).append(address)
    for (ctid, named, uplink, fit), addresses in found.items():
        nets = ", ".join(sources.networks(uplink, exam.settings, exam.facts.nics))
        more = ",".join(filter(None, (named, fit.name if fit else "")))
        fix = f"`vzhooks set {ctid} --uplink {more} --save`" if fit else (
            f"correct it, or name its network in sources = of [uplink:{uplink.name}] where it is routed here")
        yield Finding("address", WARNING, f"VE {ctid}", f"{_some(addresses)}: in no network of the uplink "
                      f"{uplink.name} ({nets}), whose provider will most likely drop it"
                      + (f"; {fit.name} would fit" if fit else ""), fix)


def _fit(address: str, exam: Exam) -> Uplink | None:
    nics = exam.facts.nics
    return sources.longest(address, sources.claims(every(exam.settings, nics), exam.settings, nics))


def _is_unfit(address: str, uplink: Uplink, exam: Exam) -> bool:
    """Tell whether an uplink has networks of an address's family, none holds it, and nobody changes it."""
    nets = sources.networks(uplink, exam.settings, exam.facts.nics)
    held = sources.first(address, sources.claims((uplink,), exam.settings, exam.facts.nics))
    return not held and any(family_of(n) == family_of(address) for n in nets) and not any(
        rule.covers(address, uplink.device) for rule in exam.nat)


def private_addresses(exam: Exam) -> Iterator[Finding]:
    """Private addresses of VEs that leave by a NIC whose networks do not hold them, and that nobody translates."""
    far: dict[str, list[str]] = {}
    for way, address in exam.assigned:
        nic = exam.facts.nics.get(way.uplink.device) if way.uplink else None
        if nic and way.uplink and _is_far_from_home(address, nic, way.uplink, exam) and not _fit(address, exam):
            far.setdefault(nic.name, []).append(f"{address} of VE {way.ve.ctid}")
    for name, addresses in far.items():
        nets = ", ".join(exam.facts.nics[name].networks)
        found = (f"its networks ({nets}) do not hold the private addresses that leave by it ({_some(addresses)}): "
                 "answers find no way back unless the router knows them")
        fix = f"translate them on {name} (nft masquerade), route them there on the router, or name another uplink"
        yield Finding("private", WARNING, name, found, fix)


def _some(texts: list[str]) -> str:
    return ", ".join(texts[:5]) + (f" and {len(texts) - 5} more" if texts[5:] else "")


def _is_far_from_home(address: str, nic: Nic, uplink: Uplink, exam: Exam) -> bool:
    """Tell whether a private address goes beyond a NIC of other networks with nobody to change it."""
    family = family_of(address)
    gateway = gateway_of(nic, family, uplink.gateway if family == 4 else uplink.gateway6, exam.facts.gateways)
    foreign = any(family_of(n) == family for n in nic.networks) and not holds(nic, address)
    return bool(gateway) and foreign and _is_private(address) and not any(
        rule.covers(address, nic.name) for rule in exam.nat)


def _is_private(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return any(ip in n for n in PRIVATE if n.version == ip.version)


def tunnels(exam: Exam) -> Iterator[Finding]:
    """VEs without uplink whose packets a VPN's policy takes, in whatever table it stands."""
    for way in (w for w in exam.report.ways if w.state == "unassigned"):
        sent = {exam.lookups.get((a, FAR[family_of(a)])) for a in way.ve.addresses}
        devices = sorted({s.dev for s in sent if s and s.dev in exam.facts.nics
                          and exam.facts.nics[s.dev].kind in TUNNELS})
        if devices:
            yield Finding("vpn", WARNING, f"VE {way.ve.ctid}", f"has no uplink, and main sends it through the tunnel "
                          f"{', '.join(devices)}", "give it an uplink: "
                          f"`vzhooks set {way.ve.ctid} --uplink NAME --save`, unless that is meant")


CHECKS = (configuration, problems, ways, silent_gateways, doubtful_gateways, unfit, private_addresses,
          tunnels)
