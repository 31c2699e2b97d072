# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks on rules, routes and translations: ours that drift, and others' that meet with them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from vzhooks.addresses import family_of
from vzhooks.doctor.findings import ERROR, WARNING, Exam, Finding, lan
from vzhooks.model import Rule
from vzhooks.policy.compare import Flow
from vzhooks.policy.datapath import OUTGROWN, hindrance
from vzhooks.policy.foreign import NAMES, Other, mend
from vzhooks.policy.priorities import BAND, ENTER, FROM_VE
from vzhooks.policy.shown import shell
from vzhooks.policy.uplinks import available
from vzhooks.run.request import Report
from vzhooks.status import verdict
from vzhooks.status.view import FAR


def drift(exam: Exam) -> Iterator[Finding]:
    """Rules, tables, guard or neighbours that are not as they should be."""
    ops = exam.report.ops
    if ops:
        shown = "; ".join(shell(op) for op in ops[:3])
        more = f" and {len(ops) - 3} more" if len(ops) > 3 else ""
        yield Finding("drift", ERROR, "rules, tables and guard", f"missing or wrong: {shown}{more}", "`vzhooks resync`")


def strangers(exam: Exam) -> Iterator[Finding]:
    """What others have in our tables."""
    for table, text in exam.strangers.items():
        yield Finding("table", ERROR, f"table {table}", text, "remove it there, or give the uplink another table=")


def host_routes(exam: Exam) -> Iterator[Finding]:
    """Routes in main to single hosts by a LAN NIC: VEs do not use them, the HN's replies do."""
    for dst, dev in exam.host_routes:
        yield Finding("host-route", WARNING, dst, f"main has a route to this one host by {dev}: the HN's own packets "
                      "take it whatever their source", f"ip route del {dst} dev {dev}, unless it is meant")


def before(exam: Exam) -> Iterator[Finding]:
    """Rules of others that stand before ours and may take a VE's packets, though not those asked about."""
    named = {w.rule for way in exam.report.ways if (w := verdict.astray(way, exam.view))}
    for rule in (o for o in exam.others if 0 < o.priority < BAND[0] and o not in named):
        ctids = _concerned(rule, exam)
        if ctids and not rule.mark and not rule.more:  # what is marked or chosen by port is put there on purpose
            yield Finding("rule-before", WARNING, rule.named, "another's rule comes before those of vzhooks and may "
                          f"take packets of VE {', '.join(ctids)}; the guard then drops them", mend(rule))


def shadowed(exam: Exam) -> Iterator[Finding]:
    """Rules of others after ours that no packet of an assigned VE reaches any more."""
    for rule in (o for o in exam.others if o.priority >= BAND.stop and not _is_plain(o)):
        ctids = _concerned(rule, exam)
        if ctids:
            check, what = _kind(rule)
            yield Finding(check, WARNING, rule.named, f"{what} comes after those of vzhooks, so packets of VE "
                          f"{', '.join(ctids)} no longer go by it", _earlier(rule))


def _is_plain(rule: Other) -> bool:
    """Tell whether a rule only leads to where a packet goes anyway: main and the kernel's other tables."""
    return rule.table in NAMES and not rule.src and not rule.dst


def _kind(rule: Other) -> tuple[str, str]:
    if rule.mark and not rule.inverted:
        return "mark-rule", "another's rule for marked packets, as of a transparent proxy (TPROXY),"
    if rule.mark:
        return "vpn-rule", "another's rule for all but marked packets, as of a VPN,"
    return "rule-after", "another's rule"


def _earlier(rule: Other) -> str:
    ip, first = "ip -6 rule" if rule.family == 6 else "ip rule", ENTER - 10
    return (f"where VEs are to go by it, whatever their uplinks: `{ip} add {rule} priority {first} && "
            f"{ip} del {rule} priority {rule.priority}`; else nothing")


def _concerned(rule: Other, exam: Exam) -> list[str]:
    """Return the VEs with an uplink whose packets a rule may take, to whatever destination."""
    devices = {n.name for n in lan(exam)} | {"lo"}
    if rule.oif or rule.iif in devices:
        return []
    mark = rule.mark[0] if rule.mark and not rule.inverted else 0
    bare = Other(rule.family, rule.priority, rule.action, src=rule.src, inverted=rule.inverted and not rule.mark)
    found = [way.ve.ctid for way, a in exam.assigned
             if bare.takes(a, FAR[family_of(a)], mark=mark) and (way.state != "blocked")]
    return list(dict.fromkeys(found))


def translations(exam: Exam) -> Iterator[Finding]:
    """Address translations tied to another NIC, which a VE's packets no longer meet."""
    for rule in exam.nat:
        lost: dict[str, list[str]] = {}
        for way, address in exam.assigned:
            device = way.uplink.device if way.uplink else ""
            if rule.names(address) and not any(r.covers(address, device) for r in exam.nat) and not rule.others:
                lost.setdefault(device, []).append(f"{address} (VE {way.ve.ctid})")
        for device, addresses in lost.items():
            yield Finding("nat", WARNING, str(rule), f"changes the source of what leaves by "
                          f"{', '.join(sorted(rule.devices))}, but {', '.join(addresses)} leaves by {device}",
                          f"give the rule {device} as well, where these addresses are to be changed; else name its "
                          "sources more closely")


def bystanders(exam: Exam) -> Iterator[Finding]:
    """The node's own addresses, other guests and VEs without uplink that go another way by rules of ours."""
    for level, found in ((ERROR, exam.lost), (WARNING, exam.moved)):
        for flow, line in found.items():
            fix = "name its device in inside ="
            if flow.plain:
                fix = f"`vzhooks set {_owner(flow, exam)} --uplink NAME --save`, or take a device from reserved ="
            elif {flow.src, flow.dst} & exam.facts.own:
                fix = "`vzhooks harden --undo`"
            yield Finding("bystander", level, flow.who, f"by rules of vzhooks, {line}",
                          f"{fix}; nothing where it is meant")


def by_rule(report: Report) -> list[str]:
    """Return the addresses that go by a rule of their own."""
    return [i.src.partition("/")[0] for i in report.found if isinstance(i, Rule) and i.priority == FROM_VE and i.src]


def outgrown(exam: Exam) -> Iterator[Finding]:
    """More addresses than rules should serve."""
    count, datapath = len(by_rule(exam.report)), exam.settings.datapath
    if count >= OUTGROWN:
        why = hindrance(exam.settings, exam.facts, available(exam.settings, exam.facts.nics))
        evidence = (f"{count} addresses go by rules of their own, which each packet walks by: {exam.walk_us:.1f} "
                    "microseconds for a packet of a VE, measured now")
        fix = "take datapath = rule out of the ini" if datapath == "rule" else f"mend what keeps it from the map: {why}"
        yield Finding("outgrown", WARNING, f"datapath = {datapath}", evidence, fix)


def _owner(flow: Flow, exam: Exam) -> str:
    return next((w.ve.ctid for w in exam.report.ways if {flow.src, flow.dst} & set(w.ve.addresses)), "VE")


CHECKS = (drift, strangers, host_routes, before, shadowed, bystanders, translations, outgrown)
