# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks on the node itself: what is missing, hook files, ARP, forwarding, links. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from vzhooks.doctor.findings import ERROR, WARNING, Exam, Finding, effective, lan, step_of, value
from vzhooks.model import Rule
from vzhooks.policy import harden
from vzhooks.policy.priorities import OWN_LAN, OWN_SPECIFIC


def unreadable(exam: Exam) -> Iterator[Finding]:
    """What is missing altogether: nft, rights, kernel features."""
    for text in exam.unread:
        yield Finding("features", ERROR, "this node", text, step_of(text, "mend that, then `vzhooks doctor` again"))


def hooks(exam: Exam) -> Iterator[Finding]:
    """Hook files that are missing or were overwritten."""
    for path, wrong in exam.hooks.items():
        yield Finding("hooks", ERROR, path, wrong, "`vzhooks install`")


def untrusted(exam: Exam) -> Iterator[Finding]:
    """Code of ours that others than root can change: root runs it at each start of a VE."""
    for text in exam.untrusted:
        yield Finding("trust", ERROR, "vzhooks", f"root runs it: {text}", "chown root and chmod go-w it, or install "
                      "vzhooks in a directory of root's")


def silent(exam: Exam) -> Iterator[Finding]:
    """A daemon that should run here and does not: hooks are slow, and nothing mends the node."""
    if exam.silent:
        found = "does not answer, or is of another version: hooks work by themselves, and nobody watches the node"
        yield Finding("daemon", ERROR, "vzhooks.service", found, "`systemctl restart vzhooks.service`")


def own_rules(exam: Exam) -> Iterator[Finding]:
    """A hardened NIC without the rules of its own addresses: with rp_filter=1 nobody answers for it."""
    missing = {op.item.src.partition("/")[0] for op in exam.report.ops if op.verb == "add"
               and isinstance(op.item, Rule) and OWN_SPECIFIC <= op.item.priority <= OWN_LAN}
    for nic in lan(exam):
        lost = sorted(missing.intersection(nic.owns))
        if lost and value(exam, f"net/ipv4/conf/{nic.name}/arp_ignore") >= 1:
            strict = f"; rp_filter = {effective(exam, nic, 'rp_filter')} (the greater of all and {nic.name})"
            found = f"arp_ignore is set, but no rules from {', '.join(lost)}{strict}"
            yield Finding("own-rules", ERROR, nic.name, found, "`vzhooks resync`, or `vzhooks harden --undo`")


def soft_arp(exam: Exam) -> Iterator[Finding]:
    """NICs of one LAN that answer for each other."""
    nics = [n for n in lan(exam) if any(set(n.networks) & set(m.networks) for m in lan(exam) if m != n)]
    soft = [n for n in nics if value(exam, f"net/ipv4/conf/{n.name}/arp_ignore") < harden.VALUES["arp_ignore"]]
    for nic in soft:
        rp_filter = effective(exam, nic, "rp_filter")
        how = "the first NIC that main names answers for all" if rp_filter == 1 else "every NIC answers for all"
        yield Finding("arp-flux", WARNING, nic.name, f"shares its LAN with another NIC, arp_ignore = 0 and rp_filter = "
                      f"{rp_filter} (the greater of all and {nic.name}): {how}", "`vzhooks harden`")


def answers(exam: Exam) -> Iterator[Finding]:
    """What the probe saw on the wire: more than one answerer, or the wrong one."""
    names = {mac: dev for dev, mac in exam.macs.items()}
    right = {a: n.name for n in lan(exam) for a in n.owns}
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
    for nic in lan(exam):
        if effective(exam, nic, "proxy_arp"):
            yield Finding("proxy-arp", WARNING, nic.name, "proxy_arp = 1: it answers for hosts of other LANs as well",
                          f"sysctl -w net/ipv4/conf/{nic.name}/proxy_arp=0, and in all")


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
        if nic and nic.up and not nic.carrier and not effective(exam, nic, "ignore_routes_with_linkdown"):
            key = f"net/ipv4/conf/{name}/ignore_routes_with_linkdown"
            yield Finding("linkdown", WARNING, name, f"no carrier, and {key} = 0: VEs' packets vanish in silence",
                          f"sysctl -w {key}=1, and mend the link")


def networkd(exam: Exam) -> Iterator[Finding]:
    """A systemd-networkd that deletes the rules of others."""
    if exam.networkd:
        found = "runs without ManageForeignRoutingPolicyRules=no: it deletes our rules whenever it starts"
        fix = "`vzhooks install`, then restart systemd-networkd, then `vzhooks resync`"
        yield Finding("networkd", ERROR, "systemd-networkd", found, fix)


FIRST = (unreadable, hooks, untrusted, silent)
CHECKS = (own_rules, soft_arp, answers, unanswered, proxy_arp, forwarding, dead_routes, networkd)
