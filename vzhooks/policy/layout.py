# SPDX-License-Identifier: GPL-2.0-or-later
"""The sets and chains of our two nftables tables: what the guard drops, and in map mode what it marks. Pure.

Sets hold what differs from node to node. The forward hook sees a packet after routing, so it holds whatever the rules
and tables say: what goes its own way is taken at the first look (`paths`), all else is looked at by whose it is
(`known`). The input chains hold whatever proxy neighbours vzctl publishes, whenever it does. In map mode what comes in
from VEs is marked by its address (`ways`), for the rules that route by marks.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

from vzhooks.model import Skeleton

FAMILIES = ("inet", "arp")
"""The families that we have a table in; its name is `vzhooks` in both."""

# A solicitation's target: nft has no name for it (`icmpv6 taddr` came with 1.0.7), so the 128 bits
# after the ICMPv6 header's first 8 bytes (RFC 4861, 4.3). Its elements are written as hex numbers.
TARGET = "@th,64,128"

_PATHS = {
    "paths4": "type ipv4_addr . ifname . ifname", "paths6": "type ipv6_addr . ifname . ifname",  # a VE's way in and out
}
_GUARD = {
    "known4": "type ipv4_addr : verdict", "known6": "type ipv6_addr : verdict",  # how each VE's address is held
    "homes4": "type ipv4_addr . ifname", "homes6": "type ipv6_addr . ifname",  # by which devices those come in
    "exits4": "type ipv4_addr . ifname", "exits6": "type ipv6_addr . ifname",  # and leave, where not to `near`
    "held": "type ifname",  # VEs' own devices, whose packets go by `ways`, to `near` or not at all
    "ways": "type ifname . ifname",
    "strict": "type ifname",  # VEs' own devices of which only their addresses are taken, as by rp_filter=1
    "near": "type ifname",  # devices behind which VEs and other guests of the node are
    "veside": "type ifname",  # of these, those of VEs
    "closed": "type ifname",  # of these, the ones where an unknown source is not carried at all
    "lan": "type ifname",  # devices that lead off the node
    "reserved": "type ifname",  # devices no VE packet leaves by
    "bridged": "type ifname . ifname",  # each bridge with itself: frames of br_netfilter, which are not routed
    "macs": "type ifname . ether_addr",  # but for those sent to a LAN bridge itself, which routes them back
    "asked6": f"typeof {TARGET}",  # what is answered for on `answers` or not at all
    "answers6": f"typeof {TARGET} . iifname",
    "arp:lan": "type ifname",
    "arp:asked4": "type ipv4_addr",
    "arp:answers4": "type ipv4_addr . ifname",
    "arp:askers": "type ifname : ipv4_addr",  # in whose name a device without an address asks
}
MARK_SETS = {
    "ways4": "type ipv4_addr . ifname : verdict", "ways6": "type ipv6_addr . ifname : verdict",  # marks by address
    "made4": "type ipv4_addr : verdict", "made6": "type ipv6_addr : verdict",  # of what the node sends in a VE's name
    "beyond": "type ifname : verdict",  # which mark any other source gets by the device that it comes in by
    "here4": "type ipv4_addr", "here6": "type ipv6_addr",  # of VEs here, which others reach by main's host routes
    "returns": "type ifname : verdict",  # which mark a packet to a VE gets, for filters of sources
    "arp:returns": "type ifname : verdict",  # and a question
}
SETS = {**_PATHS, **_GUARD, **MARK_SETS}
VE_SETS = tuple(name for name in SETS if name[-1] in "46")

# {f} is 4 or 6, {ip} is ip or ip6. What the node makes in a VE's name comes in nowhere.
_HOME = "iif != 0 {ip} saddr . iifname != @homes{f} counter name drop_spoofed drop"
_KEPT = "oifname @reserved counter name drop_reserved drop"
_VERDICTS = {
    "assigned{f}": (_KEPT, "oifname != @near {ip} saddr . oifname != @exits{f} counter name drop_uplink drop"),
    "unassigned{f}": (_KEPT,),
    "assigned_here{f}": (_HOME, "goto assigned{f}"),
    "unassigned_here{f}": (_HOME, "goto unassigned{f}"),
}
_IP = (("4", "ip"), ("6", "ip6"))
_KNOWN = tuple(f"{ip} saddr vmap @known{f}" for f, ip in _IP)
_SIDE = (
    _KEPT,
    "iifname @held oifname != @near iifname . oifname != @ways counter name drop_uplink drop",
    "iifname @strict ip saddr . iifname != @homes4 counter name drop_spoofed drop",
)
_OUT = "{ip} saddr . oifname @exits{f}"
_CLOSED = "iifname @closed oifname != @near counter name drop_unknown drop"
_SOLICITED = (f"iifname @lan icmpv6 type nd-neighbor-solicit {TARGET} @asked6 "
              f"{TARGET} . iifname != @answers6 counter name drop_ndp drop")
# On LAN NICs only: over a routed veth the VEs of OpenVZ 9 ask each other.
_ASKED = ("iifname @lan arp operation request arp daddr ip @asked4 arp daddr ip . iifname != @answers4 "
          "counter name drop_arp drop")
# Without it the LAN learns another NIC's address, the reserved one's above all, on this one.
_ASKING = "arp operation request arp saddr ip set oifname map @askers"
_ALL = 0xFFFFFFFF
MARKING, MAKING = -80, -140
"""The priorities of what marks packets that come in, and those that the node makes in a VE's name: others that mark or
translate them have to do so before."""
SHARED = "venet0"
"""The device that all VEs of vzctl 4 share, there or not yet."""
_Chain = tuple["tuple[str, str, str]", "tuple[str, ...]"]


@dataclass(frozen=True)
class Layout:
    """Hold sets and chains; mask: the bits of the fwmark that are ours, 0 where nothing is marked.

    chains: rules by (family, chain, what it is hooked to, "" for one that only others lead to); marks: those that a
    packet from a VE may get; shared: all VEs are behind venet0, so that an address tells enough.
    """

    mask: int = 0
    marks: tuple[int, ...] = ()
    shared: bool = False

    @property
    def local(self) -> int:
        """Return the bit of packets from VEs to VEs here: the highest."""
        return 1 << self.mask.bit_length() - 1 if self.mask else 0

    @property
    def made(self) -> int:
        """Return the bit of what the node makes in a VE's name and sends elsewhere: the second highest."""
        return 1 << (self.mask ^ self.local).bit_length() >> 1

    @property
    def bits(self) -> int:
        """Return the bits that say whose a packet is, and by which uplink it goes."""
        return self.mask ^ self.local ^ self.made

    @property
    def passes(self) -> int:
        """Return the mark of what main decides about: all bits."""
        return self.bits

    @property
    def closed(self) -> int:
        """Return the mark of what goes nowhere but to VEs here: all bits but the lowest."""
        return self.bits & (self.bits - 1)

    @property
    def seen(self) -> int:
        """Return the mark of what others send to VEs here: all bits but the second."""
        return self.bits ^ (self.closed & -self.closed)

    @cached_property
    def sets(self) -> Mapping[str, str]:
        """Return the type of each set, by name; those of the family arp begin with `arp:`."""
        return {**_GUARD, **MARK_SETS} if self.mask else {**_PATHS, **_GUARD}

    @cached_property
    def chains(self) -> Mapping[tuple[str, str, str], tuple[str, ...]]:
        """Return the rules of each chain."""
        return dict(_marking(self) if self.mask else _guarding())

    @cached_property
    def skeleton(self) -> Skeleton:
        """Return what it is told by."""
        print_ = zlib.crc32(repr((self.sets, self.chains)).encode())
        return Skeleton(f"vzhooks {print_:08x}", self.mask, self.marks, self.shared)

    @cached_property
    def comments(self) -> Mapping[str, list[str]]:
        """Return the comment of each rule in order, by family: the text that nft prints differs between versions."""
        counts = {family: sum(len(r) for (f, _, _), r in self.chains.items() if f == family) for family in FAMILIES}
        return {family: [f"{self.skeleton.fingerprint} {n}" for n in range(count)] for family, count in counts.items()}


