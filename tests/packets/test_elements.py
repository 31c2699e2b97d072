"""Elements that the daemon changes by nfnetlink are those that nft(8) makes and lists, all of a change or none."""

import itertools
import socket

import pytest

from vzhooks.kernel import elements, nft
from vzhooks.kernel.apply import guard_text
from vzhooks.kernel.monitor import NETLINK_NETFILTER
from vzhooks.model import Element
from vzhooks.policy import guard, layout
from vzhooks.policy.plan import ADD, DELETE, REPLACE, Op

pytestmark = pytest.mark.generation(4)


VALUES = {"ipv4_addr": ("10.0.0.7", "255.0.1.2"), "ipv6_addr": ("fd00::7", "2001:db8:1:2:3:4:5:6"),
          "@th,64,128": ("fd00::8", "2001:db8::1:0:0:1"), "ifname": ("eth3", "fifteen-letters"),
          "iifname": ("eth4", "v.1@2"), "ether_addr": ("02:00:00:00:00:01", "fe:dc:ba:98:76:54"),
          "mark": ("0x00010000", "0x007e0000")}


def element(name, given, n):
    """Return an element of a set of a layout, the one or the other."""
    def value(kind):
        if kind != "verdict":
            return VALUES[kind][n]
        if name.startswith("known"):
            return ("assigned", "unassigned_here")[n] + name[-1]
        return (layout.return_chain if "returns" in name else layout.mark_chain)(given.marks[n])
    kind = given.sets[name].partition(" ")[2].replace(" : ", " . ")
    return Element(name, tuple(value(part) for part in kind.split(" . ")))


def changes(mask):
    """Change elements of each set of a layout by nfnetlink and by nft(8); return what was there each time."""
    given = layout.layout(mask, (0x10000, layout.layout(mask).closed) if mask else ())
    first, second = ([element(name, given, n) for name in given.sets] for n in (0, 1))
    numbers, seen = itertools.count(1), []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as line:
        line.settimeout(5)

        def by_hand(ops):
            taken = elements.change(line, ops, next(numbers))
            seen.append((taken, nft.found() - {given.skeleton}))

        def listed(ops):
            nft.load(guard_text(ops))
            seen.append((None, nft.found() - {given.skeleton}))
        nft.load(guard.full(given.skeleton, ()))
        add, more = (tuple(Op(ADD, e) for e in group) for group in (first, second))
        for way in (by_hand, listed):
            way((*add, *more))
            way((*add, *(Op(DELETE, e) for e in second)))
            way((*(Op(DELETE, e) for e in first), *more))
            way(tuple(Op(DELETE, e) for e in second))
        by_hand(add)
        by_hand((*more, Op(DELETE, Element("arp:asked4", ("10.9.9.9",)))))  # which is not there
        by_hand((*more, Op(ADD, Element("arp:askers", ("eth3", "10.3.3.3")))))  # whose key has another value
        by_hand((Op(REPLACE, Element("arp:askers", ("eth3", "10.3.3.3"))),))
        by_hand((Op(ADD, Element("arp:asked4", ("fd00::1",))),))
        by_hand((Op(ADD, Element("held", ("eth*",))),))
    return seen, frozenset(first), frozenset(second)


@pytest.mark.parametrize("mask", [0, 0x00ff0000], ids=["rule", "map"])
def test_nft_lists_what_was_changed_by_hand(site, mask):
    site.install()
    seen, first, second = site.node.hn.call(changes, mask)
    nothing = frozenset()
    assert [found for _, found in seen[:4]] == [first | second, first, second, nothing]
    assert [found for _, found in seen[4:8]] == [found for _, found in seen[:4]]
    (asker,) = (e for e in first if e.set == "arp:askers")
    moved = first - {asker} | {type(asker)("arp:askers", ("eth3", "10.3.3.3"))}
    assert [found for _, found in seen[8:]] == [first, first, first, moved, moved, moved]
    assert [taken for taken, _ in seen] == [True] * 4 + [None] * 4 + [True, False, False, True, False, False]
