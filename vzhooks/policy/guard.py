# SPDX-License-Identifier: GPL-2.0-or-later
"""The second layer: our two nftables tables as text, and back from `nft -j`. Runs nothing.

Sets hold what differs from node to node; the chains are always the same and are told by a
fingerprint in their rules' comments (the text that nft prints differs between its versions).
The forward hook sees a packet after routing, so it holds whatever the rules and tables say. The
input chains hold whatever proxy neighbours vzctl publishes, whenever it does.
"""

from __future__ import annotations

import ipaddress
import json
import zlib
from collections.abc import Iterable, Mapping

from vzhooks.errors import KernelError
from vzhooks.model import Element, Item, Skeleton

FAMILIES = ("inet", "arp")
"""The families that we have a table in; its name is `vzhooks` in both."""
NAME = "vzhooks"

# A solicitation's target: nft has no name for it (`icmpv6 taddr` came with 1.0.7), so the 128 bits
# after the ICMPv6 header's first 8 bytes (RFC 4861, 4.3). Its elements are written as hex numbers.
_TARGET = "@th,64,128"

SETS = {
    "ves4": "type ipv4_addr", "ves6": "type ipv6_addr",  # every live VE's address
    "here4": "type ipv4_addr", "here6": "type ipv6_addr",  # of these, those that are routed here
    "homes4": "type ipv4_addr . ifname", "homes6": "type ipv6_addr . ifname",  # and by which devices they come in
    "sources4": "type ipv4_addr", "sources6": "type ipv6_addr",  # what goes by `exits`, to `near` or not at all
    "exits4": "type ipv4_addr . ifname", "exits6": "type ipv6_addr . ifname",
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
    "asked6": f"typeof {_TARGET}",  # what is answered for on `answers` or not at all
    "answers6": f"typeof {_TARGET} . iifname",
    "arp:lan": "type ifname",
    "arp:asked4": "type ipv4_addr",
    "arp:answers4": "type ipv4_addr . ifname",
    "arp:askers": "type ifname : ipv4_addr",  # in whose name a device without an address asks
}
VE_SETS = tuple(name for name in SETS if name[-1] in "46")

# {f} is 4 or 6, {ip} is ip or ip6. The first of each list also holds what the node makes in a VE's name.
_LEAVES = (
    "{ip} saddr @ves{f} oifname @reserved counter name drop_reserved drop",
    "{ip} saddr @sources{f} oifname != @near {ip} saddr . oifname != @exits{f} counter name drop_uplink drop",
)
_COMES = (
    "{ip} saddr @here{f} {ip} saddr . iifname != @homes{f} counter name drop_spoofed drop",
    "meta nfproto ipv{f} iifname @closed oifname != @near {ip} saddr != @ves{f} counter name drop_unknown drop",
)
_IP = (("4", "ip"), ("6", "ip6"))
_CHAINS = {
    ("inet", "forward", "hook forward priority -10"): (
        "iifname . oifname @bridged iifname . ether daddr != @macs return",
        "oifname @reserved iifname @veside counter name drop_reserved drop",
        "iifname @held oifname != @near iifname . oifname != @ways counter name drop_uplink drop",
        "iifname @strict ip saddr . iifname != @homes4 counter name drop_spoofed drop",
        *(r.format(f=f, ip=ip) for f, ip in _IP for r in _COMES + _LEAVES)),
    # A reset or SYN cookie that the node sends as if it were a VE.
    ("inet", "made", "hook output priority -10"): tuple(r.format(f=f, ip=ip) for f, ip in _IP for r in _LEAVES),
    ("inet", "solicited", "hook input priority -10"): (
        f"iifname @lan icmpv6 type nd-neighbor-solicit {_TARGET} @asked6 "
        f"{_TARGET} . iifname != @answers6 counter name drop_ndp drop",),
    # On LAN NICs only: over a routed veth the VEs of OpenVZ 9 ask each other.
    ("arp", "asked", "hook input priority -10"): (
        "iifname @lan arp operation request arp daddr ip @asked4 arp daddr ip . iifname != @answers4 "
        "counter name drop_arp drop",),
    # Without it the LAN learns another NIC's address, the reserved one's above all, on this one.
    ("arp", "asking", "hook output priority -10"): (
        "arp operation request arp saddr ip set oifname map @askers",),
}
REASONS = {
    "reserved": "to a reserved device", "uplink": "by another device than the VE's uplink",
    "spoofed": "with a VE's address, from elsewhere", "unknown": "from an address of no VE, on a closed node",
    "arp": "who-has that another NIC answers", "ndp": "solicitations that another NIC answers",
}
"""Why packets are dropped, each with a counter of its own: its name and, in words, which packets those are."""
_COUNTERS = {family: [r for r in REASONS if any(f" drop_{r} " in line for (f, _, _), rules in _CHAINS.items()
                                                for line in rules if f == family)] for family in FAMILIES}
Dropped = Mapping[str, "tuple[int, int]"]
"""Packets and bytes by reason."""
NOTHING: Dropped = {}
_MARK = f"vzhooks {zlib.crc32(repr((SETS, _CHAINS)).encode()):08x}"
_MARKS = {family: [f"{_MARK} {n}" for n in range(sum(len(r) for (f, _, _), r in _CHAINS.items() if f == family))]
          for family in FAMILIES}

SKELETON = Skeleton(_MARK)


def full(elements: Iterable[Element], dropped: Dropped = NOTHING) -> str:
    """Return the nft(8) input that puts both tables in place in one transaction; dropped: what was counted so far."""
    return remove() + "".join(_table(family, dropped) for family in FAMILIES) + changes(elements, ())