@cache
def layout(mask: int = 0, marks: tuple[int, ...] = (), shared: bool = False) -> Layout:
    """Return the layout of rule mode, or of map mode with these bits and marks."""
    return Layout(mask, marks, shared)


def of(skeleton: Skeleton) -> Layout:
    """Return the layout that a skeleton stands for."""
    return layout(skeleton.mask, skeleton.marks, skeleton.shared)


def mark_chain(mark: int) -> str:
    """Return the chain that gives a packet from a VE its mark."""
    return f"way_{mark:08x}"


def return_chain(mark: int) -> str:
    """Return the chain that gives a packet to a VE the mark of its uplink."""
    return f"return_{mark:08x}"


def _forward(priority: int, first: tuple[str, ...], side: tuple[str, ...]) -> Iterator[_Chain]:
    for f, ip in _IP:
        for name, rules in _VERDICTS.items():
            yield ("inet", name.format(f=f), ""), tuple(r.format(f=f, ip=ip) for r in rules)
    yield ("inet", "side", ""), side
    yield ("inet", "forward", f"type filter hook forward priority {priority}"), (
        *first, "iifname . oifname @bridged iifname . ether daddr != @macs return", "iifname @veside jump side",
        *_KNOWN, _CLOSED)


def _guarding() -> Iterator[_Chain]:
    paths = tuple(f"{ip} saddr . iifname . oifname @paths{f} accept" for f, ip in _IP)
    yield from _forward(-10, paths, _SIDE)
    # A reset or SYN cookie that the node sends as if it were a VE.
    yield ("inet", "made", "type filter hook output priority -10"), _KNOWN
    yield ("inet", "solicited", "type filter hook input priority -10"), (_SOLICITED,)
    yield ("arp", "asked", "type filter hook input priority -10"), (_ASKED,)
    yield ("arp", "asking", "type filter hook output priority -10"), (_ASKING,)


