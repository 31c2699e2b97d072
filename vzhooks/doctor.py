# SPDX-License-Identifier: GPL-2.0-or-later
"""Find what would break a node: small checks on what `examine` gathered, each with evidence and fix. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field

from vzhooks import harden
from vzhooks.apply import shell
from vzhooks.model import Nic, Rule
from vzhooks.policy import OWN_DEFAULT, OWN_SPECIFIC, Facts
from vzhooks.reconcile import Report
from vzhooks.roles import is_lan

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True)
class Finding:
    """Hold one thing found: by which check, how bad, about what, the evidence, and the fix."""

    check: str
    level: str
    subject: str
    evidence: str
    fix: str


@dataclass(frozen=True)
class Exam:
    """Hold all that the checks judge.

    unread: what could not be read at all; broken: what is wrong with the ini and its uplinks;
    unknown: VE -> why its UPLINK cannot be; sysctls: by key; hooks: file -> what is wrong with it;
    host_routes: main's /32 and /128 by LAN NICs as (destination, device); strangers: table -> what
    others have in it; before: others' rules that come before ours; networkd: it runs and takes
    foreign rules away; answers: address -> MACs that answered the probe, macs: device -> MAC.
    """

    report: Report = field(default_factory=Report)
    facts: Facts = field(default_factory=lambda: Facts({}))
    unread: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    hooks: Mapping[str, str] = field(default_factory=dict)
    host_routes: tuple[tuple[str, str], ...] = ()
    strangers: Mapping[int, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    networkd: bool = False
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    macs: Mapping[str, str] = field(default_factory=dict)


def examine(exam: Exam) -> list[Finding]:
    """Return what all checks find, in their order; empty for a healthy node."""
    return [finding for check in CHECKS for finding in check(exam)]


def as_json(findings: Iterable[Finding]) -> str:
    """Return the findings as a JSON list."""
    return json.dumps([asdict(f) for f in findings], indent=2)


def as_text(findings: Iterable[Finding]) -> str:
    """Return the findings for a reader, three lines each."""
    return "\n".join(f"{f.level}: {f.check}: {f.subject}\n  found: {f.evidence}\n  fix:   {f.fix}" for f in findings)


def unreadable(exam: Exam) -> Iterator[Finding]:
    """What is missing altogether: nft, rights, kernel features."""
    for text in exam.unread:
        yield Finding("features", ERROR, "this node", text, "install or mend what the line names")


def configuration(exam: Exam) -> Iterator[Finding]:
    """The ini, its uplinks, and VE configs that name no uplink of this node."""
    for text in exam.broken:
        yield Finding("ini", ERROR, "vzhooks.ini", text, "correct that line, then `vzhooks resync`")
    for ctid, why in exam.unknown.items():
        yield Finding("ve-uplink", ERROR, f"VE {ctid}", why, "name an uplink of this node in its UPLINK, or declare it")


def drift(exam: Exam) -> Iterator[Finding]:
    """Rules, tables, guard or neighbours that are not as they should be."""
    ops = exam.report.ops
    if ops:
        shown = "; ".join(shell(op) for op in ops[:3])
        more = f" and {len(ops) - 3} more" if len(ops) > 3 else ""
        yield Finding("drift", ERROR, "rules, tables and guard", f"missing or wrong: {shown}{more}", "`vzhooks resync`")


def problems(exam: Exam) -> Iterator[Finding]:
    """What a run would complain of: others' rules (a twin of ours as well) among ours, a VE cut off."""
    for problem in exam.report.problems:
        if problem.text not in exam.unknown.values():
            subject = f"VE {problem.ctid}" if problem.ctid else "this node"
            yield Finding("problem", ERROR if problem.refuses else WARNING, subject, problem.text,
                          "as the line says, then `vzhooks resync`")


def own_rules(exam: Exam) -> Iterator[Finding]:
    """A hardened NIC without the rules of its own addresses: with rp_filter=1 nobody answers for it."""
    missing = {op.item.src.partition("/")[0] for op in exam.report.ops if op.verb == "add"
               and isinstance(op.item, Rule) and OWN_SPECIFIC <= op.item.priority <= OWN_DEFAULT}
    for nic in _lan(exam):
        lost = sorted(missing.intersection(nic.owns))
        if lost and _value(exam, f"net/ipv4/conf/{nic.name}/arp_ignore") >= 1:
            strict = f"; rp_filter = {_effective(exam, nic, 'rp_filter')} (the greater of all and {nic.name})"
            found = f"arp_ignore is set, but no rules from {', '.join(lost)}{strict}"
            yield Finding("own-rules", ERROR, nic.name, found, "`vzhooks resync`, or `vzhooks harden --undo`")


def soft_arp(exam: Exam) -> Iterator[Finding]:
    """NICs of one LAN that answer for each other."""
    nics = [n for n in _lan(exam) if any(set(n.networks) & set(m.networks) for m in _lan(exam) if m != n)]
    soft = [n for n in nics if _value(exam, f"net/ipv4/conf/{n.name}/arp_ignore") < harden.VALUES["arp_ignore"]]
    for nic in soft:
        rp_filter = _effective(exam, nic, "rp_filter")
        how = "the first NIC that main names answers for all" if rp_filter == 1 else "every NIC answers for all"
        yield Finding("arp-flux", WARNING, nic.name, f"shares its LAN with another NIC, arp_ignore = 0 and rp_filter = "
                      f"{rp_filter} (the greater of all and {nic.name}): {how}", "`vzhooks harden`")