def remove() -> str:
    """Return the nft(8) input that removes both tables, be they there or not."""
    return "".join(f"add table {f} {NAME}\ndelete table {f} {NAME}\n" for f in FAMILIES)


def _table(family: str, dropped: Dropped) -> str:
    text = "".join("  counter drop_{} {{ packets {} bytes {}; }}\n".format(reason, *dropped.get(reason, (0, 0)))
                   for reason in _COUNTERS[family])
    text += "".join(f"  {_sort(kind)} {_bare(name)} {{ {kind}; }}\n" for name, kind in SETS.items()
                   if _family(name) == family)
    marks = iter(_MARKS[family])
    for (table, chain, hook), rules in _CHAINS.items():
        if table == family:
            lines = "".join(f'    {rule} comment "{next(marks)}"\n' for rule in rules)
            text += f"  chain {chain} {{\n    type filter {hook}; policy accept;\n{lines}  }}\n"
    return f"table {family} {NAME} {{\n{text}}}\n"


def _sort(kind: str) -> str:
    return "map" if " : " in kind else "set"


def _kinds(name: str) -> tuple[list[str], str]:
    """Return the types of a set's values, and what stands between them as nft(8) writes it."""
    kind = SETS[name].partition(" ")[2]
    joint = " : " if _sort(kind) == "map" else " . "
    return kind.split(joint), joint


def _family(name: str) -> str:
    return "arp" if name.startswith("arp:") else "inet"


def _bare(name: str) -> str:
    return name.rpartition(":")[2]


def changes(add: Iterable[Element], delete: Iterable[Element], replace: Iterable[Element] = ()) -> str:
    """Return the nft(8) input that adds, deletes and replaces elements; empty for none."""
    add, again = list(add), list(replace)
    gone = "".join(f"delete element {place(e.set)} {{ {key_text(e)} }}\n" for e in again)
    return gone + "".join(f"{verb} element {place(name)} {{ {', '.join(values)} }}\n"
                          for verb, elements in (("add", add + again), ("delete", delete))
                          for name, values in _by_set(elements).items())


def is_map(element: Element) -> bool:
    """Tell whether the element has a key, of which there can be but one."""
    return _sort(SETS[element.set]) == "map"


def key_text(element: Element) -> str:
    """Return the key of a map's element as nft(8) writes it."""
    return element_text(element).partition(" : ")[0]


def place(name: str) -> str:
    """Return family, table and set as nft(8) names a set of ours."""
    return f"{_family(name)} {NAME} {_bare(name)}"


def element_text(element: Element) -> str:
    """Return one element's value as nft(8) writes it."""
    kinds, joint = _kinds(element.set)
    return joint.join(_text(kind, value) for kind, value in zip(kinds, element.value))


def _text(kind: str, value: str) -> str:
    if kind == _TARGET:
        return f"0x{int(ipaddress.IPv6Address(value)):032x}"
    return f'"{value}"' if kind in ("ifname", "iifname") else value


def _by_set(elements: Iterable[Element]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for element in sorted(elements, key=lambda e: (e.set, e.value)):
        grouped.setdefault(element.set, []).append(element_text(element))
    return grouped


def parse(listings: Mapping[str, str]) -> frozenset[Item]:
    """Return the Skeleton and Elements found in `nft -j list table` output, by family.

    A family without a listing has no table of ours. Raises KernelError where the output is not what
    libnftables-json(5) says.
    """
    if not listings:
        return frozenset()
    whole, elements = set(listings) == set(FAMILIES), []
    for family, text in listings.items():
        try:
            items = json.loads(text)["nftables"]
            sets = {_key(family, i[k]["name"]): i[k] for i in items for k in ("set", "map") if k in i}
            live = not any("flags" in i["table"] for i in items if "table" in i)
            chains = {(family, c["name"], f"hook {c.get('hook')} priority {c.get('prio')}", c.get("policy"))
                      for c in (i["chain"] for i in items if "chain" in i)}
            marks = [i["rule"].get("comment", "?") for i in items if "rule" in i]
            elements += [e for name, found in sets.items() if name in SETS for e in _elements(name, found)]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            line = f"nft -j list table {family} {NAME}: cannot read its output ({error!r}); check nft's version"
            raise KernelError(line) from None
        whole = whole and live and chains == {(*key, "accept") for key in _CHAINS if key[0] == family}
        whole = whole and marks == _MARKS[family] and set(sets) == {n for n in SETS if _family(n) == family}
    return frozenset([Skeleton(_MARK if whole else "altered"), *elements])


def counted(listings: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return what the guard dropped, by reason, as `nft -j list counters` has it; raises KernelError as `parse`."""
    try:
        found = [i["counter"] for text in listings for i in json.loads(text)["nftables"] if "counter" in i]
        named = {c["name"].partition("drop_")[2]: (int(c["packets"]), int(c["bytes"])) for c in found}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KernelError(f"nft -j list counters: cannot read its output ({error!r}); check nft's version") from None
    return {reason: named[reason] for reason in REASONS if reason in named}


def _key(family: str, name: str) -> str:
    return f"arp:{name}" if family == "arp" else name


def _elements(name: str, found: Mapping) -> Iterable[Element]:
    kinds, _ = _kinds(name)
    for raw in found.get("elem", ()):
        if isinstance(raw, dict) and "elem" in raw:  # an element with a counter or comment
            raw = raw["elem"]["val"]
        values = raw["concat"] if isinstance(raw, dict) else raw if isinstance(raw, list) else [raw]
        yield Element(name, tuple(_value(kind, value) for kind, value in zip(kinds, values)))


def _value(kind: str, raw: object) -> str:
    return str(ipaddress.IPv6Address(int(str(raw), 0))) if kind == _TARGET else str(raw)