def _marking(given: Layout) -> Iterator[_Chain]:
    """Return the guard with what marks.

    Marks are set behind others' mangling (-150) and destination NAT (-100, firewalld's -90). They are gone before
    others' chains look at what is forwarded (mangle again, -150) or comes to the node itself. What goes its own way is
    known by its source, as a mark may be somebody else's.
    """
    clear, marked = f"meta mark set meta mark and {_ALL ^ given.mask:#010x}", f"meta mark and {given.mask:#010x} != 0"
    yield from _marks(given)
    yield from _entering(given)
    yield from _made(given)
    out = f'iifname "{SHARED}" {_OUT}' if given.shared else f"{_OUT} {{ip}} saddr . iifname @homes{{f}}"
    outs = (f"{out.format(f=f, ip=ip)} {clear} accept" for f, ip in _IP)
    yield from _forward(-155, (*outs, f"{marked} {clear}"), _SIDE)
    yield ("inet", "solicited", "type filter hook input priority -155"), (f"{marked} {clear}", _SOLICITED)
    yield ("arp", "asked", "type filter hook input priority -10"), (
        _ASKED, "arp operation request arp daddr ip . iifname @answers4 iifname vmap @returns",
        f"arp operation request {_set(given, given.seen)}")
    yield ("arp", "asking", "type filter hook output priority -10"), (_ASKING,)


def _marks(given: Layout) -> Iterator[_Chain]:
    """Return the chains that give a packet its mark."""
    for mark in given.marks:
        far = (f"{ip} daddr != @here{f} {_set(given, mark)} return" for f, ip in _IP)  # nearly all, so it comes first
        yield ("inet", mark_chain(mark), ""), (*far, _set(given, mark | given.local))
        # A filter of nftables asks about it as the node itself, so by the rules for what that makes.
        for family in FAMILIES:
            yield (family, return_chain(mark), ""), (_set(given, mark | given.made),)


def _entering(given: Layout) -> Iterator[_Chain]:
    """Return what marks the packets that come in."""
    ways = [f"{ip} saddr . iifname vmap @ways{f}" for f, ip in _IP]
    stray = [f"{ip} saddr @here{f} goto {mark_chain(given.closed)}" for f, ip in _IP]
    if given.shared:
        ways, stray = [f'iifname "{SHARED}" {ip} saddr vmap @made{f}' for f, ip in _IP], []
    yield ("inet", "owners", ""), (*stray, "iifname vmap @beyond")
    # Of what is sent to VEs a filter of sources (rp_filter, or fib in nftables) looks for the way back; an address that
    # nobody told us of has to be reached as before.
    to_ves = (f"{ip} daddr . iifname @exits{f} iifname vmap @returns" for f, ip in _IP)
    name = f"{'shared' if given.shared else 'marks'}_{given.mask:08x}"
    # While nftables is flushed a map may be empty already where the rules still are (nft_map_deactivate in
    # nf_tables_api.c), and a set is not: so a set tells that it is no VE's packet.
    yield ("inet", name, f"type filter hook prerouting priority {MARKING}"), (
        *ways, "iifname @veside goto owners", *to_ves, _set(given, given.seen))


def _made(given: Layout) -> Iterator[_Chain]:
    """Return what marks and holds the packets that the node makes."""
    # What is no VE's is done with here, whoever marked it.
    yield ("inet", "makers", ""), (*(f"{ip} saddr vmap @made{f}" for f, ip in _IP), "accept")
    # From the node itself the marks of what comes in are what filters of sources ask with.
    yield ("inet", "making", f"type route hook output priority {MAKING}"), (
        "jump makers",
        f"meta mark and {given.local:#010x} != 0 meta mark set meta mark and {_ALL ^ given.local:#010x} accept",
        f"meta mark set meta mark or {given.made:#010x}")
    # It was routed anew by its mark, so only behind routing it shows by which device. What is forwarded came in by one
    # (before Linux 5.7 that does not show here).
    yield ("inet", "made", "type filter hook postrouting priority -155"), ("iif != 0 accept", *_KNOWN)


def _set(given: Layout, mark: int) -> str:
    return f"meta mark set meta mark and {_ALL ^ given.mask:#010x} or {mark:#010x}"