def answers(exam: Exam) -> Iterator[Finding]:
    """What the probe saw on the wire: more than one answerer, or the wrong one."""
    names = {mac: dev for dev, mac in exam.macs.items()}
    right = {a: n.name for n in _lan(exam) for a in n.owns}
    ves = {a: w.uplink.device for w in exam.report.ways if w.uplink for a in w.ve.addresses}
    for address, macs in exam.answers.items():
        seen = [f"{names.get(m, 'a host')} {m}" for m in macs]
        want = {**right, **ves}.get(address, "")
        if len(macs) > 1 or (macs and names.get(macs[0]) != want):
            fix = "`vzhooks resync`" if address in ves else "`vzhooks harden`"
            yield Finding("answers", ERROR, address, f"{len(macs)} answer: {', '.join(seen)}; only {want} should", fix)


def unanswered(exam: Exam) -> Iterator[Finding]:
    """Addresses on no NIC, which arp_ignore=1 leaves unanswered."""
    text = harden.obstacle(exam.facts.nics)
    if text:
        yield Finding("vip", WARNING, "lo", text, "move them to a LAN NIC before hardening")


def proxy_arp(exam: Exam) -> Iterator[Finding]:
    """A LAN NIC that answers for everything the node can reach."""
    for nic in _lan(exam):
        if _effective(exam, nic, "proxy_arp"):
            yield Finding("proxy-arp", WARNING, nic.name, "proxy_arp = 1: it answers for hosts of other LANs as well",
                          f"sysctl -w net/ipv4/conf/{nic.name}/proxy_arp=0, and in all")


def hooks(exam: Exam) -> Iterator[Finding]:
    """Hook files that are missing or were overwritten."""
    for path, wrong in exam.hooks.items():
        yield Finding("hooks", ERROR, path, wrong, "`vzhooks install`")


def host_routes(exam: Exam) -> Iterator[Finding]:
    """Routes in main to single hosts by a LAN NIC: VEs do not use them, the HN's replies do."""
    for dst, dev in exam.host_routes:
        yield Finding("host-route", WARNING, dst, f"main has a route to this one host by {dev}: the HN's own packets "
                      "take it whatever their source", f"ip route del {dst} dev {dev}, unless it is meant")


def strangers(exam: Exam) -> Iterator[Finding]:
    """What others have in our tables or before our rules."""
    for table, text in exam.strangers.items():
        yield Finding("table", ERROR, f"table {table}", text, "remove it there, or give the uplink another table=")
    for text in exam.before:
        yield Finding("rule-before", WARNING, text, "another's rule comes before those of vzhooks and may take a VE's "
                      "packets; the guard then drops them", "give it a priority above 1100")


def forwarding(exam: Exam) -> Iterator[Finding]:
    """Forwarding switched off, so that no VE has a network."""
    families = {":" in a for w in exam.report.ways for a in w.ve.addresses}
    for six, key in ((False, "net/ipv4/ip_forward"), (True, "net/ipv6/conf/all/forwarding")):
        if six in families and exam.sysctls.get(key) == "0":
            yield Finding("forwarding", ERROR, key, "is 0: nothing is forwarded for VEs", f"sysctl -w {key}=1")


def dead_routes(exam: Exam) -> Iterator[Finding]:
    """An uplink without carrier whose routes still win: packets vanish without an answer."""
    for name in sorted({w.uplink.device for w in exam.report.ways if w.uplink}):
        nic = exam.facts.nics.get(name)
        if nic and nic.up and not nic.carrier and not _effective(exam, nic, "ignore_routes_with_linkdown"):
            key = f"net/ipv4/conf/{name}/ignore_routes_with_linkdown"
            yield Finding("linkdown", WARNING, name, f"no carrier, and {key} = 0: VEs' packets vanish in silence",
                          f"sysctl -w {key}=1, and mend the link")


def networkd(exam: Exam) -> Iterator[Finding]:
    """A systemd-networkd that deletes the rules of others."""
    if exam.networkd:
        found = "runs without ManageForeignRoutingPolicyRules=no: it deletes our rules whenever it starts"
        fix = "`vzhooks install`, then restart systemd-networkd, then `vzhooks resync`"
        yield Finding("networkd", ERROR, "systemd-networkd", found, fix)


CHECKS = (unreadable, configuration, hooks, drift, problems, own_rules, soft_arp, answers, unanswered, proxy_arp,
          host_routes, strangers, forwarding, dead_routes, networkd)


def _lan(exam: Exam) -> list[Nic]:
    return [n for n in exam.facts.nics.values() if is_lan(n, exam.facts.nics)]


def _value(exam: Exam, key: str) -> int:
    value = exam.sysctls.get(key, "0")
    return int(value) if value.lstrip("-").isdigit() else 0


def _effective(exam: Exam, nic: Nic, name: str) -> int:
    """Return the value in force: the greater of `all` and the NIC (kernel include/linux/inetdevice.h)."""
    return max(_value(exam, f"net/ipv4/conf/{where}/{name}") for where in ("all", nic.name))


